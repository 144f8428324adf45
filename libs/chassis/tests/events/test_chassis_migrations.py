"""Migrations run as the owner, one at a time, and can be taken back."""

from __future__ import annotations

import asyncio
import sys

import asyncpg
import pytest

from kehu_chassis import migrations
from kehu_chassis.database import Database
from kehu_chassis.migrations import MigrationsPending
from kehu_chassis.testing.databases import ServiceDatabase
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


async def test_two_that_migrate_at_once_do_it_once(service_database: ServiceDatabase, database: Database) -> None:
    owner = service_database.dsn("owner")
    await asyncio.to_thread(migrations.downgrade, owner, schema="probe", folder=DEFINITION.migrations)
    with pytest.raises(MigrationsPending):
        await migrations.require_head(database, DEFINITION.migrations)
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
    await migrations.require_head(database, DEFINITION.migrations)


async def test_audit_rows_can_be_neither_changed_nor_removed_by_the_service(worker_database: Database) -> None:
    async def attempt(statement: str) -> None:
        async with worker_database.begin() as tx:
            await tx.connection.execute(statement)

    for statement in ("UPDATE audit SET actor = 'other'", "DELETE FROM audit", "TRUNCATE audit_seals"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await attempt(statement)
