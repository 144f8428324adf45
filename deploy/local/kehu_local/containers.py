"""The job that prepares a suite of containers: `python -m kehu_local.containers secrets | stores`.

`secrets` makes passwords and keys once and writes for each process the variables it starts with, into the volume of its
service alone. `stores` then makes database, roles, schemas and topics. Both may run again at every start.
"""

from __future__ import annotations

import asyncio
import os
import shlex
import shutil
import sys
from pathlib import Path
from typing import Final

from kehu_local.environment import process_environment
from kehu_local.failures import Failed
from kehu_local.plan import PORTS, SERVICES, Plan
from kehu_local.secrets import Secrets
from kehu_local.store import provision
from kehu_local.topics import apply_topics

__all__ = ["main"]

SECRETS: Final = Path("/secrets")
RUN: Final = Path("/run/kehu")
KEEPS_PERSONAL_DATA: Final = frozenset({"customer", "complaints"})


def main(arguments: list[str]) -> int:
    """Run one of the two commands."""
    command = {"secrets": write_secrets, "stores": make_stores}[arguments[0]]
    try:
        command(SECRETS)
    except Failed as failure:
        sys.stderr.write(f"kehu: {failure.cause}\n      {failure.remedy}\n")
        return 1
    return 0


def write_secrets(folder: Path) -> None:
    """Make what is missing, and write the files that PostgreSQL and each process read."""
    plan = _plan(folder)
    plan.data.mkdir(parents=True, exist_ok=True)
    secrets = Secrets.load_or_make(plan)
    # PostgreSQL runs as a user of its own, in our group.
    _write(folder / "postgres" / "password", secrets.superuser, mode=0o640)
    for service in (*SERVICES, "gateway"):
        for command in ("api", "worker", "migrate"):
            variables = process_environment(plan, secrets, service, command) | _placed(service)
            if service not in KEEPS_PERSONAL_DATA:
                del variables["KEHU_KEY_FILE"]
            # Each container has business time from its own machine, and its ledger goes with its log.
            del variables["KEHU_CLOCK_FILE"], variables["KEHU_LEDGER_FOLDER"]
            lines = "".join(f"{name}={shlex.quote(value)}\n" for name, value in sorted(variables.items()))
            _write(folder / service / f"{command}.env", lines)
    for service in KEEPS_PERSONAL_DATA:
        _copy(plan.key_file, folder / service / "keys.json")
    _copy(plan.client_secrets / "campaigns-service", folder / "campaigns" / "client-secret")
    _copy(plan.issuer_key_file, folder / "gateway" / "issuer.pem")
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
        root=folder, data=data, kafka=made.kafka, postgres=f"postgresql://postgres:{superuser}@{place}/postgres"
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
        placed["GATEWAY_CLIENT_SECRETS"] = str(RUN / "clients")
        placed |= {f"GATEWAY_{name.upper()}_URL": url for name, url in urls.items()}
    return placed


def _write(path: Path, text: str, *, mode: int = 0o600) -> None:
    path.touch(mode=mode)
    path.write_text(text, encoding="utf-8")


def _copy(source: Path, target: Path) -> None:
    target.touch(mode=0o600)
    shutil.copyfile(source, target)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
