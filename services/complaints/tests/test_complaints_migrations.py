"""Migrations go up and down, and give the tables that the code names."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg

from kehu_chassis import migrations
from kehu_chassis.database import Database
from kehu_complaints.main import DEFINITION
from kehu_complaints.metadata import metadata


async def test_the_code_names_the_columns_that_there_are(worker_database: Database) -> None:
    async with worker_database.begin() as tx:
        rows = await tx.connection.fetch(
            "SELECT table_name, column_name, is_nullable = 'YES' AS nullable FROM information_schema.columns"
            " WHERE table_schema = 'complaints' AND table_name = ANY ($1)",
            list(metadata.tables),
        )
    there = {(row["table_name"], row["column_name"], row["nullable"]) for row in rows}
    named = {
        (table.name, column.name, column.nullable) for table in metadata.tables.values() for column in table.columns
    }
    assert named == there


async def test_every_table_of_ours_has_forced_row_level_security(worker_database: Database) -> None:
    async with worker_database.begin() as tx:
        rows = await tx.connection.fetch(
            "SELECT relname FROM pg_class WHERE relnamespace = 'complaints'::regnamespace AND relforcerowsecurity"
        )
    assert {row["relname"] for row in rows} >= set(metadata.tables)


async def test_migrations_can_be_taken_back_and_done_again(service_database: Any) -> None:
    dsn, folder = service_database.dsn("owner"), DEFINITION.migrations

    async def tables() -> set[str]:
        connection = await asyncpg.connect(dsn)
        try:
            rows = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'complaints'")
            return {row["tablename"] for row in rows}
        finally:
            await connection.close()

    full = await tables()
    await asyncio.to_thread(migrations.downgrade, dsn, schema="complaints", folder=folder)
    assert await tables() == {"alembic_version"}
    await asyncio.to_thread(migrations.upgrade, dsn, schema="complaints", folder=folder)
    assert await tables() == full
