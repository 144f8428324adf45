"""Migrations give the columns that the code names, and the process no right to change a table."""

from __future__ import annotations

import asyncpg
import pytest

from kehu_chassis.database import Database
from kehu_chassis.testing.databases import ServiceDatabase
from kehu_gateway.issuer.tables import authorization_codes, login_attempts, refresh_tokens
from kehu_gateway.limits.tables import rate_demands
from kehu_gateway.sessions.tables import sessions
from kehu_gateway.webhooks.tables import webhooks

TABLES = (sessions, authorization_codes, refresh_tokens, login_attempts, rate_demands, webhooks)


async def test_the_code_names_the_columns_that_there_are(database: Database) -> None:
    async with database.begin() as tx:
        rows = await tx.connection.fetch(
            "SELECT table_name, column_name, is_nullable = 'YES' AS nullable FROM information_schema.columns"
            " WHERE table_schema = 'gateway' AND table_name = ANY ($1)",
            [table.name for table in TABLES],
        )
    there = {(row["table_name"], row["column_name"], row["nullable"]) for row in rows}
    assert {(table.name, column.name, column.nullable) for table in TABLES for column in table.columns} == there


async def test_the_process_may_change_no_table(service_database: ServiceDatabase) -> None:
    connection = await asyncpg.connect(service_database.dsn("api"))
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connection.execute("DROP TABLE gateway.sessions")
    await connection.close()
