"""A migrated database per service, made once and copied for each test."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import asyncpg

from kehu_chassis import migrations
from kehu_chassis.provision import ensure_schema, role_name

__all__ = ["ServiceDatabase", "copied_database", "ensure_template", "lock_waits"]

_CHASSIS = Path(__file__).parent.parent


@dataclass(frozen=True, slots=True)
class ServiceDatabase:
    """A test's own database with one service's schema."""

    server: str
    name: str
    schema: str

    def dsn(self, role: str | None = None) -> str:
        """Its address for a role (`owner`, `api`, `worker`), or for the server's superuser."""
        return _with(self.server, database=self.name, user=role_name(self.schema, role) if role else None)


async def ensure_template(server: str, schema: str, folder: Path) -> str:
    """The name of a database with the migrated schema; made when no database was migrated from the same files."""
    name = f"kehu_template_{schema}_{_digest(schema, folder)}"
    admin = await asyncpg.connect(server)
    try:
        # Test processes that start at the same time wait for the first.
        await admin.execute("SELECT pg_advisory_lock(hashtextextended($1, 0))", name)
        if not await admin.fetchval("SELECT datistemplate FROM pg_database WHERE datname = $1", name):
            await admin.execute(f'DROP DATABASE IF EXISTS "{name}"')
            await admin.execute(f'CREATE DATABASE "{name}" TEMPLATE template0 ENCODING UTF8')
            await _migrate(ServiceDatabase(server, name, schema), folder)
            # Marked last, so that half a template is never taken for a whole one.
            await admin.execute(f'ALTER DATABASE "{name}" IS_TEMPLATE true')
    finally:
        await admin.close()
    return name


@contextlib.asynccontextmanager
async def copied_database(server: str, schema: str, template: str) -> AsyncIterator[ServiceDatabase]:
    """A copy of a template, dropped at the end."""
    copied = ServiceDatabase(server, f"kehu_test_{uuid4().hex}", schema)
    await _command(server, f'CREATE DATABASE "{copied.name}" TEMPLATE "{template}"')
    try:
        yield copied
    finally:
        await _command(server, f'DROP DATABASE "{copied.name}" WITH (FORCE)')


async def lock_waits(connection: asyncpg.Connection) -> int:
    """How many sessions of the connection's database wait for a lock; a transaction gets the same answer all along."""
    waiting: int = await connection.fetchval(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    return waiting


async def _command(server: str, statement: str) -> None:
    admin = await asyncpg.connect(server)
    try:
        await admin.execute(statement)
    finally:
        await admin.close()


async def _migrate(database: ServiceDatabase, folder: Path) -> None:
    connection = await asyncpg.connect(database.dsn())
    try:
        await ensure_schema(connection, database.schema)
    finally:
        await connection.close()
    await asyncio.to_thread(migrations.upgrade, database.dsn("owner"), schema=database.schema, folder=folder)


def _digest(schema: str, folder: Path) -> str:
    digest = sha256(schema.encode())
    chassis = [*sorted(_CHASSIS.glob("*.py")), *sorted(_CHASSIS.glob("sql/*.sql"))]
    for file in [*sorted(folder.rglob("*.py")), *chassis]:
        digest.update(file.name.encode() + file.read_bytes())
    return digest.hexdigest()[:16]


def _with(dsn: str, *, database: str, user: str | None) -> str:
    parts = urlsplit(dsn)
    place = parts.netloc if user is None else f"{user}@{parts.netloc.rpartition('@')[2]}"
    return urlunsplit(parts._replace(netloc=place, path=f"/{database}"))
