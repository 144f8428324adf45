"""What a live stream is made of: the end of the log, watched once for all; places for callers; the stream itself."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from datetime import datetime, timedelta
from typing import Final

from kehu_chassis import metrics
from kehu_chassis.auth import Principal
from kehu_chassis.clock import technical_now
from kehu_chassis.database import TRANSIENT, Database, Transaction
from kehu_chassis.problems import DependencyUnavailable, TooManyRequests
from kehu_chassis.scope import EVERYTHING
from kehu_chassis.telemetry import get_logger
from kehu_gateway.streams import queries
from kehu_gateway.streams.rules import RESET, RETRY, Cursor, told

__all__ = ["Feed", "Places", "TooManyStreams", "forget_old", "stream"]

log = get_logger(__name__)

HEARTBEAT: Final = 15.0
LOOK_EVERY: Final = 0.25


class TooManyStreams(TooManyRequests):
    """The caller has as many live streams open as he may."""

    code = "stream.too_many"
    title = "You have too many live streams open"
    title_zh = "打开的实时流过多"


class Places:
    """How many streams this process keeps open, for each caller and in all."""

    def __init__(self, *, of_caller: int, of_process: int) -> None:
        self._of_caller = of_caller
        self._of_process = of_process
        self._taken: Counter[str] = Counter()

    def take(self, caller: str) -> None:
        """Take a place; `free` gives it back.

        Raises:
            TooManyStreams: the caller has used up his.
            DependencyUnavailable: the process has no more.
        """
        if self._taken[caller] >= self._of_caller:
            metrics.STREAMS_REFUSED.labels(reason="caller").inc()
            raise TooManyStreams(
                f"At most {self._of_caller} at a time.",
                detail_zh=f"同时最多打开 {self._of_caller} 个。",
                headers={"Retry-After": "30"},
            )
        if self._taken.total() >= self._of_process:
            metrics.STREAMS_REFUSED.labels(reason="process").inc()
            raise DependencyUnavailable(headers={"Retry-After": "30"})
        self._taken[caller] += 1
        metrics.STREAMS_OPEN.inc()

    def free(self, caller: str) -> None:
        """Give a place back."""
        self._taken[caller] -= 1
        if not self._taken[caller]:
            del self._taken[caller]
        metrics.STREAMS_OPEN.dec()


class Feed:
    """Watches the end of the log while anybody listens, with one statement for all streams of the process.

    Args:
        database: the gateway's.
        stopping: set when the process is to stop; then every stream ends.
    """

    def __init__(self, database: Database, stopping: asyncio.Event) -> None:
        self._database = database
        self._stopping = stopping
        self._newest = Cursor.of(0, None)
        self._listeners = 0
        self._moved = asyncio.Event()
        self._watching: asyncio.Task[None] | None = None

    @property
    def is_over(self) -> bool:
        """Whether the process stops."""
        return self._stopping.is_set()

    @property
    def newest(self) -> Cursor:
        """The end of the log as last seen."""
        return self._newest

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Have the log watched."""
        self._listeners += 1
        if self._watching is None:
            self._watching = asyncio.create_task(self._watch())
        try:
            yield
        finally:
            self._listeners -= 1
            if not self._listeners and self._watching is not None:
                self._watching.cancel()
                self._watching = None

    async def look(self) -> Cursor:
        """Look at the log now."""
        async with self._database.begin(scope=EVERYTHING, read_only=True) as tx:
            found = await queries.newest(tx)
        if found != self._newest:
            self._newest = found
            moved, self._moved = self._moved, asyncio.Event()
            moved.set()
        return found

    async def moved_from(self, cursor: Cursor, *, within: float) -> bool:
        """Wait until the log ends elsewhere than at a cursor; False when it does not within so many seconds."""
        try:
            async with asyncio.timeout(within):
                while self._newest == cursor and not self.is_over:
                    await self._moved.wait()
        except TimeoutError:
            return False
        return True

    async def _watch(self) -> None:
        while not self.is_over:
            try:
                await self.look()
            except TRANSIENT as error:
                log.warning("stream.watching_postponed", error=type(error).__name__)
            try:
                async with asyncio.timeout(LOOK_EVERY):
                    await self._stopping.wait()
            except TimeoutError:
                continue
        self._moved.set()


async def stream(
    database: Database, feed: Feed, caller: Principal, last_event_id: str | None, until: datetime
) -> AsyncIterator[bytes]:
    """The chunks of a stream, from where the caller left off, until his token expires or the process stops."""
    end = await feed.look()
    cursor = end
    opening = RETRY + end.line + b"\n"
    if last_event_id is not None:
        known = Cursor.parse(last_event_id)
        if known is not None and await _is_kept(database, known):
            cursor, opening = known, RETRY + known.line + b"\n"
        else:
            opening = RETRY + end.line + RESET + b"\n"
    yield opening
    while (left := (until - technical_now()).total_seconds()) > 0 and not feed.is_over:
        end = feed.newest
        async with _reading(database, caller) as tx:
            rows = await queries.page(tx, cursor.position, end.position, caller.permissions)
        if rows:
            yield b"".join(told(row) for row in rows)
        if len(rows) == queries.PAGE:
            cursor = Cursor.of(rows[-1]["position"], rows[-1]["event_id"])
            continue
        # What the caller may not see is behind him too: his next visit begins here.
        cursor = end
        if not await feed.moved_from(cursor, within=min(HEARTBEAT, left)):
            yield b":\n" + cursor.line + b"\n"


def _reading(database: Database, caller: Principal) -> AbstractAsyncContextManager[Transaction]:
    return database.begin(scope=caller.scope, read_only=True)


async def _is_kept(database: Database, cursor: Cursor) -> bool:
    async with database.begin(scope=EVERYTHING, read_only=True) as tx:
        return await queries.holds(tx, cursor)


_FORGET: Final = """
DELETE FROM live_events WHERE position IN (
    SELECT position FROM live_events
    WHERE kept_at < $1 AND position < (SELECT max(position) FROM live_events)
    ORDER BY position LIMIT 10000 FOR UPDATE SKIP LOCKED)
"""


async def forget_old(database: Database, kept: timedelta) -> None:
    """Delete what has had its time, in slices; the newest event stays, so that an idle stream keeps its place."""
    status = "DELETE 10000"
    while status == "DELETE 10000":
        async with database.begin(scope=EVERYTHING) as tx:
            status = await tx.connection.execute(_FORGET, technical_now() - kept)
