"""What prepares and operates a suite of containers: `python -m kehu_local.containers secrets | stores | keys … | audit …`.

`secrets` makes passwords and keys once and writes for each process the variables it starts with, into the volume of its
service alone. `stores` then makes database, roles, schemas and topics. Both may run again at every start. `keys` and
`audit` are the commands of `kehu` of these names, for whoever operates the suite.
"""

from __future__ import annotations

import asyncio
import os
import shlex
import shutil
import sys
from pathlib import Path
from typing import Final

import typer

from kehu_local.audit import audit
from kehu_local.environment import process_environment
from kehu_local.failures import Failed
from kehu_local.keys import keys
from kehu_local.plan import PORTS, SERVICES, Plan
from kehu_local.secrets import Secrets
from kehu_local.store import provision
from kehu_local.topics import apply_topics

__all__ = ["main"]

SECRETS: Final = Path("/secrets")
LEDGERS: Final = Path("/ledger")
"""Where the jobs see the ledger of each service, in a folder of its name."""
RUN: Final = Path("/run/kehu")
LEDGER: Final = Path("/var/lib/kehu/ledger")
"""Where a worker sees its own."""
KEEPS_PERSONAL_DATA: Final = frozenset({"customer", "complaints"})


def main(arguments: list[str]) -> int:
    """Run one of the commands."""
    try:
        if arguments[0] == "secrets":
            write_secrets(SECRETS, LEDGERS)
        elif arguments[0] == "stores":
            make_stores(SECRETS)
        else:
            operate(arguments)
    except Failed as failure:
        sys.stderr.write(f"kehu: {failure.cause}\n      {failure.remedy}\n")
        return 1
    return 0


def operate(arguments: list[str]) -> None:
    """Run a command of `kehu keys` or `kehu audit` on the suite of containers; ends the process with its exit code."""
    app = typer.Typer(name="operator", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
    app.add_typer(keys, name="keys")
    app.add_typer(audit, name="audit")
    app(arguments)


def write_secrets(folder: Path, ledgers: Path) -> None:
    """Make what is missing, and write the files that PostgreSQL and each process read."""
    plan = _plan(folder)
    for made in (plan.data, plan.run):
        made.mkdir(parents=True, exist_ok=True)
    secrets = Secrets.load_or_make(plan)
    # For the operator's commands.
    plan.save()
    # PostgreSQL runs as a user of its own, in our group.
    _write(folder / "postgres" / "password", secrets.superuser, mode=0o640)
    for service in (*SERVICES, "gateway"):
        for command in ("api", "worker", "migrate"):
            variables = process_environment(plan, secrets, service, command) | _placed(service)
            if service not in KEEPS_PERSONAL_DATA:
                del variables["KEHU_KEY_FILE"]
            # Each container has business time from its own machine.
            del variables["KEHU_CLOCK_FILE"]
            if command != "worker":
                del variables["KEHU_LEDGER_FOLDER"]
            lines = "".join(f"{name}={shlex.quote(value)}\n" for name, value in sorted(variables.items()))
            _write(folder / service / f"{command}.env", lines)
        # The volume belongs to whoever wrote to it first.
        (ledgers / service / f"{service}.jsonl").touch(mode=0o600)
    _copy(plan.client_secrets / "campaigns-service", folder / "campaigns" / "client-secret")
    _copy(plan.issuer_key_file, folder / "gateway" / "issuer.pem")
    for file in (plan.key_file, plan.webhook_key_file):
        for copy in plan.key_copies[file.name]:
            _copy(file, Path(copy))
    clients = folder / "gateway" / "clients"
    clients.mkdir(exist_ok=True)
    for file in plan.client_secrets.iterdir():
        _copy(file, clients / file.name)


def make_stores(folder: Path) -> None:
    """Make database, roles, schemas and topics."""
    plan = _plan(folder)
    asyncio.run(provision(plan, Secrets.load_or_make(plan)))
    for change in asyncio.run(apply_topics(plan.kafka_bootstrap)):
        sys.stdout.write(f"{change.topic}: {change.what}\n")


def _plan(folder: Path) -> Plan:
    data = folder / "suite"
    made = Plan(root=folder, data=data, kafka=os.environ.get("KEHU_KAFKA_BOOTSTRAP", "kafka:9092"))
    superuser = Secrets.load_or_make(made).superuser
    place = os.environ.get("KEHU_POSTGRES_PLACE", "postgres:5432")
    return Plan(
        root=folder,
        data=data,
        kafka=made.kafka,
        postgres=f"postgresql://postgres:{superuser}@{place}/postgres",
        key_copies={
            made.key_file.name: [str(folder / service / "keys.json") for service in sorted(KEEPS_PERSONAL_DATA)],
            made.webhook_key_file.name: [str(folder / "gateway" / "webhook-keys.json")],
        },
    )


def _placed(service: str) -> dict[str, str]:
    """What differs from a suite on one machine: names of hosts, and where files lie."""
    prefix = service.upper()
    public = os.environ.get("KEHU_PUBLIC_URL", "http://localhost:8080")
    gateway = f"http://gateway:{PORTS['gateway']}"
    placed = {
        f"{prefix}_HOST": "0.0.0.0",  # noqa: S104 - inside a container; what is published is compose's matter.
        "KEHU_ENVIRONMENT": os.environ.get("KEHU_ENVIRONMENT", "demo"),
        "KEHU_ISSUER": public,
        "KEHU_JWKS_URL": f"{gateway}/oauth2/jwks",
        "KEHU_KEY_FILE": str(RUN / "keys.json"),
        "KEHU_LEDGER_FOLDER": str(LEDGER),
    }
    urls = {name: f"http://{name}:{PORTS[name]}" for name in SERVICES}
    if service == "campaigns":
        placed["CAMPAIGNS_CUSTOMER_URL"] = urls["customer"]
        placed["CAMPAIGNS_TOKEN_URL"] = f"{gateway}/oauth2/token"
        placed["CAMPAIGNS_CLIENT_SECRET_FILE"] = str(RUN / "client-secret")
    if service == "gateway":
        placed["GATEWAY_PUBLIC_URL"] = public
        placed["GATEWAY_CONSOLE"] = "/opt/console"
        placed["GATEWAY_ISSUER_KEY_FILE"] = str(RUN / "issuer.pem")
        placed["GATEWAY_WEBHOOK_KEY_FILE"] = str(RUN / "webhook-keys.json")
        placed["GATEWAY_CLIENT_SECRETS"] = str(RUN / "clients")
        placed |= {f"GATEWAY_{name.upper()}_URL": url for name, url in urls.items()}
    return placed


def _write(path: Path, text: str, *, mode: int = 0o600) -> None:
    path.touch(mode=mode)
    path.write_text(text, encoding="utf-8")


def _copy(source: Path, target: Path) -> None:
    # A service that runs looks at its keys: what is as it should be is left alone.
    if not target.exists() or target.read_bytes() != source.read_bytes():
        target.touch(mode=0o600)
        shutil.copyfile(source, target)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
