"""Migrations go up and down, and give the tables that the code names."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from kehu_chassis import migrations
from kehu_chassis.crypto import KeyFileError, KeyRing, check_keys, create_key_file
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


async def test_a_service_that_had_the_whole_key_file_starts_with_the_keys_that_wrap(
    service_database: Any, worker_database: Database, tmp_path: Path
) -> None:
    dsn, folder = service_database.dsn("owner"), DEFINITION.migrations
    whole, part = tmp_path / "keys.json", tmp_path / "complaints-keys.json"
    create_key_file(whole)
    part.write_text(json.dumps({"kek": json.loads(whole.read_text())["kek"]}))
    await asyncio.to_thread(migrations.downgrade, dsn, schema="complaints", folder=folder, revision="0001")
    async with worker_database.begin() as tx:
        await check_keys(tx, KeyRing.from_file(whole))
    with pytest.raises(KeyFileError, match=r"the key (index-1|bank-1), with which data were written, is not in"):
        async with worker_database.begin() as tx:
            await check_keys(tx, KeyRing.from_file(part))
    await asyncio.to_thread(migrations.upgrade, dsn, schema="complaints", folder=folder)
    # A process of the version before that starts now does not bring them back.
    for file in (part, whole, part):
        async with worker_database.begin() as tx:
            await check_keys(tx, KeyRing.from_file(file))
    other = tmp_path / "other.json"
    create_key_file(other)
    with pytest.raises(KeyFileError, match="kek-1 in the key file is not the one"):
        async with worker_database.begin() as tx:
            await check_keys(tx, KeyRing.from_file(other))
