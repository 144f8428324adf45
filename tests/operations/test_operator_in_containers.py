"""`kehu keys` and `kehu audit verify` as the container `operator` runs them: on the volumes of a suite of containers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from unittest.mock import patch
from urllib.parse import urlsplit

import pytest

from kehu_chassis import audit, audit_chain
from kehu_chassis.clock import SystemClock
from kehu_chassis.crypto import KeyRing
from kehu_chassis.database import Database
from kehu_chassis.ledger import Ledger
from kehu_local import containers
from kehu_local.environment import database_dsn
from kehu_local.plan import Plan
from kehu_local.secrets import SCHEMAS, Secrets

Operator = Callable[..., Awaitable[int]]


@pytest.fixture
def volumes(at_rest: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The volumes as the job `secrets` leaves them, of a suite whose database is at rest."""
    for name in ("suite", "postgres", *SCHEMAS):
        (tmp_path / "secrets" / name).mkdir(parents=True)
    for name in SCHEMAS:
        (tmp_path / "ledger" / name).mkdir(parents=True)
    assert at_rest.postgres is not None
    monkeypatch.setenv("KEHU_POSTGRES_PLACE", urlsplit(at_rest.postgres).netloc.rpartition("@")[2])
    containers.write_secrets(tmp_path / "secrets", tmp_path / "ledger")
    monkeypatch.setenv("KEHU_DATA", str(tmp_path / "secrets" / "suite"))
    monkeypatch.setenv("KEHU_LEDGER", str(tmp_path / "ledger"))
    return tmp_path


@pytest.fixture
def operator(volumes: Path) -> Iterator[Operator]:
    """Runs a command of the container; its exit code."""

    def run(arguments: list[str]) -> int:
        with pytest.raises(SystemExit) as ended:
            raise SystemExit(containers.main(arguments))
        return int(ended.value.code or 0)

    with (
        patch.object(containers, "SECRETS", volumes / "secrets"),
        patch.object(containers, "LEDGERS", volumes / "ledger"),
    ):
        # A command has a loop of its own.
        yield lambda *arguments: asyncio.to_thread(run, list(arguments))


async def write_audit(volumes: Path, service: str, rows: int) -> None:
    """Rows as the service writes them, sealed and anchored by its worker."""
    plan = Plan.load(volumes, volumes / "secrets" / "suite")
    dsn = database_dsn(plan, Secrets.load_or_make(plan), service, "worker")
    database = await Database.connect(dsn, schema=service)
    try:
        for number in range(rows):
            async with database.begin() as tx:
                at = SystemClock().now()
                await audit.record(tx, actor="a", action=f"deed.{number}", resource=("thing", "1"), at=at)
        await audit_chain.seal(database, at_rest=True)
        async with database.begin(read_only=True) as tx:
            await audit_chain.anchor(tx, Ledger(volumes / "ledger" / service, service))
    finally:
        await database.close()


async def test_a_rotated_key_reaches_the_services_that_hold_it_and_no_other(
    volumes: Path, operator: Operator, capfd: pytest.CaptureFixture[str]
) -> None:
    assert await operator("keys", "rotate", "message", "--settle", "0") == 0
    assert await operator("keys", "rotate", "webhook", "--settle", "0") == 0
    secrets = volumes / "secrets"
    for service in ("customer", "complaints"):
        assert KeyRing.from_file(secrets / service / "keys.json").message_keys.active_id == "bank-2"
    assert set(KeyRing.from_file(secrets / "gateway" / "webhook-keys.json").checks()) == {"webhook-1", "webhook-2"}
    holders = {"complaints", "customer", "secrets"}
    assert {path.parent.name for path in await asyncio.to_thread(sorted, secrets.rglob("keys.json"))} == holders
    capfd.readouterr()
    assert await operator("keys", "hand-over", "bank-2", "-") == 0
    assert json.loads(capfd.readouterr().out)["kid"] == "bank-2"
    assert await operator("keys", "retire", "webhook-1") == 0
    assert set(KeyRing.from_file(secrets / "gateway" / "webhook-keys.json").checks()) == {"webhook-2"}
    assert await operator("keys", "retire", "webhook-2") == 1
    assert "webhook-2 is the only one of its kind" in capfd.readouterr().err


async def test_the_audit_is_verified_against_the_ledger_of_each_service(
    volumes: Path, operator: Operator, capfd: pytest.CaptureFixture[str]
) -> None:
    await write_audit(volumes, "gateway", 3)
    await write_audit(volumes, "customer", 2)
    capfd.readouterr()
    assert await operator("audit", "verify") == 0
    holding = {"customer": "2 rows hold, 1", "gateway": "3 rows hold, 1"}
    assert capfd.readouterr().out.splitlines() == [
        f"{service}: {holding.get(service, '0 rows hold, 0')} of them anchored" for service in SCHEMAS
    ]
    Ledger(volumes / "ledger" / "gateway", "gateway").note(audit_chain.ANCHORED, position=4, hash="00")
    assert await operator("audit", "verify") == 1
    told = capfd.readouterr().out
    assert "gateway: 3 rows hold, 1 of them anchored; broken at position 4: the chain once was longer" in told
