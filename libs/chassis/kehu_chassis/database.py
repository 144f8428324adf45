"""The one way to the database: SQLAlchemy Core statements, compiled once, run on asyncpg inside one transaction.

```
async with database.begin(scope=principal.scope) as tx:
    row = await tx.one(select(customers).where(customers.c.customer_id == customer_id))
```
`begin` commits when its block ends and rolls back when it raises; nobody else commits. Events added to the transaction
by `outbox.add` are written just before the commit. Rows come back as `asyncpg.Record`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from time import perf_counter
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

import asyncpg
import structlog
from sqlalchemy import ARRAY, bindparam, func, insert, select
from sqlalchemy import column as sql_column
from sqlalchemy.sql import ClauseElement
from sqlalchemy.sql.schema import Table

from kehu_chassis import metrics, outgoing
from kehu_chassis.scope import UNSCOPED, Reach, Scope
from kehu_chassis.statements import MissingParameter, Statements

__all__ = [
    "TRANSIENT",
    "Database",
    "DatabaseUnavailable",
    "MissingParameter",
    "NoRow",
    "Record",
    "RolledBack",
    "Transaction",
]

log = structlog.get_logger(__name__)

if TYPE_CHECKING:
    Record = Mapping[str, Any]
else:
    Record = asyncpg.Record
Parameters = Mapping[str, Any]


_NOTABLE_WAIT: Final = 0.001
"""Seconds; a free connection comes sooner, and is not worth an observation."""

_CUT: Final = (
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    OSError,
)
"""What a statement meets on a connection that was cut, as PostgreSQL or the driver comes to notice it."""


class DatabaseUnavailable(ConnectionError):
    """No connection could be had in time: PostgreSQL is down or all connections are in use. Answered with 503."""


class NoRow(LookupError):
    """A statement that must give exactly one row gave none."""


class RolledBack(RuntimeError):
    """The transaction could not commit, since a statement in it had failed and the error was swallowed."""


TRANSIENT: Final[tuple[type[Exception], ...]] = (
    ConnectionError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.SerializationError,
    asyncpg.DeadlockDetectedError,
    asyncpg.LockNotAvailableError,
)
"""What goes away by itself: whoever met it may try the whole transaction again."""


class Transaction:
    """One transaction in progress. Statements are SQLAlchemy Core; `params` fills their `bindparam`s."""

    __slots__ = ("_callbacks", "_statements", "connection", "outgoing", "scope", "side_effects")

    def __init__(self, connection: Any, statements: Statements, scope: Scope, *, side_effects: bool) -> None:
        self.connection = connection
        """The driver's connection, for what Core cannot say. Never commit or roll back on it."""
        self.scope = scope
        self.side_effects = side_effects
        """False while a projection is rebuilt: then no event leaves and no timer is set."""
        self.outgoing: list[outgoing.Outgoing] = []
        """Events that the commit writes."""
        self._statements = statements
        self._callbacks: list[Callable[[], None]] = []

    async def all(self, statement: ClauseElement, params: Parameters | None = None) -> list[Record]:
        """Every row."""
        sql, values = self._statements.render(statement, params)
        rows: list[Record] = await self.connection.fetch(sql, *values)
        return rows

    async def first(self, statement: ClauseElement, params: Parameters | None = None) -> Record | None:
        """The first row, or None."""
        sql, values = self._statements.render(statement, params)
        row: Record | None = await self.connection.fetchrow(sql, *values)
        return row

    async def one(self, statement: ClauseElement, params: Parameters | None = None) -> Record:
        """Exactly one row.

        Raises:
            NoRow: there was none.
            LookupError: there were several.
        """
        rows = await self.all(statement, params)
        if not rows:
            raise NoRow("the statement gave no row")
        if len(rows) > 1:
            raise LookupError("the statement gave several rows")
        return rows[0]

    async def scalar(self, statement: ClauseElement, params: Parameters | None = None) -> Any:
        """The first column of the first row, or None."""
        sql, values = self._statements.render(statement, params)
        return await self.connection.fetchval(sql, *values)

    async def execute(self, statement: ClauseElement, params: Parameters | None = None) -> int:
        """Run a statement and tell how many rows it changed."""
        sql, values = self._statements.render(statement, params)
        status: str = await self.connection.execute(sql, *values)
        count = status.rpartition(" ")[2]
        return int(count) if count.isdigit() else 0

    async def execute_many(self, statement: ClauseElement, params: Sequence[Parameters]) -> None:
        """Run a statement once per set of parameters, pipelined. All sets name the same parameters."""
        if params:
            sql, values = self._statements.render_many(statement, params)
            await self.connection.executemany(sql, values)

    async def copy(self, table: Table, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Load many rows: by COPY, and where row-level security holds, which allows no COPY, by one INSERT of arrays.

        A table with security must have no array or ltree among these columns: `execute_many` takes those.
        """
        if not rows:
            return
        if await self.connection.fetchval("SELECT row_security_active($1::text::regclass)", table.name):
            await self.execute(*_insert_of_arrays(table, columns, rows))
        else:
            await self.connection.copy_records_to_table(table.name, columns=list(columns), records=rows)

    @contextlib.asynccontextmanager
    async def savepoint(self) -> AsyncIterator[None]:
        """What fails inside is undone alone, and the error goes on; events added inside are dropped with it."""
        added = len(self.outgoing)
        await self.connection.execute("SAVEPOINT inner_work")
        try:
            yield
        except BaseException:
            del self.outgoing[added:]
            await self.connection.execute("ROLLBACK TO SAVEPOINT inner_work; RELEASE SAVEPOINT inner_work")
            raise
        await self.connection.execute("RELEASE SAVEPOINT inner_work")

    def on_commit(self, callback: Callable[[], None]) -> None:
        """Call back once the transaction has committed, and not at all when it rolls back."""
        self._callbacks.append(callback)

    def committed(self) -> None:
        """Run what waited for the commit. Called by `Database` alone."""
        for callback in self._callbacks:
            callback()


class Database:
    """A pool of connections to one service's schema. Connections that a restart of PostgreSQL cut are replaced."""

    def __init__(self, pool: asyncpg.Pool, dsn: str, schema: str, settings: dict[str, str], wait: float) -> None:
        self.schema = schema
        self.written = asyncio.Event()
        """Set when a transaction of this process has committed events or timers: wakes relay and timers at once."""
        self._pool = pool
        self._dsn = dsn
        self._settings = settings
        self._wait = wait
        self._statements = {reach: Statements(reach) for reach in Reach}

    @classmethod
    async def connect(  # noqa: PLR0913  each is a setting of the pool
        cls,
        dsn: str,
        *,
        schema: str,
        min_size: int = 1,
        max_size: int = 10,
        application_name: str = "kehu",
        wait: float = 5.0,
    ) -> Self:
        """Open a pool. `wait` is how many seconds a transaction waits for a connection before it is refused.

        Raises:
            DatabaseUnavailable: PostgreSQL does not answer.
        """
        settings = {
            "search_path": f"{schema}, public",
            "application_name": application_name,
            "timezone": "UTC",
            # A forgotten transaction would keep its locks and hold back vacuum.
            "idle_in_transaction_session_timeout": "60s",
        }
        pool = asyncpg.create_pool(
            dsn,
            min_size=min_size,
            max_size=max_size,
            server_settings=settings,
            init=_teach_json,
            # Everything that we set is local to a transaction, so a connection needs no cleaning round trip.
            reset=_keep_as_it_is,
            statement_cache_size=1_000,
            max_inactive_connection_lifetime=60,
            timeout=wait,
        )
        database = cls(pool, dsn, schema, settings, wait)
        try:
            await pool
        except (OSError, TimeoutError, asyncpg.PostgresConnectionError, asyncpg.CannotConnectNowError) as error:
            raise DatabaseUnavailable(f"PostgreSQL does not answer: {type(error).__name__}") from error
        return database

    async def close(self) -> None:
        """Close the pool: waits for transactions that still run."""
        await self._pool.close()

    def begin(self, *, scope: Scope = UNSCOPED, read_only: bool = False, side_effects: bool = True) -> _Begin:
        """An async context manager that gives a `Transaction`, commits it at its end and rolls back on an error.

        Raises:
            DatabaseUnavailable: on entry, when no connection could be had in time.
            RolledBack: on exit, when a failed statement was swallowed.
        """
        return _Begin(self, scope, read_only=read_only, side_effects=side_effects)

    async def ping(self) -> None:
        """One round trip, for health checks.

        Raises:
            DatabaseUnavailable: PostgreSQL does not answer.
        """
        async with self.begin(read_only=True) as tx:
            await tx.connection.execute("SELECT 1")

    async def dedicated(self, **settings: str) -> asyncpg.Connection:
        """A connection beside the pool, for session locks. The caller closes it."""
        connection = await asyncpg.connect(
            self._dsn, server_settings=self._settings | settings, timeout=self._wait, command_timeout=30
        )
        await _teach_json(connection)
        return connection

    async def acquire(self, opening: str) -> Any:
        """Take a connection and begin on it. Called by `begin` alone."""
        # A pooled connection may have died unseen: nothing has happened on it yet, so another may be tried.
        for _ in range(2):
            connection = await self._take()
            try:
                await connection.execute(opening)
            except _CUT as error:
                await self.give_back(connection, broken=True)
                cut = error
            except BaseException:
                await self.give_back(connection, broken=True)
                raise
            else:
                return connection
        raise DatabaseUnavailable("the connection was lost") from cut

    async def _take(self) -> Any:
        started = perf_counter()
        try:
            async with asyncio.timeout(self._wait):
                connection = await self._pool.acquire()
        except (OSError, asyncpg.PostgresConnectionError, asyncpg.CannotConnectNowError) as error:
            cause = "busy" if isinstance(error, TimeoutError) else "down"
            metrics.DATABASE_REFUSALS.labels(cause=cause).inc()
            raise DatabaseUnavailable(f"no database connection: {cause}") from error
        waited = perf_counter() - started
        if waited >= _NOTABLE_WAIT:
            metrics.DATABASE_WAIT.observe(waited)
        return connection

    async def give_back(self, connection: Any, *, broken: bool = False) -> None:
        """Return a connection to the pool. Called by `begin` alone."""
        if broken:
            # The pool may have noticed by itself, and taken it back already.
            with contextlib.suppress(asyncpg.InterfaceError):
                connection.terminate()
        await self._pool.release(connection)

    def statements(self, scope: Scope) -> Statements:
        """The compiled statements for a scope. Called by `begin` alone."""
        return self._statements[scope.kind]

    def without_first_lock(self) -> None:
        """Compile `within_scope` to nothing, so that a test sees row-level security stand alone."""
        self._statements = dict.fromkeys(Reach, self._statements[Reach.ALL])


class _Begin:
    """Begins, commits and rolls back. A class, since a generator costs more than the two statements it would send."""

    __slots__ = ("_database", "_opening", "_scope", "_side_effects", "_tx")

    def __init__(self, database: Database, scope: Scope, *, read_only: bool, side_effects: bool) -> None:
        self._database = database
        self._scope = scope
        self._side_effects = side_effects
        self._opening = ("BEGIN READ ONLY" if read_only else "BEGIN") + _entering(scope)

    async def __aenter__(self) -> Transaction:
        connection = await self._database.acquire(self._opening)
        self._tx = Transaction(
            connection, self._database.statements(self._scope), self._scope, side_effects=self._side_effects
        )
        return self._tx

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        tx, connection = self._tx, self._tx.connection
        if error is not None:
            await self._roll_back(connection, error)
            return
        try:
            if tx.outgoing:
                await outgoing.write(connection, tx.outgoing)
            _check(await connection.execute("COMMIT"))
        except BaseException as failure:
            await self._roll_back(connection, failure)
            raise
        await self._database.give_back(connection)
        if tx.outgoing:
            self._database.written.set()
        tx.committed()

    async def _roll_back(self, connection: Any, error: BaseException) -> None:
        """Undo, and tell a lost connection as what it is, in whatever words the driver met it."""
        is_lost = False
        try:
            if connection.is_closed():
                is_lost = True
            elif connection.is_in_transaction():
                await connection.execute("ROLLBACK")
        except (*_CUT, asyncpg.PostgresError):
            # Without its connection PostgreSQL rolls back by itself.
            is_lost = True
        finally:
            await self._database.give_back(connection, broken=is_lost)
        if is_lost and isinstance(error, Exception):
            raise DatabaseUnavailable("the connection was lost") from error


def _insert_of_arrays(
    table: Table, columns: Sequence[str], rows: Sequence[Sequence[Any]]
) -> tuple[ClauseElement, dict[str, Any]]:
    arrays = [bindparam(f"given_{name}", type_=ARRAY(table.c[name].type)) for name in columns]
    given = func.unnest(*arrays).table_valued(*(sql_column(name) for name in columns), name="given").render_derived()
    statement = insert(table).from_select(list(columns), select(given))
    values = [list(values) for values in zip(*rows, strict=True)]
    return statement, {array.key: column for array, column in zip(arrays, values, strict=True)}


def _check(status: str) -> None:
    if status != "COMMIT":
        raise RolledBack("a statement had failed, so PostgreSQL rolled the transaction back")


def _entering(scope: Scope) -> str:
    # The simple protocol takes no arguments; both values are of closed types, so nothing of a caller's text gets in.
    if scope.kind is Reach.NONE:
        return ""
    staff = f"'{scope.staff_id}'" if scope.staff_id is not None else "NULL"
    return f"; SELECT enter_scope('{scope.kind.value}', {staff})"


async def _keep_as_it_is(connection: asyncpg.Connection) -> None:
    pass


async def _teach_json(connection: asyncpg.Connection) -> None:
    for name in ("json", "jsonb"):
        await connection.set_type_codec(name, schema="pg_catalog", encoder=_dump, decoder=json.loads)


def _dump(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
