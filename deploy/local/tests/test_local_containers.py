"""The secrets of a suite of containers: made once, and each process is given its own alone."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from kehu_chassis.crypto import KeyRing
from kehu_local.plan import Plan
from kehu_local.volumes import write_secrets

SERVICES = ("customer", "segmentation", "complaints", "campaigns", "gateway")
COMMANDS = {"": "api", "-worker": "worker", "-migrate": "migrate"}
CONTAINERS = [service + suffix for service in SERVICES for suffix in COMMANDS]
FILES = {
    "customer": {"keys.json"},
    "complaints": {"keys.json"},
    "campaigns": {"client-secret"},
    "gateway-worker": {"webhook-keys.json"},
    "gateway": {
        "webhook-keys.json",
        "issuer.pem",
        "clients/core-banking",
        "clients/mobile-bank",
        "clients/campaigns-service",
    },
}
"""What a container has beside its variables; a worker as its api, where nothing else is said. A migration has nothing."""

SHELL = {"PWD", "OLDPWD", "SHLVL", "_"}
"""What a shell tells of itself."""


@pytest.fixture
def volumes(tmp_path: Path) -> Path:
    for name in ("suite", "postgres", *CONTAINERS):
        (tmp_path / name).mkdir()
    for name in SERVICES:
        (tmp_path / "ledger" / name).mkdir(parents=True)
    write(tmp_path)
    return tmp_path


def write(volumes: Path) -> None:
    """What the job does; the volumes of the ledgers stand among the others here."""
    write_secrets(volumes, volumes / "ledger")


def _variables(file: Path) -> dict[str, str]:
    """What a shell reads from the file, as the image's entry point does."""
    script = f"set -a; . {file}; env"
    done = subprocess.run(["sh", "-c", script], env={}, capture_output=True, text=True, check=True)
    return dict(line.split("=", 1) for line in done.stdout.splitlines())


@pytest.mark.parametrize("service", SERVICES)
def test_a_process_is_given_the_address_of_its_own_role_and_no_other(volumes: Path, service: str) -> None:
    for suffix, command in COMMANDS.items():
        role = "owner" if command == "migrate" else command
        variables = _variables(volumes / f"{service}{suffix}" / f"{command}.env")
        dsns = {name: value for name, value in variables.items() if name.endswith("_DATABASE_DSN")}
        assert set(dsns) == {f"{service.upper()}_DATABASE_DSN"}
        assert f"//kehu_{service}_{role}:" in dsns[f"{service.upper()}_DATABASE_DSN"]
        assert dsns[f"{service.upper()}_DATABASE_DSN"].endswith("@postgres:5432/kehu")
        if command == "migrate":
            # It serves nobody: no key of sessions, no issuer, no way to the broker.
            assert variables.keys() - SHELL == dsns.keys()
            continue
        assert variables[f"{service.upper()}_HOST"] == "0.0.0.0"  # noqa: S104 - inside a container.
        assert variables["KEHU_ISSUER"] == "http://localhost:8080"


@pytest.mark.parametrize("container", CONTAINERS)
def test_a_container_holds_what_it_needs_and_no_more(volumes: Path, container: str) -> None:
    service, _, suffix = container.partition("-")
    command = COMMANDS[f"-{suffix}" if suffix else ""]
    needed = set() if command == "migrate" else FILES.get(container, FILES.get(service, set()))
    held = volumes / container
    assert {path.relative_to(held).as_posix() for path in held.rglob("*") if path.is_file()} == {
        f"{command}.env",
        *needed,
    }
    # A volume of an earlier version held what all processes of the service need.
    (held / "owner.env").write_text("CUSTOMER_DATABASE_DSN=…")
    write(volumes)
    assert not (held / "owner.env").exists()


def test_the_complaints_service_is_given_the_keys_that_wrap_and_no_other(volumes: Path) -> None:
    whole = json.loads((volumes / "suite" / "secrets" / "keys.json").read_text())
    assert set(whole) == {"kek", "index", "message"}
    for container in ("complaints", "complaints-worker"):
        assert json.loads((volumes / container / "keys.json").read_text()) == {"kek": whole["kek"]}
    for container in ("customer", "customer-worker"):
        assert json.loads((volumes / container / "keys.json").read_text()) == whole
    named = {name for name in SERVICES if "KEHU_KEY_FILE" in _variables(volumes / name / "api.env")}
    assert named == {"customer", "complaints"}


def test_a_second_run_changes_no_secret(volumes: Path) -> None:
    before = {path: path.read_bytes() for path in volumes.rglob("*") if path.is_file()}
    write(volumes)
    assert {path: path.read_bytes() for path in volumes.rglob("*") if path.is_file()} == before


def test_every_file_is_for_its_owner_alone_and_the_superusers_password_for_its_group(volumes: Path) -> None:
    modes = {path: path.stat().st_mode & 0o777 for path in volumes.rglob("*") if path.is_file()}
    assert modes.pop(volumes / "postgres" / "password") == 0o640
    assert set(modes.values()) == {0o600}


def test_a_suite_is_a_demo_unless_it_is_told_to_be_none(volumes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert {_variables(volumes / name / "api.env")["KEHU_ENVIRONMENT"] for name in SERVICES} == {"demo"}
    monkeypatch.setenv("KEHU_ENVIRONMENT", "production")
    write(volumes)
    assert {_variables(volumes / name / "api.env")["KEHU_ENVIRONMENT"] for name in SERVICES} == {"production"}


def test_a_process_finds_its_files_where_its_variables_say(volumes: Path) -> None:
    told = _variables(volumes / "gateway-worker" / "worker.env")
    assert told["GATEWAY_WEBHOOK_KEY_FILE"] == "/run/kehu/webhook-keys.json"
    assert _variables(volumes / "complaints" / "api.env")["KEHU_KEY_FILE"] == "/run/kehu/keys.json"
    assert set(KeyRing.from_file(volumes / "gateway-worker" / "webhook-keys.json").checks()) == {"webhook-1"}


@pytest.mark.parametrize("service", SERVICES)
def test_a_worker_has_a_ledger_of_its_own_and_no_other_process_has_one(volumes: Path, service: str) -> None:
    told = {
        command: _variables(volumes / f"{service}{suffix}" / f"{command}.env").get("KEHU_LEDGER_FOLDER")
        for suffix, command in COMMANDS.items()
    }
    assert told == {"api": None, "worker": "/var/lib/kehu/ledger", "migrate": None}
    # The job writes to the volume first, so that it belongs to the user whom the worker runs as.
    assert [path.name for path in (volumes / "ledger" / service).iterdir()] == [f"{service}.jsonl"]


def test_a_second_run_leaves_keys_alone_that_a_service_looks_at(volumes: Path) -> None:
    looked_at = [*volumes.rglob("keys.json"), *volumes.rglob("webhook-keys.json")]
    before = {path: path.stat().st_mtime_ns for path in looked_at}
    assert len(before) == 1 + 4 + 1 + 2
    write(volumes)
    assert {path: path.stat().st_mtime_ns for path in looked_at} == before


def test_the_operators_commands_know_the_suite_and_where_its_keys_stand(volumes: Path) -> None:
    plan = Plan.load(volumes, volumes / "suite")
    assert plan.postgres is not None
    assert plan.postgres.endswith("@postgres:5432/postgres")
    assert plan.gateway_url == "http://gateway:8080"
    assert plan.ledger_of("customer") == volumes / "ledger" / "customer"
    assert plan.key_copies == {
        "keys.json": [str(volumes / name / "keys.json") for name in ("customer", "customer-worker")],
        "complaints-keys.json": [str(volumes / name / "keys.json") for name in ("complaints", "complaints-worker")],
        "webhook-keys.json": [str(volumes / name / "webhook-keys.json") for name in ("gateway", "gateway-worker")],
    }
