"""Databases with all schemas of a suite, on the server of the tests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import import_module
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import asyncpg
from alembic.config import Config
from alembic.script import ScriptDirectory

from kehu_chassis import migrations
from kehu_chassis.provision import ensure_schema, role_name
from kehu_local.secrets import SCHEMAS

__all__ = ["LOCK_LIMIT", "a_database", "migrate", "name_of", "place", "revisions_of"]

LOCK_LIMIT: Final = 5.0
"""Seconds that nobody may wait longer for a migration."""


def place(server: str, name: str, user: str | None = None) -> str:
    """The address of a database on a server, as a role."""
    parts = urlsplit(server)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{user}@{host}" if user else parts.netloc, path=f"/{name}"))


@asynccontextmanager
async def a_database(server: str, template: str | None = None) -> AsyncIterator[str]:
    """A database with the schemas and roles of a suite, and no tables; or a copy of another one."""
    name = f"kehu_test_{uuid4().hex}"
    admin = await asyncpg.connect(server)
    try:
        await admin.execute(f'CREATE DATABASE "{name}" TEMPLATE "{name_of(template) if template else "template0"}"')
        if template is None:
            connection = await asyncpg.connect(place(server, name))
            for schema in SCHEMAS:
                await ensure_schema(connection, schema)
            await connection.close()
        yield place(server, name)
        await admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    finally:
        await admin.close()


def name_of(dsn: str) -> str:
    """The database that an address names."""
    return urlsplit(dsn).path.lstrip("/")


def revisions_of(folder: Path) -> list[str]:
    """A service's revisions from the first to the newest."""
    config = Config()
    config.set_main_option("script_location", str(folder))
    return [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()][::-1]


async def migrate(server: str, dsn: str) -> None:
    """Bring every schema to head."""
    name = name_of(dsn)
    for schema in SCHEMAS:
        folder = import_module(f"kehu_{schema}.main").DEFINITION.migrations
        owner = place(server, name, role_name(schema, "owner"))
        await asyncio.to_thread(migrations.upgrade, owner, schema=schema, folder=folder)
