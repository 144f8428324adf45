"""Reads from the service's tables what an alert is about, and sets the gauges.

Every worker of a service measures the same tables, so rules take the maximum over them. While the database does not
answer the gauges stand still; `kehu_measured_timestamp_seconds` tells since when.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from kehu_chassis import metrics
from kehu_chassis.clock import Clock, technical_now
from kehu_chassis.database import Database

__all__ = ["Gauges"]

# The ids of events are UUIDv7, so the oldest tells when it was written. A backlog is counted up to a limit: counting
# millions every few seconds would slow down what drains them.
_MEASURE: Final = """
SELECT (SELECT count(*) FROM (SELECT FROM outbox LIMIT 100000) AS waiting) AS outbox_depth,
       (SELECT extract(epoch FROM clock_timestamp() - uuid_extract_timestamp(id))::float8
        FROM outbox ORDER BY position LIMIT 1) AS outbox_age,
       (SELECT count(*) FROM (SELECT FROM parked_messages LIMIT 100000) AS waiting) AS parked,
       (SELECT extract(epoch FROM clock_timestamp() - parked_at)::float8
        FROM parked_messages ORDER BY parked_id LIMIT 1) AS parked_age,
       (SELECT count(*) FROM timers WHERE due_at <= $1) AS timers_due,
       (SELECT count(*) FROM timers WHERE attempts > 0) AS timers_failing,
       (SELECT extract(epoch FROM $1 - min(due_at))::float8 FROM timers WHERE due_at <= $1) AS timer_lateness,
       (SELECT extract(epoch FROM clock_timestamp() - min(recorded_at))::float8 FROM audit
        WHERE transaction_id >= coalesce((SELECT max(transaction_id) FROM audit_seals), 0)
          AND NOT EXISTS (SELECT FROM audit_seals WHERE audit_seals.audit_id = audit.audit_id)) AS audit_unsealed
"""

_DEAD: Final = """
SELECT subscription, count(*) AS dead FROM dead_letters WHERE state IN ('open', 'redrive', 'skip') GROUP BY subscription
"""


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
        now: datetime = self._clock.now()
        async with self._database.begin(read_only=True) as tx:
            found = await tx.connection.fetchrow(_MEASURE, now)
            dead = {row["subscription"]: row["dead"] for row in await tx.connection.fetch(_DEAD)}
        metrics.OUTBOX_DEPTH.set(found["outbox_depth"])
        metrics.OUTBOX_AGE.set(found["outbox_age"] or 0)
        metrics.PARKED_WAITING.set(found["parked"])
        metrics.PARKED_AGE.set(found["parked_age"] or 0)
        metrics.TIMERS_DUE.set(found["timers_due"])
        metrics.TIMERS_FAILING.set(found["timers_failing"])
        metrics.TIMER_LATENESS.set(found["timer_lateness"] or 0)
        metrics.AUDIT_UNSEALED.set(found["audit_unsealed"] or 0)
        for subscription in {*self._subscriptions, *dead}:
            metrics.DEAD_LETTERS_OPEN.labels(subscription=subscription).set(dead.get(subscription, 0))
        metrics.MEASURED.set(technical_now().timestamp())
