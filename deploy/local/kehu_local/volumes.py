"""What each container of the suite is given, in a volume of its own: the variables it starts with, the files it needs.

Each process has its own volume, not each service: an api cannot read the password of the owner of its schema, and what
sends webhooks cannot read the key that tokens are signed with.
"""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from kehu_local.environment import key_file_of, process_environment
from kehu_local.plan import PORTS, SERVICES, Plan
from kehu_local.secrets import CLIENTS, SCHEMAS, Secrets

__all__ = ["LEDGERS", "SECRETS", "plan_of", "write_secrets"]

SECRETS: Final = Path("/secrets")
"""Where the jobs and the operator see the volumes of the containers, in folders of their names."""
LEDGERS: Final = Path("/ledger")
"""Where they see the ledger of each service, in a folder of its name."""
RUN: Final = Path("/run/kehu")
"""Where a container sees its own volume."""
LEDGER: Final = Path("/var/lib/kehu/ledger")
"""Where a worker sees its own ledger."""
COMMANDS: Final = ("api", "worker", "migrate")


def plan_of(folder: Path, ledgers: Path) -> Plan:
    """The suite whose secrets are in the volumes of a folder; they are made if there are none."""
    data = folder / "suite"
    kafka = os.environ.get("KEHU_KAFKA_BOOTSTRAP", "kafka:9092")
    made = Plan(root=folder, data=data, kafka=kafka)
    superuser = Secrets.load_or_make(made).superuser
    place = os.environ.get("KEHU_POSTGRES_PLACE", "postgres:5432")
    return Plan(
        root=folder,
        data=data,
        kafka=kafka,
        postgres=f"postgresql://postgres:{superuser}@{place}/postgres",
        gateway=f"http://gateway:{PORTS['gateway']}",
        ledgers=ledgers,
        key_copies=_key_copies(made, folder),
    )


def write_secrets(folder: Path, ledgers: Path) -> Plan:
    """Make what is missing, and write the files that PostgreSQL and each process read."""
    plan = plan_of(folder, ledgers)
    for made in (plan.data, plan.run):
        made.mkdir(parents=True, exist_ok=True)
    secrets = Secrets.load_or_make(plan)
    # For the operator's commands.
    plan.save()
    # PostgreSQL runs as a user of its own, in our group.
    _write(folder / "postgres" / "password", secrets.superuser, mode=0o640)
    for service, command in _processes():
        variables = _variables(plan, secrets, service, command)
        _fill(folder / _container(service, command), f"{command}.env", variables, _files(plan, service, command))
    for service in SCHEMAS:
        # The volume belongs to whoever wrote to it first.
        (ledgers / service / f"{service}.jsonl").touch(mode=0o600)
    return plan


def _processes() -> Iterator[tuple[str, str]]:
    yield from ((service, command) for service in SCHEMAS for command in COMMANDS)


def _container(service: str, command: str) -> str:
    return service if command == "api" else f"{service}-{command}"


def _files(plan: Plan, service: str, command: str) -> dict[str, Path]:
    """What a process reads beside its variables, by its name in the volume. A migration reads nothing."""
    files: dict[str, Path] = {}
    key_file = key_file_of(plan, service)
    if command == "migrate":
        return files
    if key_file is not None:
        files["keys.json"] = key_file
    if service == "campaigns":
        files["client-secret"] = plan.client_secrets / "campaigns-service"
    if service == "gateway":
        files["webhook-keys.json"] = plan.webhook_key_file
        if command == "api":
            files["issuer.pem"] = plan.issuer_key_file
            files |= {f"clients/{client}": plan.client_secrets / client for client in CLIENTS}
    return files


def _key_copies(plan: Plan, folder: Path) -> dict[str, list[str]]:
    keys = {plan.key_file, plan.complaints_key_file, plan.webhook_key_file}
    copies: dict[str, list[str]] = {}
    for service, command in _processes():
        for name, file in _files(plan, service, command).items():
            if file in keys:
                copies.setdefault(file.name, []).append(str(folder / _container(service, command) / name))
    return copies


def _variables(plan: Plan, secrets: Secrets, service: str, command: str) -> dict[str, str]:
    variables = process_environment(plan, secrets, service, command)
    if command == "migrate":
        return variables
    variables |= _placed(service)
    if "KEHU_KEY_FILE" in variables:
        variables["KEHU_KEY_FILE"] = str(RUN / "keys.json")
    # Each container has business time from its own machine.
    del variables["KEHU_CLOCK_FILE"]
    if command != "worker":
        del variables["KEHU_LEDGER_FOLDER"]
    return variables


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


def _fill(volume: Path, name: str, variables: Mapping[str, str], files: Mapping[str, Path]) -> None:
    lines = "".join(f"{variable}={shlex.quote(value)}\n" for variable, value in sorted(variables.items()))
    _write(volume / name, lines)
    for inner, source in files.items():
        _copy(source, volume / inner)
    # What an earlier version gave to all processes of a service.
    for path in [path for path in volume.rglob("*") if path.is_file()]:
        if path.relative_to(volume).as_posix() not in {name, *files}:
            path.unlink()


def _write(path: Path, text: str, *, mode: int = 0o600) -> None:
    path.touch(mode=mode)
    path.write_text(text, encoding="utf-8")


def _copy(source: Path, target: Path) -> None:
    # A service that runs looks at its keys: what is as it should be is left alone.
    if not target.exists() or target.read_bytes() != source.read_bytes():
        target.parent.mkdir(exist_ok=True)
        target.touch(mode=0o600)
        shutil.copyfile(source, target)
