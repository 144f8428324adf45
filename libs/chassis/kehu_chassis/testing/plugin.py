"""The pytest plugin that every test of the repository runs with; loaded by the root conftest.py.

A service's `tests/conftest.py` states what is tested:

    @pytest.fixture(scope="session")
    def definition() -> ServiceDefinition:
        return DEFINITION

and its tests then use `app_client`, `database`, `worker_database`, `deliver`, `fire_timers`, `outbox_rows`, `clock`.
Every test has a database of its own, copied from a migrated template, and with `kafka` topics and groups of its own.
Coroutine tests need no mark. Servers are those of `KEHU_TEST_POSTGRES_DSN` and `KEHU_TEST_KAFKA`, else they are started
when a test first asks for them (with several test processes: before the first).
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid4

import httpx
import pytest

from kehu_chassis.clock import FixedClock
from kehu_chassis.crypto import create_key_file
from kehu_chassis.database import Database
from kehu_chassis.definition import Runtime, ServiceDefinition
from kehu_chassis.kafka import Kafka
from kehu_chassis.testing.databases import ServiceDatabase, copied_database, ensure_template
from kehu_chassis.testing.events import Deliver, outbox_events
from kehu_chassis.testing.http import TestApp, open_test_app, test_settings
from kehu_chassis.testing.servers import KafkaServer, PostgresServer, free_port
from kehu_chassis.timers import Timers
from kehu_contracts.access import Role
from kehu_contracts.base import Contract

__all__: list[str] = []

POSTGRES: Final = "KEHU_TEST_POSTGRES_DSN"
KAFKA: Final = "KEHU_TEST_KAFKA"

# What a crash of the machine would lose does not matter to a test.
FAST: Final = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": "300",
    "shared_buffers": "128MB",
    "max_wal_size": "4GB",
}

_servers: Final = pytest.StashKey[list[PostgresServer | KafkaServer]]()


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Run coroutine tests without a mark; start servers before test processes that will share them."""
    config.option.anyio_mode = "auto"
    config.stash[_servers] = []
    if config.getoption("numprocesses", None) and not hasattr(config, "workerinput"):
        _postgres_dsn(config)
        _kafka_bootstrap(config)


def pytest_unconfigure(config: pytest.Config) -> None:
    """End what was started."""
    for server in config.stash.get(_servers, []):
        server.stop()


def _postgres_dsn(config: pytest.Config) -> str:
    if POSTGRES not in os.environ:
        server = PostgresServer(_folder("postgres"), free_port(), settings=FAST)
        server.start()
        config.stash[_servers].append(server)
        os.environ[POSTGRES] = server.dsn
    return os.environ[POSTGRES]


def _kafka_bootstrap(config: pytest.Config) -> str:
    if KAFKA not in os.environ:
        server = KafkaServer(_folder("kafka"), free_port(), jars_folder(config), controller_port=free_port())
        server.start()
        config.stash[_servers].append(server)
        os.environ[KAFKA] = server.bootstrap
    return os.environ[KAFKA]


def jars_folder(config: pytest.Config) -> Path:
    """Where `make jars` puts the broker's jars."""
    return config.rootpath / ".local" / "jars"


def _folder(name: str) -> Path:
    return Path(tempfile.mkdtemp(prefix=f"kehu-test-{name}-")) / name


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Coroutine tests run on asyncio alone: the drivers know no other."""
    return "asyncio"


@pytest.fixture
def closed_port() -> int:
    """A port at which nobody answers. anyio's fixture looks for one for ever where there is no IPv6."""
    return free_port()


@pytest.fixture(scope="session")
def postgres(request: pytest.FixtureRequest) -> str:
    """The address of PostgreSQL, for its superuser."""
    return _postgres_dsn(request.config)


@pytest.fixture(scope="session")
def kafka_bootstrap(request: pytest.FixtureRequest) -> str:
    """The address of the broker that all tests share."""
    return _kafka_bootstrap(request.config)


@pytest.fixture
async def kafka(kafka_bootstrap: str) -> AsyncIterator[Kafka]:
    """The broker, with topics and groups of this test's own; create topics by `create_topics`."""
    client = Kafka(kafka_bootstrap, client_id="kehu-test", prefix=f"t{uuid4().hex[:12]}.", session_timeout=6.0)
    yield client
    admin = client.admin()
    await admin.start()
    try:
        topics = [topic for topic in await admin.list_topics() if topic.startswith(client.prefix)]
        if topics:
            await admin.delete_topics(topics)
    finally:
        await admin.close()


@pytest.fixture
def clock() -> FixedClock:
    """Business time: 2026-03-02 09:00 in Shanghai, until the test moves it."""
    return FixedClock()


@pytest.fixture(scope="session")
def definition() -> ServiceDefinition:
    """The service under test. To be stated in the conftest.py of a service's tests."""
    pytest.fail("state the fixture `definition` in the conftest.py of these tests")


_templates: Final[dict[tuple[str, Path], str]] = {}


@pytest.fixture
async def service_database(postgres: str, definition: ServiceDefinition) -> AsyncIterator[ServiceDatabase]:
    """A database with the migrated schema of the service under test, of this test's own."""
    place = definition.schema, definition.migrations
    if place not in _templates:
        _templates[place] = await ensure_template(postgres, definition.schema, definition.migrations)
    async with copied_database(postgres, definition.schema, _templates[place]) as copied:
        yield copied


@pytest.fixture
async def database(service_database: ServiceDatabase) -> AsyncIterator[Database]:
    """The service's database as its api's role: row-level security holds."""
    opened = await Database.connect(service_database.dsn("api"), schema=service_database.schema, wait=30.0)
    yield opened
    await opened.close()


@pytest.fixture
async def worker_database(service_database: ServiceDatabase) -> AsyncIterator[Database]:
    """The service's database as its worker's role: every row is seen."""
    opened = await Database.connect(service_database.dsn("worker"), schema=service_database.schema, wait=30.0)
    yield opened
    await opened.close()


@pytest.fixture
def deliver(worker_database: Database, clock: FixedClock) -> Deliver:
    """Brings events to a subscription, numbered as their sender would."""
    return Deliver(worker_database, clock)


OutboxRows = Callable[..., Awaitable[list[dict[str, Any]]]]


@pytest.fixture
def outbox_rows(worker_database: Database) -> OutboxRows:
    """Tells what waits in the outbox, all or of one type; bodies are parsed under `data`."""

    async def rows(event_type: type[Contract] | None = None) -> list[dict[str, Any]]:
        return await outbox_events(worker_database, event_type)

    return rows


@pytest.fixture(scope="session")
def key_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Keys of this run, for the services that keep personal data."""
    path = tmp_path_factory.mktemp("keys") / "keys.json"
    create_key_file(path)
    return path


@pytest.fixture
async def service_app(
    definition: ServiceDefinition,
    service_database: ServiceDatabase,
    database: Database,
    clock: FixedClock,
    key_file: Path,
) -> AsyncIterator[TestApp]:
    """The service's application in this process, with the test's database and clock."""
    settings = test_settings(definition.settings, service_database.dsn("api"), key_file=key_file)
    async with open_test_app(definition, database=database, settings=settings, clock=clock) as opened:
        yield opened


AppClient = Callable[..., Awaitable[httpx.AsyncClient]]


@pytest.fixture
def app_client(service_app: TestApp) -> AppClient:
    """Gives clients of the service for roles and a member of staff; without roles they send no token."""

    async def client(*roles: Role | str, staff_id: UUID | None = None, **headers: str) -> httpx.AsyncClient:
        return await service_app.client(*roles, staff_id=staff_id, **headers)

    return client


@pytest.fixture
async def worker_runtime(
    definition: ServiceDefinition,
    service_database: ServiceDatabase,
    worker_database: Database,
    clock: FixedClock,
    key_file: Path,
) -> AsyncIterator[Runtime]:
    """What the service's worker holds: for `definition.subscriptions(worker_runtime)` and the timers."""
    settings = test_settings(definition.settings, service_database.dsn("worker"), key_file=key_file)
    async with open_test_app(definition, database=worker_database, settings=settings, clock=clock) as app:
        yield app.runtime


@pytest.fixture
def fire_timers(
    definition: ServiceDefinition, worker_runtime: Runtime, clock: FixedClock
) -> Callable[[], Awaitable[int]]:
    """Runs the timers that are due by the test's clock, in their order, and tells how many."""

    async def fire() -> int:
        timers = Timers(worker_runtime.database, clock, definition.timers(worker_runtime))
        fired = 0
        while await timers.fire_next():
            fired += 1
        return fired

    return fire


Eventually = Callable[[Callable[[], Awaitable[bool]]], Awaitable[None]]


@pytest.fixture
def eventually() -> Eventually:
    """Waits until a condition (a coroutine function) holds; fails when it does not within 30 s."""

    async def wait(condition: Callable[[], Awaitable[bool]]) -> None:
        async with asyncio.timeout(30):
            while not await condition():  # noqa: ASYNC110  what is waited for is in another process
                await asyncio.sleep(0.02)

    return wait


@pytest.fixture(scope="session", autouse=True)
def _no_stray_settings() -> Iterator[None]:
    """Tests read no environment of the machine but the addresses of the servers."""
    kept = {
        name: value for name, value in os.environ.items() if name.startswith("KEHU_") and name not in {POSTGRES, KAFKA}
    }
    for name in kept:
        del os.environ[name]
    yield
    os.environ.update(kept)
