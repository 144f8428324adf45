"""The database's part of a backup: all schemas at one moment, by PostgreSQL's own programs.

`pg_dump` reads in a snapshot that is exported by a transaction of ours. Tables with wrapped keys are copied by us in the
same snapshot, in two parts: the rows without the keys, and the keys.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import asyncpg

from kehu_chassis.testing.servers import postgres_programs
from kehu_local.failures import Failed
from kehu_local.recovery.archive import gzip_reader, gzip_writer
from kehu_local.secrets import SCHEMAS

__all__ = ["KeyTable", "Snapshot", "dump", "is_empty", "restore", "snapshot"]

DUMP: Final = "database"
ROWS: Final = "rows"
KEYS: Final = "keys"
JOBS: Final = "2"


@dataclass(frozen=True, slots=True)
class KeyTable:
    """A table whose rows carry a wrapped key. `columns` are those that hold data, without the key."""

    schema: str
    table: str
    identity: str
    columns: tuple[str, ...]

    @property
    def name(self) -> str:
        """With its schema."""
        return f"{self.schema}.{self.table}"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One moment of the database, seen for as long as `connection` stays in its transaction."""

    connection: Any
    id: str
    point: datetime
    """Every write that was answered before this moment is in it."""
    key_tables: Sequence[KeyTable]


_KEY_TABLES: Final = """
SELECT n.nspname AS schema, c.relname AS table,
       (SELECT p.attname FROM pg_index i JOIN pg_attribute p ON p.attrelid = c.oid AND p.attnum = i.indkey[0]
        WHERE i.indrelid = c.oid AND i.indisprimary) AS identity,
       (SELECT array_agg(a.attname::text ORDER BY a.attnum) FROM pg_attribute a
        WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
          AND a.attname <> 'wrapped_key') AS columns
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute k ON k.attrelid = c.oid AND k.attname = 'wrapped_key' AND NOT k.attisdropped
WHERE c.relkind = 'r' AND n.nspname = ANY ($1::text[])
ORDER BY 1, 2
"""


@asynccontextmanager
async def snapshot(dsn: str) -> AsyncIterator[Snapshot]:
    """Hold on to the database as it is now."""
    connection = await asyncpg.connect(dsn, timeout=15, server_settings={"idle_in_transaction_session_timeout": "0"})
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            point = await connection.fetchval("SELECT clock_timestamp()")
            identity = await connection.fetchval("SELECT pg_export_snapshot()")
            rows = await connection.fetch(_KEY_TABLES, list(SCHEMAS))
            tables = [KeyTable(row["schema"], row["table"], row["identity"], tuple(row["columns"])) for row in rows]
            yield Snapshot(connection, identity, point, tables)
    finally:
        await connection.close()


async def dump(snapshot: Snapshot, dsn: str, data: Path, keys: Path) -> list[dict[str, Any]]:
    """Write the database; tells the tables that were copied apart, for the manifest."""
    for table in snapshot.key_tables:
        columns = ", ".join(_quoted(column) for column in table.columns)
        rows = f"SELECT {columns} FROM {table.name}"  # noqa: S608  names from the catalogue
        wrapped = f"SELECT {table.identity}, wrapped_key FROM {table.name}"  # noqa: S608  the same
        for query, folder in ((rows, data / ROWS), (wrapped, keys / KEYS)):
            await _copy_out(snapshot.connection, query, folder / f"{table.name}.copy.gz")
    selected = [f"--schema={schema}" for schema in SCHEMAS]
    selected += [f"--exclude-table-data={table.name}" for table in snapshot.key_tables]
    options = ["--format=directory", f"--jobs={JOBS}", "--compress=gzip:1", f"--snapshot={snapshot.id}"]
    _run("pg_dump", dsn, [*options, *selected, f"--file={data / DUMP}"])
    return [asdict(table) for table in snapshot.key_tables]


async def _copy_out(connection: Any, query: str, path: Path) -> None:
    with gzip_writer(path) as file:

        async def write(data: bytes) -> None:
            file.write(data)

        await connection.copy_from_query(query, output=write, timeout=None)


async def is_empty(dsn: str) -> bool:
    """Whether no schema of the suite has a table."""
    connection = await asyncpg.connect(dsn, timeout=15)
    try:
        found = await connection.fetchval(
            "SELECT count(*) FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace::regnamespace::text = ANY ($1)",
            list(SCHEMAS),
        )
    finally:
        await connection.close()
    return bool(found == 0)


async def restore(dsn: str, data: Path, keys: Path, tables: Sequence[dict[str, Any]]) -> None:
    """Fill a database that has roles and extensions, and schemas without tables.

    A party whose wrapped key is not among the keys comes back erased: its row stays, and nothing opens what it sealed.
    """
    connection = await asyncpg.connect(dsn, timeout=15)
    try:
        for schema in SCHEMAS:
            await connection.execute(f"DROP SCHEMA IF EXISTS {schema}")
        _run_restore(dsn, data, "pre-data")
        for table in tables:
            await _fill(connection, KeyTable(**table), data, keys)
        _run_restore(dsn, data, "data", f"--jobs={JOBS}")
        _run_restore(dsn, data, "post-data", f"--jobs={JOBS}")
        await connection.execute("ANALYZE", timeout=None)
    finally:
        await connection.close()


async def _fill(connection: Any, table: KeyTable, data: Path, keys: Path) -> None:
    columns = ", ".join(_quoted(column) for column in table.columns)
    await connection.execute(
        f"CREATE TEMPORARY TABLE given_rows AS SELECT {columns} FROM {table.name} WITH NO DATA;"  # noqa: S608  ours
        f"CREATE TEMPORARY TABLE given_keys AS SELECT {table.identity}, wrapped_key FROM {table.name} WITH NO DATA"
    )
    for name, source in (("given_rows", data / ROWS), ("given_keys", keys / KEYS)):
        with gzip_reader(source / f"{table.name}.copy.gz") as file:
            await connection.copy_to_table(name, source=file, timeout=None)
    await connection.execute(
        f"INSERT INTO {table.name} ({columns}, wrapped_key)"  # noqa: S608  the same
        f" SELECT {columns}, coalesce(wrapped_key, '') FROM given_rows LEFT JOIN given_keys USING ({table.identity});"
        " DROP TABLE given_rows, given_keys",
        timeout=None,
    )


def _run_restore(dsn: str, data: Path, section: str, *options: str) -> None:
    database = unquote(urlsplit(dsn).path.lstrip("/"))
    fixed = [f"--dbname={database}", "--exit-on-error", f"--section={section}"]
    _run("pg_restore", dsn, [*fixed, *options, str(data / DUMP)], names_database=True)


def _run(program: str, dsn: str, options: Sequence[str], *, names_database: bool = False) -> None:
    """Run a program of PostgreSQL. The password stands in its environment, never among its arguments."""
    place = urlsplit(dsn)
    environment = {
        "PATH": os.defpath,
        "PGHOST": place.hostname or "",
        "PGPORT": str(place.port or 5432),
        "PGUSER": unquote(place.username or ""),
        "PGPASSWORD": unquote(place.password or ""),
        "PGAPPNAME": f"kehu-{program}",
        "LC_ALL": "C.UTF-8",
    }
    if not names_database:
        environment["PGDATABASE"] = unquote(place.path.lstrip("/"))
    command = [str(postgres_programs() / program), "--no-password", *options]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["no reason given"]
        raise Failed(f"{program} failed: {lines[0]}", "\n      ".join(lines[1:4]) or "See the log of PostgreSQL.")


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
