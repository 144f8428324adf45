"""Kehu's database on a server that runs: made, and given its schemas and roles."""

from __future__ import annotations

import asyncpg

from kehu_chassis.provision import ensure_database, ensure_schema
from kehu_local.environment import DATABASE, admin_dsn, database_dsn
from kehu_local.failures import Failed
from kehu_local.plan import Plan
from kehu_local.secrets import SCHEMAS, Secrets

__all__ = ["provision"]

OLDEST: int = 180_000


async def provision(plan: Plan, secrets: Secrets) -> None:
    """Create database, roles and schemas where they are missing. Raises `Failed` when the server cannot be used."""
    try:
        server = await asyncpg.connect(admin_dsn(plan, secrets), timeout=15)
        try:
            version = int(await server.fetchval("SHOW server_version_num"))
            if version < OLDEST:
                raise Failed(f"PostgreSQL is of version {version // 10_000}.", "Kehu needs PostgreSQL 18 or newer.")
            await ensure_database(server, DATABASE)
        finally:
            await server.close()
        database = await asyncpg.connect(database_dsn(plan, secrets), timeout=15)
        try:
            for schema in SCHEMAS:
                await ensure_schema(database, schema, secrets.roles[schema])
        finally:
            await database.close()
    except (OSError, TimeoutError, asyncpg.PostgresError) as error:
        remedy = "See that the server runs, and that the role given by --postgres may create roles and databases."
        raise Failed(f"PostgreSQL cannot be prepared: {error}", remedy) from error
