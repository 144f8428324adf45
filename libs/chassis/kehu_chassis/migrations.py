"""Alembic for every service.

Its env.py is:

    from kehu_chassis.migrations import run_env

    run_env()

A service's first revision calls `create_chassis_tables(op)`. Each revision runs in one transaction of its own, as the
owner's role, in the service's schema. It waits for a lock as long as its `lock_timeout` says; and one that others have
waited for so long, whatever it does meanwhile, is given up.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import asyncpg
import structlog
from alembic import command, context
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData, pool, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.util import await_only

from kehu_chassis import audit, crypto, idempotency
from kehu_chassis.provision import role_name

if TYPE_CHECKING:
    from kehu_chassis.database import Database

__all__ = [
    "InTheWay",
    "MigrationsPending",
    "create_audit_indexes",
    "create_chassis_tables",
    "create_worker_reports",
    "downgrade",
    "drop_audit_indexes",
    "drop_chassis_tables",
    "drop_worker_reports",
    "each_apart",
    "heads",
    "require_migrated",
    "revisions",
    "run_env",
    "run_script",
    "upgrade",
]

log = structlog.get_logger(__name__)

VERSION_TABLE = "alembic_version"
WAITED_FOR_AT_MOST: Final = 5.0
"""Seconds that anybody waits for a migration: it may have several locks, and hold them while it works."""
_LOOK_EVERY: Final = 0.25
_LOCK_EVERY: Final = 0.1


class MigrationsPending(RuntimeError):
    """The schema is older than this version of the service."""


class InTheWay(RuntimeError):
    """A migration was given up, and has changed nothing, since others had waited for it for too long."""


def upgrade(dsn: str, *, schema: str, folder: Path, revision: str = "head") -> None:
    """Bring a schema to a revision; one that a newer version has brought further stays. Blocks: call it in a thread."""
    config = _config(dsn, schema, folder)
    config.attributes["upgrading"] = True
    command.upgrade(config, revision)


def downgrade(dsn: str, *, schema: str, folder: Path, revision: str = "base") -> None:
    """Take a schema back to a revision. Blocks; call it in a thread from async code."""
    command.downgrade(_config(dsn, schema, folder), revision)


@cache
def heads(folder: Path) -> frozenset[str]:
    """The newest revisions in a folder."""
    config = Config()
    config.set_main_option("script_location", str(folder))
    return frozenset(ScriptDirectory.from_config(config).get_heads())


@cache
def revisions(folder: Path) -> frozenset[str]:
    """All revisions in a folder."""
    config = Config()
    config.set_main_option("script_location", str(folder))
    return frozenset(script.revision for script in ScriptDirectory.from_config(config).walk_revisions())


async def require_migrated(database: Database, folder: Path) -> None:
    """Check that the schema is at the newest revision, or at one that only a newer version of the service knows.

    A newer version migrates while this one serves, and leaves what this one works with.

    Raises:
        MigrationsPending: the schema is older.
    """
    try:
        async with database.begin(read_only=True) as tx:
            rows = await tx.connection.fetch(f"SELECT version_num FROM {VERSION_TABLE}")  # noqa: S608  a constant
    except asyncpg.UndefinedTableError:
        rows = []
    found = {row["version_num"] for row in rows}
    if found != heads(folder) and not _is_newer(found, folder):
        raise MigrationsPending(f"schema {database.schema} is not at head")


def _is_newer(found: set[str], folder: Path) -> bool:
    """Whether a schema's revision is one that this version does not know: those before its own it knows all."""
    return not found <= revisions(folder)


def run_env() -> None:
    """What a service's env.py does."""
    asyncio.run(_migrate(context.config.attributes["dsn"], context.config.attributes["schema"]))


async def _migrate(dsn: str, schema: str) -> None:
    engine = create_async_engine(
        dsn.replace("postgresql://", "postgresql+asyncpg://", 1),
        poolclass=pool.NullPool,
        connect_args={"server_settings": {"search_path": f"{schema}, public", "application_name": "kehu-migrate"}},
    )
    try:
        async with engine.connect() as connection, _out_of_the_way(dsn, connection):
            await connection.run_sync(_run, schema)
            await connection.commit()
    finally:
        await engine.dispose()


_CANCEL: Final = """
SELECT pg_cancel_backend($1) FROM pg_locks
WHERE NOT granted AND waitstart < clock_timestamp() - $2::interval AND $1 = ANY (pg_blocking_pids(pid)) LIMIT 1
"""


@asynccontextmanager
async def _out_of_the_way(dsn: str, connection: AsyncConnection) -> AsyncIterator[None]:
    """Cancel what the connection does once somebody has waited for it for too long."""
    pid = await connection.scalar(text("SELECT pg_backend_pid()"))
    await connection.commit()
    longest = timedelta(seconds=WAITED_FOR_AT_MOST)
    watcher = await asyncpg.connect(dsn, server_settings={"application_name": "kehu-migrate-watch"})
    cancelled = False

    async def watch() -> None:
        nonlocal cancelled
        while True:
            # Over and over: between two statements there is nothing to cancel.
            cancelled = await watcher.fetchval(_CANCEL, pid, longest) or cancelled
            await asyncio.sleep(_LOOK_EVERY)

    watching = asyncio.create_task(watch())
    try:
        yield
    except DBAPIError as error:
        if cancelled:
            raise InTheWay(f"others had waited for it for {WAITED_FOR_AT_MOST:.0f} s") from error
        raise
    finally:
        watching.cancel()
        await asyncio.wait([watching])
        await watcher.close()


def _run(connection: Connection, schema: str) -> None:
    # Two that migrate at once would both start from the same revision. Asked for over and over: a statement that waits
    # has a snapshot, and who builds an index beside the writers waits for all snapshots to go.
    lock = text("SELECT pg_try_advisory_lock(hashtextextended(:schema || '/migrate', 0))")
    while not connection.execute(lock, {"schema": schema}).scalar_one():
        connection.commit()
        time.sleep(_LOCK_EVERY)
    connection.commit()
    context.configure(
        connection=connection, version_table=VERSION_TABLE, version_table_schema=schema, transaction_per_migration=True
    )
    if "upgrading" in context.config.attributes:
        found = set(context.get_context().get_current_heads())
        connection.commit()
        if _is_newer(found, Path(context.script.dir)):
            log.warning("migrations.schema_is_newer", schema=schema, revision=sorted(found))
            return
    with context.begin_transaction():
        context.run_migrations()


def _config(dsn: str, schema: str, folder: Path) -> Config:
    config = Config(attributes={"dsn": dsn, "schema": schema})
    config.set_main_option("script_location", str(folder))
    return config


def run_script(op: Any, script: str) -> None:
    """Run several statements of SQL in one go, within the migration's transaction."""
    connection = op.get_bind()
    # The adapter begins the transaction with its first statement; a script that went straight to the driver would
    # commit by itself.
    connection.exec_driver_sql("SELECT 1")
    driver: Any = connection.connection.driver_connection
    await_only(driver.execute(script))


@contextmanager
def each_apart(op: Any) -> Iterator[None]:
    """Let each statement within be a transaction of its own, for a revision that takes several tables from their users.

    Who holds one table while he waits for the next stands in a circle with whoever uses both the other way round, and
    PostgreSQL breaks circles by failing either: the migration, or a request. What has run stays when a later statement gives
    up; so each must do no harm when it is run again.
    """
    with op.get_context().autocommit_block():
        op.execute("SET lock_timeout = '5s'")
        yield
        op.execute("RESET lock_timeout")


def create_chassis_tables(op: Any) -> None:
    """Create what the chassis keeps in a service's schema: scope, outbox, inbox, timers, audit, idempotency, keys."""
    op.execute("SET LOCAL lock_timeout = '5s'")
    run_script(op, files("kehu_chassis").joinpath("sql/chassis.sql").read_text())
    _chassis_metadata().create_all(op.get_bind())
    schema = op.get_bind().exec_driver_sql("SELECT current_schema()").scalar_one()
    for statement in audit.PARTITIONS:
        op.execute(statement)
    # A projection is emptied before it is rebuilt.
    op.execute(f"ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT TRUNCATE ON TABLES TO {role_name(schema, 'worker')}")
    op.execute(f"GRANT TRUNCATE ON scope_units, scope_staff, scope_subjects TO {role_name(schema, 'worker')}")
    # Who could change audit rows could hide what he did.
    op.execute(
        f"REVOKE UPDATE, DELETE, TRUNCATE ON audit FROM {role_name(schema, 'api')}, {role_name(schema, 'worker')}"
    )
    op.execute(
        f"REVOKE UPDATE, DELETE, TRUNCATE ON audit_seals FROM {role_name(schema, 'api')}, {role_name(schema, 'worker')}"
    )


def drop_chassis_tables(op: Any) -> None:
    """Take back `create_chassis_tables`, in the downgrade of a service's first revision."""
    op.execute("SET LOCAL lock_timeout = '5s'")
    _chassis_metadata().drop_all(op.get_bind())
    run_script(
        op,
        """
        DROP TABLE timers, consumer_states, dead_letters, parked_messages, held_messages, inbox_positions, inbox,
                   outbox_subjects, outbox, scope_subjects, scope_staff, scope_units;
        DROP FUNCTION enter_scope, scope_refresh_paths, scope_units_in_reach, scope_all;
        """,
    )


def create_audit_indexes(op: Any) -> None:
    """Create the indexes by which the audit is searched, in a revision of their own.

    Every write of a service leaves an audit row, and an index over years of them takes minutes: so they are built beside
    the writers, partition by partition. What an interrupted run has built stays, and the next one goes on from there.
    """
    op.execute("SET LOCAL lock_timeout = '5s'")
    if not op.get_bind().exec_driver_sql("SELECT EXISTS (SELECT FROM audit)").scalar_one():
        for name, columns in audit.SEARCH_INDEXES.items():
            op.execute(f"CREATE INDEX {name} ON audit {columns}")
        return
    for name, columns in audit.SEARCH_INDEXES.items():
        op.execute(f"CREATE INDEX IF NOT EXISTS {name} ON ONLY audit {columns}")
    partitions = op.get_bind().exec_driver_sql(_AUDIT_PARTITIONS).scalars().all()
    with op.get_context().autocommit_block():
        for partition in partitions:
            for name, columns in audit.SEARCH_INDEXES.items():
                _build_beside_writers(op, f"{partition}_{name}", f"{partition} {columns}")
    op.execute("SET LOCAL lock_timeout = '5s'")
    for name in audit.SEARCH_INDEXES:
        for partition in partitions:
            op.execute(f"ALTER INDEX {name} ATTACH PARTITION {partition}_{name}")


_AUDIT_PARTITIONS: Final = "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'audit'::regclass"
_HALF_BUILT: Final = "SELECT EXISTS (SELECT FROM pg_index WHERE indexrelid = to_regclass('{}') AND NOT indisvalid)"


def _build_beside_writers(op: Any, index: str, place: str) -> None:
    # It waits for transactions that began before, which hinders nobody; so there is no limit to that.
    if op.get_bind().exec_driver_sql(_HALF_BUILT.format(index)).scalar_one():
        op.execute(f"DROP INDEX CONCURRENTLY {index}")
    op.execute(f"CREATE INDEX CONCURRENTLY IF NOT EXISTS {index} ON {place}")


def drop_audit_indexes(op: Any) -> None:
    """Take back `create_audit_indexes`, in the downgrade of the same revision."""
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute(f"DROP INDEX {', '.join(audit.SEARCH_INDEXES)}")


def create_worker_reports(op: Any) -> None:
    """Create what workers report beside the states of their consumers, in a revision of its own."""
    op.execute("SET LOCAL lock_timeout = '5s'")
    run_script(
        op,
        """
        -- How far behind each worker is on the partitions that it has; a subscription's lag is their sum.
        CREATE TABLE consumer_lags (
            subscription text NOT NULL,
            worker uuid NOT NULL,
            lag bigint NOT NULL,
            reported_at timestamptz NOT NULL,
            PRIMARY KEY (subscription, worker)
        );
        -- When the last message that was taken had been written to its topic, by the broker's clock.
        CREATE TABLE last_messages (
            topic text PRIMARY KEY,
            written_at timestamptz NOT NULL
        );
        """,
    )


def drop_worker_reports(op: Any) -> None:
    """Take back `create_worker_reports`, in the downgrade of the same revision."""
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("DROP TABLE consumer_lags, last_messages")


def _chassis_metadata() -> MetaData:
    metadata = MetaData()
    for module in (audit, idempotency, crypto):
        module.tables(metadata)
    return metadata
