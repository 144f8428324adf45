"""The service as a whole: its document, its migrations, its keys."""

from __future__ import annotations

import asyncio

import asyncpg
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine

from kehu_chassis import migrations
from kehu_chassis.testing.databases import ServiceDatabase
from kehu_chassis.testing.http import TestApp
from kehu_chassis.testing.openapi_rules import violations
from kehu_customer.main import DEFINITION
from kehu_customer.metadata import metadata


async def test_every_route_declares_what_it_needs_and_refuses(service_app: TestApp) -> None:
    assert violations(service_app.app) == []


async def test_the_tables_described_are_the_tables_migrated(service_database: ServiceDatabase) -> None:
    engine = create_async_engine(
        service_database.dsn("owner").replace("postgresql://", "postgresql+asyncpg://", 1),
        connect_args={"server_settings": {"search_path": "customer, public"}},
    )
    try:
        async with engine.connect() as connection:
            differences = await connection.run_sync(_differences)
    finally:
        await engine.dispose()
    assert differences == []


def _differences(connection: Connection) -> list[object]:
    described = set(metadata.tables)
    context = MigrationContext.configure(
        connection,
        opts={
            # Our text type is VARCHAR to SQLAlchemy and text in PostgreSQL, which are the same there.
            "compare_type": False,
            # The chassis has tests of its own tables, partitions are made by their parents.
            "include_name": lambda name, kind, _: kind != "table" or name in described,
        },
    )
    found: list[object] = compare_metadata(context, metadata)
    return found


async def test_migrations_can_be_taken_back_and_run_again(service_database: ServiceDatabase) -> None:
    dsn, folder = service_database.dsn("owner"), DEFINITION.migrations
    await asyncio.to_thread(migrations.downgrade, dsn, schema="customer", folder=folder)
    assert await _tables(service_database) == {"alembic_version"}
    await asyncio.to_thread(migrations.upgrade, dsn, schema="customer", folder=folder)
    assert set(metadata.tables) <= await _tables(service_database)


async def _tables(service_database: ServiceDatabase) -> set[str]:
    connection = await asyncpg.connect(service_database.dsn("owner"))
    try:
        rows = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'customer'")
    finally:
        await connection.close()
    return {row["tablename"] for row in rows}
