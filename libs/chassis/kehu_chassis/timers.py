"""What is due when, in a table of the service, compared with the suite's clock.

A timer is one row per kind and key. When business time has passed its `due_at`, the worker runs the handler of its kind
and deletes the row in the same transaction: it takes effect exactly once, after a restart too. Due timers run one after
the other in the order of `due_at`; when the clock jumps, one that is set meanwhile for a moment within the jump takes its
place in that order. Several workers share the work by SKIP LOCKED. Long work is a timer that does one slice and sets
itself again.

A handler that fails is tried again after a pause that grows to ten minutes of technical time; others go on meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import structlog

from kehu_chassis import metrics
from kehu_chassis.clock import Clock, technical_now
from kehu_chassis.database import TRANSIENT, Database, Transaction
from kehu_chassis.failures import describe, pause
from kehu_chassis.scope import EVERYTHING

__all__ = ["PreparedTimer", "TimerHandler", "Timers", "cancel", "schedule"]

log = structlog.get_logger(__name__)

TimerHandler = Callable[["Transaction", datetime, str, dict[str, Any]], Awaitable[None]]
"""Called with transaction, due moment, key and payload."""


@dataclass(frozen=True, slots=True)
class PreparedTimer:
    """A timer that calls another service: it does so before its transaction begins, so that no lock waits for an answer.

    Args:
        prepare: called with due moment, key and payload. What it does must bear being done again: another worker may
            prepare the same timer, and a crash repeats it.
        act: called like a `TimerHandler`, with what `prepare` gave as last argument. It checks anew, under its locks,
            whatever may have changed meanwhile.
    """

    prepare: Callable[[datetime, str, dict[str, Any]], Awaitable[Any]]
    act: Callable[[Transaction, datetime, str, dict[str, Any], Any], Awaitable[None]]


_SCHEDULE: Final = """
INSERT INTO timers (kind, key, due_at, payload) VALUES ($1, $2, $3, $4)
ON CONFLICT (kind, key) DO UPDATE
SET due_at = EXCLUDED.due_at, payload = EXCLUDED.payload, attempts = 0, retry_at = NULL, last_error = NULL
"""

_TAKE: Final = """
DELETE FROM timers WHERE (kind, key) = (
    SELECT kind, key FROM timers
    WHERE due_at <= $1 AND (retry_at IS NULL OR retry_at <= $2) AND kind = ANY ($3::text[])
    ORDER BY due_at, kind, key LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING kind, key, due_at, payload, attempts
"""

_LOOK: Final = """
SELECT kind, key, due_at, payload, attempts FROM timers
WHERE due_at <= $1 AND (retry_at IS NULL OR retry_at <= $2) AND kind = ANY ($3::text[])
ORDER BY due_at, kind, key LIMIT 1 FOR UPDATE SKIP LOCKED
"""

_TAKE_THIS: Final = """
DELETE FROM timers WHERE (kind, key) = (
    SELECT kind, key FROM timers WHERE kind = $1 AND key = $2 AND due_at = $3 FOR UPDATE SKIP LOCKED)
RETURNING kind, key, due_at, payload, attempts
"""

_POSTPONE: Final = """
UPDATE timers SET attempts = attempts + 1, retry_at = $4, last_error = $5
WHERE kind = $1 AND key = $2 AND due_at = $3
"""


async def schedule(
    tx: Transaction, *, due_at: datetime, kind: str, key: str, payload: Mapping[str, Any] | None = None
) -> None:
    """Set the timer of this kind and key, in place of one that was set before; nothing in a replay."""
    if tx.side_effects:
        await tx.connection.execute(_SCHEDULE, kind, key, due_at, dict(payload or {}))


async def cancel(tx: Transaction, kind: str, key: str) -> bool:
    """Take a timer back, and tell whether there was one."""
    status: str = await tx.connection.execute("DELETE FROM timers WHERE kind = $1 AND key = $2", kind, key)
    return status != "DELETE 0"


class Timers:
    """Runs what is due."""

    LOOK_EVERY: Final = 0.5
    """Seconds between looks at the table when nothing is due."""

    def __init__(self, database: Database, clock: Clock, handlers: Mapping[str, TimerHandler | PreparedTimer]) -> None:
        self._database = database
        self._clock = clock
        self._prepared = {kind: found for kind, found in handlers.items() if isinstance(found, PreparedTimer)}
        self._handlers = {kind: found for kind, found in handlers.items() if not isinstance(found, PreparedTimer)}
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Finish the timer under way and take no more."""
        self._stopping.set()

    async def run(self) -> None:
        """Run due timers until stopped."""
        failures = 0
        while not self._stopping.is_set():
            try:
                fired = await self.fire_next()
            except TRANSIENT as error:
                failures += 1
                log.warning("timers.waiting", cause=describe(error))
                await pause(failures, self._stopping)
                continue
            failures = 0
            if not fired:
                await pause(0, self._stopping, shortest=self.LOOK_EVERY)

    async def fire_next(self) -> bool:
        """Run the first due timer, and tell whether there was one."""
        if self._prepared:
            first = await self._look()
            if first is None:
                return False
            if first["kind"] in self._prepared:
                await self._fire_prepared(first)
                return True
        taken: Any = None
        try:
            async with self._database.begin(scope=EVERYTHING) as tx:
                taken = await tx.connection.fetchrow(_TAKE, self._clock.now(), technical_now(), list(self._handlers))
                if taken is None:
                    return False
                await self._handlers[taken["kind"]](tx, taken["due_at"], taken["key"], taken["payload"])
        except Exception as error:  # whatever a handler raises, the other timers go on
            if taken is None:
                raise
            await self._postpone(taken, error)
        else:
            metrics.TIMERS_FIRED.labels(kind=taken["kind"]).inc()
        return True

    async def _look(self) -> Any:
        kinds = [*self._handlers, *self._prepared]
        async with self._database.begin() as tx:
            return await tx.connection.fetchrow(_LOOK, self._clock.now(), technical_now(), kinds)

    async def _fire_prepared(self, first: Any) -> None:
        kind, key, due_at = first["kind"], first["key"], first["due_at"]
        timer = self._prepared[kind]
        try:
            ready = await timer.prepare(due_at, key, first["payload"])
            async with self._database.begin(scope=EVERYTHING) as tx:
                taken = await tx.connection.fetchrow(_TAKE_THIS, kind, key, due_at)
                if taken is None:
                    # Another worker was faster, or it was set anew.
                    return
                await timer.act(tx, due_at, key, taken["payload"], ready)
        except Exception as error:  # noqa: BLE001  as for the others
            await self._postpone(first, error)
        else:
            metrics.TIMERS_FIRED.labels(kind=kind).inc()

    async def _postpone(self, taken: Any, error: Exception) -> None:
        metrics.TIMER_ERRORS.labels(kind=taken["kind"]).inc()
        wait = timedelta(seconds=min(600, 2 ** min(taken["attempts"], 20)))
        reason = describe(error)
        log.error("timers.failed", kind=taken["kind"], key=taken["key"], reason=reason, attempts=taken["attempts"] + 1)
        async with self._database.begin() as tx:
            await tx.connection.execute(
                _POSTPONE, taken["kind"], taken["key"], taken["due_at"], technical_now() + wait, reason
            )
