"""Migrations run as the owner, one at a time, and can be taken back."""

from __future__ import annotations

import asyncio
import shutil
import sys
from pathlib import Path
from typing import Any
from unittest.mock import patch

import asyncpg
import pytest
from alembic.util import CommandError

from kehu_chassis import migrations
from kehu_chassis.database import Database
from kehu_chassis.migrations import InTheWay, MigrationsPending
from kehu_chassis.testing.databases import ServiceDatabase
from kehu_chassis.testing.plugin import Eventually
from kehu_chassis.testing.probe import DEFINITION


async def leftovers(database: ServiceDatabase) -> set[str]:
    connection = await asyncpg.connect(database.dsn())
    try:
        rows = await connection.fetch(
            "SELECT relname FROM pg_class WHERE relnamespace = 'probe'::regnamespace"
            " UNION SELECT proname FROM pg_proc WHERE pronamespace = 'probe'::regnamespace"
        )
    finally:
        await connection.close()
    return {row["relname"] for row in rows}


async def test_what_the_chassis_creates_it_can_take_back(service_database: ServiceDatabase) -> None:
    before = await leftovers(service_database)
    owner = service_database.dsn("owner")
    await asyncio.to_thread(migrations.downgrade, owner, schema="probe", folder=DEFINITION.migrations)
    assert await leftovers(service_database) == {"alembic_version", "alembic_version_pkc"}
    await asyncio.to_thread(migrations.upgrade, owner, schema="probe", folder=DEFINITION.migrations)
    assert await leftovers(service_database) == before


async def note(connection: asyncpg.Connection, table: str = "audit") -> None:
    """Write an audit row."""
    await connection.execute(
        f"INSERT INTO probe.{table} (audit_id, recorded_at, at, actor, action, resource_type, resource_id, details,"  # noqa: S608  a constant
        " trace_id) VALUES (uuidv7(), '2026-03-02Z', '2026-03-02Z', 'tester', 'note.added', 'note', '1', '{}', '')"
    )


@pytest.mark.parametrize("revision", ["base", "0001"])
async def test_two_that_migrate_at_once_do_it_once(
    service_database: ServiceDatabase, database: Database, revision: str
) -> None:
    owner = service_database.dsn("owner")
    await asyncio.to_thread(
        migrations.downgrade, owner, schema="probe", folder=DEFINITION.migrations, revision=revision
    )
    if revision != "base":
        connection = await asyncpg.connect(service_database.dsn())
        await note(connection)
        await connection.close()
    with pytest.raises(MigrationsPending):
        await migrations.require_migrated(database, DEFINITION.migrations)
    processes = [
        await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            "import sys; from pathlib import Path; from kehu_chassis.migrations import upgrade;"
            "upgrade(sys.argv[1], schema='probe', folder=Path(sys.argv[2]))",
            owner,
            str(DEFINITION.migrations),
        )
        for _ in range(2)
    ]
    assert [await process.wait() for process in processes] == [0, 0]
    await migrations.require_migrated(database, DEFINITION.migrations)


NEXT = """
from alembic import op

revision, down_revision, branch_labels, depends_on = "next", "0003", None, None


def upgrade():
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("LOCK TABLE effects")
    op.execute("SELECT pg_sleep({})")


def downgrade():
    pass
"""


def next_version(folder: Path, takes: float = 0) -> Path:
    """The migrations of a version that does not exist yet: one more, which keeps a table to itself for some seconds."""
    shutil.copytree(DEFINITION.migrations, folder)
    (folder / "versions" / "next.py").write_text(NEXT.format(takes), encoding="utf-8")
    return folder


async def test_what_a_newer_version_has_migrated_is_served_and_left_as_it_is(
    service_database: ServiceDatabase, database: Database, tmp_path: Path
) -> None:
    owner, newer = service_database.dsn("owner"), next_version(tmp_path / "migrations")
    with pytest.raises(MigrationsPending):
        await migrations.require_migrated(database, newer)
    await asyncio.to_thread(migrations.upgrade, owner, schema="probe", folder=newer)
    for folder in (newer, DEFINITION.migrations):
        await migrations.require_migrated(database, folder)
        await asyncio.to_thread(migrations.upgrade, owner, schema="probe", folder=folder)
        assert await revision_of(service_database) == "next"
    with pytest.raises(CommandError, match="next"):
        await asyncio.to_thread(migrations.downgrade, owner, schema="probe", folder=DEFINITION.migrations)


async def revision_of(place: ServiceDatabase) -> str:
    connection = await asyncpg.connect(place.dsn())
    found: str = await connection.fetchval("SELECT version_num FROM probe.alembic_version")
    await connection.close()
    return found


async def test_a_migration_that_others_wait_for_too_long_gives_up_and_changes_nothing(
    service_database: ServiceDatabase, eventually: Eventually, tmp_path: Path
) -> None:
    place: dict[str, Any] = {"schema": "probe", "folder": next_version(tmp_path / "migrations", takes=60)}
    watcher, reader = [await asyncpg.connect(service_database.dsn()) for _ in range(2)]

    async def sleeps() -> bool:
        return (
            await watcher.fetchval(
                "SELECT true FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'"
            )
            is not None
        )

    with patch.object(migrations, "WAITED_FOR_AT_MOST", 0.5):
        migrating = asyncio.create_task(asyncio.to_thread(migrations.upgrade, service_database.dsn("owner"), **place))
        await eventually(sleeps)
        await asyncio.wait_for(reader.fetch("SELECT FROM probe.effects"), 20)
        with pytest.raises(InTheWay):
            await migrating
    assert await revision_of(service_database) == "0003"
    for connection in (watcher, reader):
        await connection.close()


WAITS = """
SELECT pid FROM pg_stat_activity
WHERE datname = current_database() AND application_name = 'kehu-migrate' AND wait_event_type = 'Lock'
"""
INDEXES = """
SELECT count(*) FILTER (WHERE indisvalid) AS valid, count(*) AS all
FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid WHERE relname LIKE '%ix_audit_' || $1 || '%'
"""


async def test_indexes_of_the_audit_are_built_beside_its_writers_and_go_on_where_they_were_stopped(
    service_database: ServiceDatabase, eventually: Eventually
) -> None:
    place: dict[str, Any] = {"schema": "probe", "folder": DEFINITION.migrations}
    owner = service_database.dsn("owner")
    await asyncio.to_thread(migrations.downgrade, owner, **place, revision="0001")
    watcher, slow = [await asyncpg.connect(service_database.dsn()) for _ in range(2)]
    # A lock that it had to wait for would fail it.
    writer = await asyncpg.connect(service_database.dsn(), server_settings={"lock_timeout": "1s"})
    await note(writer)

    async def waits() -> bool:
        return await watcher.fetchval(WAITS) is not None

    async with slow.transaction():
        await note(slow, "audit_2026")
        migrating = asyncio.create_task(asyncio.to_thread(migrations.upgrade, owner, **place))
        await eventually(waits)
        await note(writer)
        await watcher.execute("SELECT pg_cancel_backend($1)", await watcher.fetchval(WAITS))
        with pytest.raises(Exception, match="user request"):
            await migrating
    half_built = await watcher.fetchrow(INDEXES, "at")
    assert half_built["valid"] < half_built["all"]
    await asyncio.to_thread(migrations.upgrade, owner, **place)
    # On the table and each of its partitions: ten years, and what comes later.
    assert [tuple(await watcher.fetchrow(INDEXES, name)) for name in ("at", "actor", "staff", "action")] == [
        (12, 12)
    ] * 4
    for connection in (watcher, slow, writer):
        await connection.close()


async def test_audit_rows_can_be_neither_changed_nor_removed_by_the_service(worker_database: Database) -> None:
    async def attempt(statement: str) -> None:
        async with worker_database.begin() as tx:
            await tx.connection.execute(statement)

    for statement in ("UPDATE audit SET actor = 'other'", "DELETE FROM audit", "TRUNCATE audit_seals"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await attempt(statement)
