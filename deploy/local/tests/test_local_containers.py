"""The secrets of a suite of containers: made once, and each service is given its own alone."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from kehu_chassis.crypto import KeyRing
from kehu_local.containers import write_secrets
from kehu_local.plan import Plan

SERVICES = ("customer", "segmentation", "complaints", "campaigns", "gateway")


@pytest.fixture
def volumes(tmp_path: Path) -> Path:
    for name in ("suite", "postgres", *SERVICES):
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
    for command, role in (("api", "api"), ("worker", "worker"), ("migrate", "owner")):
        variables = _variables(volumes / service / f"{command}.env")
        dsns = {name: value for name, value in variables.items() if name.endswith("_DATABASE_DSN")}
        assert set(dsns) == {f"{service.upper()}_DATABASE_DSN"}
        assert f"//kehu_{service}_{role}:" in dsns[f"{service.upper()}_DATABASE_DSN"]
        assert dsns[f"{service.upper()}_DATABASE_DSN"].endswith("@postgres:5432/kehu")
        assert variables[f"{service.upper()}_HOST"] == "0.0.0.0"  # noqa: S104 - inside a container.
        assert variables["KEHU_ISSUER"] == "http://localhost:8080"


def test_the_keys_of_personal_data_go_to_the_services_that_keep_them_alone(volumes: Path) -> None:
    holders = {path.parent.name for path in volumes.rglob("keys.json")}
    assert holders == {"secrets", "customer", "complaints"}
    named = {name for name in SERVICES if "KEHU_KEY_FILE" in _variables(volumes / name / "api.env")}
    assert named == {"customer", "complaints"}
    assert {path.parent.name for path in volumes.rglob("issuer.pem")} == {"secrets", "gateway"}


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


def test_the_key_of_webhooks_goes_to_the_gateway_alone(volumes: Path) -> None:
    holders = {path.parent.name for path in volumes.rglob("webhook-keys.json")}
    assert holders == {"secrets", "gateway"}
    assert _variables(volumes / "gateway" / "worker.env")["GATEWAY_WEBHOOK_KEY_FILE"] == "/run/kehu/webhook-keys.json"
    assert set(KeyRing.from_file(volumes / "gateway" / "webhook-keys.json").checks()) == {"webhook-1"}


@pytest.mark.parametrize("service", SERVICES)
def test_a_worker_has_a_ledger_of_its_own_and_no_other_process_has_one(volumes: Path, service: str) -> None:
    told = {
        command: _variables(volumes / service / f"{command}.env").get("KEHU_LEDGER_FOLDER")
        for command in ("api", "worker", "migrate")
    }
    assert told == {"api": None, "worker": "/var/lib/kehu/ledger", "migrate": None}
    # The job writes to the volume first, so that it belongs to the user whom the worker runs as.
    assert [path.name for path in (volumes / "ledger" / service).iterdir()] == [f"{service}.jsonl"]


def test_a_second_run_leaves_keys_alone_that_a_service_looks_at(volumes: Path) -> None:
    looked_at = [*volumes.rglob("keys.json"), *volumes.rglob("webhook-keys.json")]
    before = {path: path.stat().st_mtime_ns for path in looked_at}
    assert len(before) == 5
    write(volumes)
    assert {path: path.stat().st_mtime_ns for path in looked_at} == before


def test_the_operators_commands_know_the_suite_and_where_its_keys_stand(volumes: Path) -> None:
    plan = Plan.load(volumes, volumes / "suite")
    assert plan.postgres is not None
    assert plan.postgres.endswith("@postgres:5432/postgres")
    assert plan.key_copies == {
        "keys.json": [str(volumes / "complaints" / "keys.json"), str(volumes / "customer" / "keys.json")],
        "webhook-keys.json": [str(volumes / "gateway" / "webhook-keys.json")],
    }
