"""A role of the database reaches its own schema and no other: tried with each role on each schema's tables."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from importlib import import_module
from typing import Final

import asyncpg
import pytest

from kehu_chassis import migrations
from kehu_chassis.definition import ServiceDefinition
from kehu_chassis.provision import ensure_schema
from kehu_chassis.testing.databases import ServiceDatabase, copied_database, ensure_template

SCHEMAS: Final = ("customer", "segmentation", "complaints", "campaigns", "gateway")
ROLES: Final = ("owner", "api", "worker")


def definition_of(schema: str) -> ServiceDefinition:
    found: ServiceDefinition = import_module(f"kehu_{schema}.main").DEFINITION
    return found


@pytest.fixture(scope="module")
async def whole(postgres: str) -> AsyncIterator[ServiceDatabase]:
    """One database with every schema, as a suite has it."""
    first = definition_of("gateway")
    template = await ensure_template(postgres, first.schema, first.migrations)
    async with copied_database(postgres, first.schema, template) as database:
        for schema in SCHEMAS[:-1]:
            connection = await asyncpg.connect(database.dsn())
            await ensure_schema(connection, schema)
            await connection.close()
            place = ServiceDatabase(database.server, database.name, schema)
            await _migrate(place, definition_of(schema))
        yield database


async def _migrate(place: ServiceDatabase, definition: ServiceDefinition) -> None:
    await asyncio.to_thread(migrations.upgrade, place.dsn("owner"), schema=place.schema, folder=definition.migrations)


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("schema", SCHEMAS)
async def test_a_role_reads_and_writes_in_its_own_schema_alone(whole: ServiceDatabase, schema: str, role: str) -> None:
    everywhere = await asyncpg.connect(whole.dsn())
    tables = await everywhere.fetch(
        "SELECT schemaname, tablename FROM pg_tables WHERE schemaname = ANY ($1)", list(SCHEMAS)
    )
    await everywhere.close()
    foreign = [(other, table) for other, table in tables if other != schema]
    assert {other for other, _ in foreign} == {*SCHEMAS} - {schema}
    connection = await asyncpg.connect(ServiceDatabase(whole.server, whole.name, schema).dsn(role))
    try:
        for other, table in foreign:
            for statement in (
                f'SELECT * FROM "{other}"."{table}" LIMIT 1',  # noqa: S608  names from the catalogue
                f'DELETE FROM "{other}"."{table}"',  # noqa: S608  the same
            ):
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await connection.execute(statement)
        for other in ("public", *({*SCHEMAS} - {schema})):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(f"CREATE TABLE {other}.planted (n int)")
        for power in ("SET ROLE postgres", "CREATE ROLE planted", "CREATE DATABASE planted", "LOAD 'auto_explain'"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(power)
        if role != "owner":
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(f"CREATE TABLE {schema}.planted (n int)")
    finally:
        await connection.close()


@pytest.mark.parametrize("role", ROLES)
async def test_no_role_passes_by_row_level_security(whole: ServiceDatabase, role: str) -> None:
    connection = await asyncpg.connect(whole.dsn())
    found = await connection.fetch(
        "SELECT rolname FROM pg_roles WHERE rolname = ANY ($1) AND (rolsuper OR rolbypassrls OR rolcreaterole)",
        [f"kehu_{schema}_{role}" for schema in SCHEMAS],
    )
    await connection.close()
    assert found == []


@pytest.mark.parametrize("schema", SCHEMAS[:-1])
async def test_no_policy_collects_first_all_that_a_caller_reaches(whole: ServiceDatabase, schema: str) -> None:
    connection = await asyncpg.connect(ServiceDatabase(whole.server, whole.name, schema).dsn("api"))
    try:
        scoped = await connection.fetch(
            "SELECT tablename FROM pg_policies WHERE schemaname = $1 AND policyname = 'scope'", schema
        )
        assert scoped
        # A plan for all rows of a table is where a hashed subquery pays most: whoever avoids it here avoids it everywhere.
        for (table,) in scoped:
            plan = await connection.fetch(f'EXPLAIN SELECT * FROM "{schema}"."{table}"')  # noqa: S608  from the catalogue
            assert "hashed" not in "\n".join(line for (line,) in plan), table
    finally:
        await connection.close()
