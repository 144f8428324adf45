"""Sets the gauges by what stands in the service's tables.

Every worker of a service measures the same tables, so rules take the maximum over them. While the database does not
answer the gauges stand still; `kehu_measured_timestamp_seconds` tells since when.
"""

from __future__ import annotations

from kehu_chassis import metrics
from kehu_chassis.clock import Clock, technical_now
from kehu_chassis.database import Database
from kehu_chassis.figures import read_dead_letters, read_figures

__all__ = ["Gauges"]


class Gauges:
    """The gauges of one worker.

    Args:
        database: the service's, as the worker's role.
        clock: business time, in which timers are due.
        subscriptions: what the worker consumes; each has its count of dead letters, be it zero.
    """

    def __init__(self, database: Database, clock: Clock, subscriptions: list[str]) -> None:
        self._database = database
        self._clock = clock
        self._subscriptions = subscriptions

    async def measure(self) -> None:
        """Set every gauge from one look at the tables."""
        async with self._database.begin(read_only=True) as tx:
            found = await read_figures(tx, self._clock.now())
            dead = await read_dead_letters(tx)
        metrics.OUTBOX_DEPTH.set(found.outbox_depth)
        metrics.OUTBOX_AGE.set(found.outbox_seconds or 0)
        metrics.PARKED_WAITING.set(found.parked_messages)
        metrics.PARKED_AGE.set(found.parked_seconds or 0)
        metrics.TIMERS_DUE.set(found.due_timers)
        metrics.TIMERS_FAILING.set(found.failing_timers)
        metrics.TIMER_LATENESS.set(found.timer_seconds or 0)
        metrics.AUDIT_UNSEALED.set(found.unsealed_seconds or 0)
        for subscription in {*self._subscriptions, *dead}:
            metrics.DEAD_LETTERS_OPEN.labels(subscription=subscription).set(dead.get(subscription, 0))
        metrics.MEASURED.set(technical_now().timestamp())
