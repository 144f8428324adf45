"""The commands of the containers `operator` and `restore`, on the volumes of a suite of containers."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch
from urllib.parse import urlsplit

import pytest

from kehu_chassis import audit, audit_chain
from kehu_chassis.clock import SystemClock
from kehu_chassis.crypto import KeyRing
from kehu_chassis.database import Database
from kehu_chassis.ledger import Ledger
from kehu_chassis.testing.plugin import jars_folder
from kehu_chassis.testing.servers import KafkaServer, free_port
from kehu_local import cli, operator
from kehu_local.environment import database_dsn
from kehu_local.plan import Plan
from kehu_local.secrets import SCHEMAS, Secrets
from kehu_local.topics import apply_topics
from kehu_local.volumes import write_secrets

from .databases import a_database, name_of

SUFFIXES = ("", "-worker", "-migrate")


@dataclass(frozen=True)
class Project:
    """A compose project's volumes, as the job `secrets` leaves them."""

    folder: Path

    @property
    def secrets(self) -> Path:
        return self.folder / "secrets"

    @property
    def ledger(self) -> Path:
        return self.folder / "ledger"

    @property
    def plan(self) -> Plan:
        return Plan.load(self.folder, self.secrets / "suite")

    def make(self) -> Project:
        for name in ("suite", "postgres", *(f"{name}{suffix}" for name in SCHEMAS for suffix in SUFFIXES)):
            (self.secrets / name).mkdir(parents=True)
        for name in SCHEMAS:
            (self.ledger / name).mkdir(parents=True)
        write_secrets(self.secrets, self.ledger)
        return self

    async def operate(self, *arguments: str) -> int:
        """The exit code of a command; it has a loop of its own."""
        return await asyncio.to_thread(self._operate, list(arguments))

    def _operate(self, arguments: list[str]) -> int:
        with (
            patch.dict(os.environ, KEHU_DATA=str(self.secrets / "suite")),
            patch.object(operator, "SECRETS", self.secrets),
            patch.object(operator, "LEDGERS", self.ledger),
            pytest.raises(SystemExit) as ended,
        ):
            cli.main_of(operator.app, arguments)
        return int(ended.value.code or 0)


@pytest.fixture
def project(at_rest: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """One whose database is at rest."""
    assert at_rest.postgres is not None
    monkeypatch.setenv("KEHU_POSTGRES_PLACE", urlsplit(at_rest.postgres).netloc.rpartition("@")[2])
    return Project(tmp_path / "project").make()


async def write_audit(project: Project, service: str, rows: int) -> None:
    """Rows as the service writes them, sealed and anchored by its worker."""
    plan = project.plan
    dsn = database_dsn(plan, Secrets.load_or_make(plan), service, "worker")
    database = await Database.connect(dsn, schema=service)
    try:
        for number in range(rows):
            async with database.begin() as tx:
                at = SystemClock().now()
                await audit.record(tx, actor="a", action=f"deed.{number}", resource=("thing", "1"), at=at)
        await audit_chain.seal(database, at_rest=True)
        async with database.begin(read_only=True) as tx:
            await audit_chain.anchor(tx, Ledger(project.ledger / service, service))
    finally:
        await database.close()


async def test_a_rotated_key_reaches_the_processes_that_need_it_and_no_other(
    project: Project, capfd: pytest.CaptureFixture[str]
) -> None:
    def held(container: str, file: str) -> set[str]:
        return set(KeyRing.from_file(project.secrets / container / file).checks())

    for kind in ("message", "kek", "webhook"):
        assert await project.operate("keys", "rotate", kind, "--settle", "0") == 0
    for container in ("customer", "customer-worker"):
        ring = KeyRing.from_file(project.secrets / container / "keys.json")
        assert (ring.message_keys.active_id, ring.wrapper.active_id) == ("bank-2", "kek-2")
        assert held(container, "keys.json") == {"kek-1", "kek-2", "index-1", "bank-1", "bank-2"}
    for container in ("complaints", "complaints-worker"):
        assert held(container, "keys.json") == {"kek-1", "kek-2"}
    for container in ("gateway", "gateway-worker"):
        assert held(container, "webhook-keys.json") == {"webhook-1", "webhook-2"}
    capfd.readouterr()
    assert await project.operate("keys", "hand-over", "bank-2", "-") == 0
    assert json.loads(capfd.readouterr().out)["kid"] == "bank-2"
    assert await project.operate("keys", "retire", "webhook-1") == 0
    assert held("gateway-worker", "webhook-keys.json") == {"webhook-2"}
    assert await project.operate("keys", "retire", "webhook-2") == 1
    assert "webhook-2 is the only one of its kind" in capfd.readouterr().err


async def test_the_audit_is_verified_against_the_ledger_of_each_service(
    project: Project, capfd: pytest.CaptureFixture[str]
) -> None:
    await write_audit(project, "gateway", 3)
    await write_audit(project, "customer", 2)
    capfd.readouterr()
    assert await project.operate("audit", "verify") == 0
    holding = {"customer": "2 rows hold, 1", "gateway": "3 rows hold, 1"}
    assert capfd.readouterr().out.splitlines() == [
        f"{service}: {holding.get(service, '0 rows hold, 0')} of them anchored" for service in SCHEMAS
    ]
    Ledger(project.ledger / "gateway", "gateway").note(audit_chain.ANCHORED, position=4, hash="00")
    assert await project.operate("audit", "verify") == 1
    told = capfd.readouterr().out
    assert "gateway: 3 rows hold, 1 of them anchored; broken at position 4: the chain once was longer" in told


@pytest.fixture
def broker(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Iterator[KafkaServer]:
    """A broker without a topic: a project's own, on which topics have their plain names."""
    folder = tmp_path_factory.mktemp("broker")
    # The server of a test that root runs has a user of its own, who must reach its folder.
    for parent in (folder, folder.parent, folder.parent.parent):
        parent.chmod(0o755)
    jars = jars_folder(pytestconfig)
    with KafkaServer(folder / "data", free_port(), jars, controller_port=free_port(), heap="256m") as server:
        yield server


def contents(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8")
        for path in folder.rglob("*")
        if path.is_file()
    }


async def test_a_project_comes_back_in_a_new_one(
    at_rest: Plan,
    tmp_path: Path,
    broker: KafkaServer,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    assert at_rest.postgres is not None
    monkeypatch.setenv("KEHU_POSTGRES_PLACE", urlsplit(at_rest.postgres).netloc.rpartition("@")[2])
    monkeypatch.setenv("KEHU_KAFKA_BOOTSTRAP", broker.bootstrap)
    lost = Project(tmp_path / "lost").make()
    await apply_topics(broker.bootstrap)
    await write_audit(lost, "customer", 2)
    backup, keys = str(tmp_path / "backup"), str(tmp_path / "keys")
    assert await lost.operate("backup", backup, "--keys", keys) == 0
    told = Secrets.load_or_make(lost.plan)

    found = Project(tmp_path / "found").make()
    own = Secrets.load_or_make(found.plan)
    assert own.roles != told.roles
    options = [backup, "--keys", keys, "--ledger", str(lost.ledger)]
    made = contents(found.secrets)
    # The servers are still those of the lost project.
    source = name_of(database_dsn(lost.plan, told))
    with _names(source):
        assert await found.operate("restore", *options) == 1
    assert "The database holds a suite" in capfd.readouterr().err
    assert made.items() <= contents(found.secrets).items()

    async with a_database(at_rest.postgres) as empty:
        with _names(name_of(empty)):
            assert await found.operate("restore", *options) == 0
            assert await found.operate("verify", "--patience", "0") == 0
            assert await found.operate("audit", "verify") == 0
    ours = {name: text.replace(name_of(empty), source) for name, text in contents(found.secrets).items()}
    assert "customer: 3 rows hold, 2 of them anchored" in capfd.readouterr().out
    brought = Secrets.load_or_make(found.plan)
    # PostgreSQL knows its superuser by the password of the new project, and everybody else by the lost one's.
    assert (brought.superuser, brought.roles, brought.session_key) == (own.superuser, told.roles, told.session_key)
    assert (found.secrets / "postgres" / "password").read_text() == own.superuser
    differing = {name for name, text in contents(lost.secrets).items() if ours[name] != text}
    assert differing == {"suite/secrets/passwords.json", "suite/run/suite.json", "postgres/password"}
    assert "audit.restored" in (found.ledger / "customer" / "customer.jsonl").read_text()


@contextmanager
def _names(database: str) -> Iterator[None]:
    """Gives Kehu's database, on the server of the tests, a name of its own."""
    with ExitStack() as stack:
        for module in ("environment", "recovery.restore", "store"):
            stack.enter_context(patch(f"kehu_local.{module}.DATABASE", database))
        yield
