"""The tables that the code describes are those that the migrations make, and the migrations can be taken back."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg

from kehu_chassis import migrations
from kehu_chassis.definition import ServiceDefinition
from kehu_chassis.testing.databases import ServiceDatabase
from kehu_segmentation.metadata import metadata


async def test_the_database_has_the_columns_that_the_code_names(service_database: ServiceDatabase) -> None:
    connection = await asyncpg.connect(service_database.dsn("owner"))
    try:
        rows = await connection.fetch(
            "SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod) AS type, a.attnotnull"
            " FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid"
            " WHERE c.relnamespace = 'segmentation'::regnamespace AND c.relkind = 'r' AND a.attnum > 0"
        )
    finally:
        await connection.close()
    found = {(row["relname"], row["attname"]): (row["type"], row["attnotnull"]) for row in rows}
    dialect = PGDialect_asyncpg()  # type: ignore[no-untyped-call]  # as SQLAlchemy ships it
    for table in metadata.tables.values():
        for column in table.columns:
            kind, required = found.pop((table.name, column.name))
            wanted = column.type.compile(dialect).lower().replace("varchar", "text").replace(" without time zone", "")
            assert (kind.replace(",", ", ").replace(" without time zone", ""), required) == (
                wanted,
                not column.nullable,
            )
    own = {table for table, _ in found} & set(metadata.tables)
    assert own == set()


async def test_the_migrations_can_be_taken_back_and_done_again(
    service_database: ServiceDatabase, definition: ServiceDefinition
) -> None:
    arguments: dict[str, Any] = {"schema": definition.schema, "folder": definition.migrations}
    await asyncio.to_thread(migrations.downgrade, service_database.dsn("owner"), **arguments)
    connection = await asyncpg.connect(service_database.dsn())
    left = await connection.fetchval(
        "SELECT count(*) FROM pg_class WHERE relnamespace = 'segmentation'::regnamespace AND relkind = 'r'"
        " AND relname <> 'alembic_version'"
    )
    await connection.close()
    assert left == 0
    await asyncio.to_thread(migrations.upgrade, service_database.dsn("owner"), **arguments)
