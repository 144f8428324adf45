"""Migrations: each runs forwards and back under data, the version before goes on meanwhile, and none makes all wait."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import import_module
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest

from kehu_chassis import migrations
from kehu_chassis.provision import ensure_schema
from kehu_chassis.testing.databases import ServiceDatabase

from .databases import LOCK_LIMIT, revisions_of

SERVICES = ("customer", "segmentation", "complaints", "campaigns", "gateway")


def folder_of(service: str) -> Path:
    folder: Path = import_module(f"kehu_{service}.main").DEFINITION.migrations
    return folder


@asynccontextmanager
async def unmigrated(server: str, service: str) -> AsyncIterator[ServiceDatabase]:
    """A database with the service's roles and its empty schema."""
    place = ServiceDatabase(server, f"kehu_test_{uuid4().hex}", service)
    admin = await asyncpg.connect(server)
    try:
        await admin.execute(f'CREATE DATABASE "{place.name}" TEMPLATE template0')
        connection = await asyncpg.connect(place.dsn())
        await ensure_schema(connection, service)
        await connection.close()
        yield place
        await admin.execute(f'DROP DATABASE "{place.name}" WITH (FORCE)')
    finally:
        await admin.close()


async def upgrade(place: ServiceDatabase, revision: str) -> None:
    folder = folder_of(place.schema)
    await asyncio.to_thread(
        migrations.upgrade, place.dsn("owner"), schema=place.schema, folder=folder, revision=revision
    )


async def downgrade(place: ServiceDatabase, revision: str) -> None:
    folder = folder_of(place.schema)
    await asyncio.to_thread(
        migrations.downgrade, place.dsn("owner"), schema=place.schema, folder=folder, revision=revision
    )


SHAPE = """
SELECT table_name, column_name, data_type FROM information_schema.columns WHERE table_schema = $1
UNION ALL SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = $1
"""


async def shape(connection: asyncpg.Connection, schema: str) -> set[tuple[str, str, str]]:
    """Columns and indexes, each with its table first."""
    rows = await connection.fetch(SHAPE, schema)
    return {tuple(row) for row in rows if row[0] != migrations.VERSION_TABLE}


@pytest.mark.parametrize("service", SERVICES)
async def test_every_migration_runs_forwards_and_back(postgres: str, service: str) -> None:
    revisions = revisions_of(folder_of(service))
    async with unmigrated(postgres, service) as place:
        connection = await asyncpg.connect(place.dsn())
        shapes = [await shape(connection, service)]
        for revision in revisions:
            await upgrade(place, revision)
            shapes.append(await shape(connection, service))
        for number in range(len(revisions) - 1, -1, -1):
            await downgrade(place, revisions[number - 1] if number else "base")
            assert await shape(connection, service) == shapes[number], revisions[number]
        await upgrade(place, "head")
        assert await shape(connection, service) == shapes[-1]
        await connection.close()


ADD = """
WITH made AS (SELECT uuidv7() AS id)
INSERT INTO customers (id, kind, status, gender, language, survivor_id, customer_since, key_id, wrapped_key,
                       name_sealed, created_at, updated_at)
SELECT id, 'individual', 'active', 'unknown', 'zh', id, '2026-01-01', 'kek-1', 'w', 's', now(), now() FROM made
"""


class FirstVersion:
    """What the service did at its first revision, over and over: registers customers and reads them back.

    It fails when it has to wait for a lock longer than anybody may wait for a migration.
    """

    def __init__(self, place: ServiceDatabase) -> None:
        self._place = place
        self.written = 0
        self._stopping = False

    async def run(self) -> None:
        settings = {"search_path": f"{self._place.schema}, public", "lock_timeout": f"{LOCK_LIMIT}s"}
        connection = await asyncpg.connect(self._place.dsn("worker"), server_settings=settings)
        while not self._stopping:
            await connection.execute(ADD)
            self.written += 1
            assert await connection.fetchval("SELECT count(*) FROM customers WHERE key_id = 'kek-1'") == self.written
        await connection.close()

    def stop(self) -> None:
        """Finish the customer under way."""
        self._stopping = True


async def test_the_version_before_goes_on_while_the_next_ones_arrive_and_when_they_are_taken_back(
    postgres: str,
) -> None:
    revisions = revisions_of(folder_of("customer"))
    async with unmigrated(postgres, "customer") as place:
        await upgrade(place, revisions[0])
        first = FirstVersion(place)
        running = asyncio.create_task(first.run())
        for revision in revisions[1:]:
            before = first.written
            await upgrade(place, revision)
            assert first.written > before, revision
        await downgrade(place, revisions[0])
        first.stop()
        await running


async def test_a_migration_that_cannot_have_its_lock_gives_up_and_changes_nothing(postgres: str) -> None:
    async with unmigrated(postgres, "customer") as place:
        await upgrade(place, "0007")
        connection = await asyncpg.connect(place.dsn())
        # It would fail if it had to wait for twice as long as anybody may.
        reader = await asyncpg.connect(place.dsn(), server_settings={"lock_timeout": f"{2 * LOCK_LIMIT}s"})
        async with connection.transaction():
            await connection.execute("LOCK TABLE customer.consent_entries IN ACCESS SHARE MODE")
            migrating = asyncio.create_task(upgrade(place, "0008"))
            queued = (
                "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'customer.consent_entries'::regclass"
            )
            while not migrating.done() and not await connection.fetchval(queued):  # noqa: ASYNC110  another session
                await asyncio.sleep(0.01)
            # Whoever reads meanwhile queues behind the migration, and goes on when it has given up.
            await reader.fetch("SELECT FROM customer.consent_entries")
            with pytest.raises(Exception, match="lock timeout"):
                await migrating
        assert await connection.fetchval("SELECT version_num FROM customer.alembic_version") == "0007"
        assert await connection.fetchval("SELECT to_regclass('customer.erasures')") is None
        await upgrade(place, "0008")
        await connection.close()
        await reader.close()


@pytest.mark.parametrize(
    ("service", "revision", "later", "earlier"),
    [
        ("customer", "0010", "accounts", "customers"),
        ("segmentation", "0003", "posted", "customers"),
        ("complaints", "0004", "clock_entries", "complaint_history"),
        ("campaigns", "0003", "decisions", "members"),
    ],
)
async def test_a_migration_that_takes_many_tables_stands_in_no_circle_with_their_users(
    postgres: str, service: str, revision: str, later: str, earlier: str
) -> None:
    known = revisions_of(folder_of(service))
    async with unmigrated(postgres, service) as place:
        await upgrade(place, known[known.index(revision) - 1])
        watcher, user = [await asyncpg.connect(place.dsn()) for _ in range(2)]
        async with user.transaction():
            await user.fetch(f"SELECT FROM {service}.{later}")
            migrating = asyncio.create_task(upgrade(place, revision))
            queued = f"SELECT FROM pg_locks WHERE NOT granted AND relation = '{service}.{later}'::regclass"
            while not migrating.done() and not await watcher.fetch(queued):  # noqa: ASYNC110  another session
                await asyncio.sleep(0.01)
            # The migration has passed this one, and waits for the first.
            await user.fetch(f"SELECT FROM {service}.{earlier}")
        await migrating
        assert await watcher.fetchval(f"SELECT version_num FROM {service}.alembic_version") == revision  # noqa: S608  the same
        for connection in (watcher, user):
            await connection.close()
