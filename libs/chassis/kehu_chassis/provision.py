"""What must stand in PostgreSQL before the first migration: the database, the roles of each schema, the schemas.

Run as a role that may create roles and databases; run again it changes nothing but passwords. Each schema has an owner
(runs migrations), an api and a worker role, and each of them sees its own schema only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import asyncpg

__all__ = ["EXTENSIONS", "ROLES", "ensure_database", "ensure_schema", "role_name"]

EXTENSIONS: Final = ("ltree", "pg_trgm", "btree_gist")
"""In schema public, where every role may use and none may create."""

ROLES: Final = ("owner", "api", "worker")

_STATEMENTS: Final = (
    "GRANT {owner} TO CURRENT_USER",
    "CREATE SCHEMA IF NOT EXISTS {schema} AUTHORIZATION {owner}",
    "GRANT USAGE ON SCHEMA {schema} TO {api}, {worker}",
    (
        "ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA {schema}"
        " GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {api}, {worker}"
    ),
    "ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA {schema} GRANT USAGE ON SEQUENCES TO {api}, {worker}",
    "ALTER ROLE {api} SET idle_in_transaction_session_timeout = '60s'",
    "ALTER ROLE {api} SET statement_timeout = '30s'",
    "ALTER ROLE {worker} SET idle_in_transaction_session_timeout = '5min'",
)


def role_name(schema: str, role: str) -> str:
    """The name of a schema's role: `kehu_complaints_api`."""
    return f"kehu_{schema}_{role}"


async def ensure_database(server: asyncpg.Connection[Any], name: str) -> None:
    """Create the database when there is none; only the roles of its schemas may connect."""
    if not await server.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", name):
        await server.execute(f'CREATE DATABASE "{name}" TEMPLATE template0 ENCODING UTF8')
        await server.execute(f'REVOKE ALL ON DATABASE "{name}" FROM PUBLIC')


async def ensure_schema(
    database: asyncpg.Connection[Any], schema: str, passwords: Mapping[str, str] | None = None
) -> None:
    """Create a schema with its roles, in the database of the connection, in one transaction.

    Args:
        database: a connection as a role that may create roles and schemas.
        schema: its name.
        passwords: of each role by its name (`owner`, `api`, `worker`); None where the server trusts.
    """
    names = {role: role_name(schema, role) for role in ROLES}
    async with database.transaction():
        # Roles belong to the whole server: two databases may be provisioned at once.
        await database.execute("SELECT pg_advisory_xact_lock(hashtext('kehu.provision'))")
        for extension in EXTENSIONS:
            await database.execute(f"CREATE EXTENSION IF NOT EXISTS {extension} SCHEMA public")
        await database.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
        for role, name in names.items():
            await _ensure_role(database, name, passwords[role] if passwords else None)
            await database.execute(f"ALTER ROLE {name} SET search_path = {schema}, public")
        for statement in _filled(schema, names):
            await database.execute(statement)


def _filled(schema: str, names: Mapping[str, str]) -> Sequence[str]:
    return [statement.format(schema=schema, **names) for statement in _STATEMENTS]


async def _ensure_role(database: asyncpg.Connection[Any], name: str, password: str | None) -> None:
    if not await database.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", name):
        await database.execute(f"CREATE ROLE {name} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS")
    if password is not None:
        # A utility statement takes no parameters: the server itself quotes the value.
        quoted = await database.fetchval(
            "SELECT format('ALTER ROLE %I PASSWORD %L', $1::text, $2::text)", name, password
        )
        await database.execute(quoted)
    granted = await database.fetchval(
        "SELECT format('GRANT CONNECT ON DATABASE %I TO %I', current_database(), $1::text)", name
    )
    await database.execute(granted)
