"""What an operator has to know of a service, read from its tables: the worker's gauges and the operations routes tell the same."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from kehu_chassis.database import Transaction

__all__ = ["Figures", "read_dead_letters", "read_figures"]

# The ids of events are UUIDv7, so the oldest tells when it was written. A backlog is counted up to a limit: counting
# millions every few seconds would slow down what drains them.
_FIGURES: Final = """
SELECT (SELECT count(*) FROM (SELECT FROM outbox LIMIT 100000) AS waiting) AS outbox_depth,
       (SELECT extract(epoch FROM clock_timestamp() - uuid_extract_timestamp(id))::float8
        FROM outbox ORDER BY position LIMIT 1) AS outbox_seconds,
       (SELECT count(*) FROM (SELECT FROM parked_messages LIMIT 100000) AS waiting) AS parked_messages,
       (SELECT extract(epoch FROM clock_timestamp() - parked_at)::float8
        FROM parked_messages ORDER BY parked_id LIMIT 1) AS parked_seconds,
       (SELECT count(*) FROM timers WHERE due_at <= $1) AS due_timers,
       (SELECT count(*) FROM timers WHERE attempts > 0) AS failing_timers,
       (SELECT extract(epoch FROM $1 - min(due_at))::float8 FROM timers WHERE due_at <= $1) AS timer_seconds,
       (SELECT min(due_at) FROM timers WHERE due_at > $1) AS next_timer_at,
       (SELECT extract(epoch FROM clock_timestamp() - min(recorded_at))::float8 FROM audit
        WHERE transaction_id >= coalesce((SELECT max(transaction_id) FROM audit_seals), 0)
          AND NOT EXISTS (SELECT FROM audit_seals WHERE audit_seals.audit_id = audit.audit_id)) AS unsealed_seconds
"""

_DEAD: Final = """
SELECT subscription, count(*) AS dead FROM dead_letters WHERE state IN ('open', 'redrive', 'skip') GROUP BY subscription
"""


@dataclass(frozen=True, slots=True)
class Figures:
    """What waits in a service. Ages are in seconds of technical time and None when nothing waits.

    Args:
        outbox_depth: events that the broker has still to be given, counted up to 100,000.
        outbox_seconds: age of the oldest of them.
        parked_messages: messages that wait for what they belong to, counted up to 100,000.
        parked_seconds: how long the first of them has waited.
        due_timers: timers that are due and have not fired.
        failing_timers: timers that failed and wait to be tried again.
        timer_seconds: business time since the first due timer was due.
        next_timer_at: business time of the first timer that is not due yet.
        unsealed_seconds: age of the oldest audit row without a seal.
    """

    outbox_depth: int
    outbox_seconds: float | None
    parked_messages: int
    parked_seconds: float | None
    due_timers: int
    failing_timers: int
    timer_seconds: float | None
    next_timer_at: datetime | None
    unsealed_seconds: float | None


async def read_figures(tx: Transaction, now: datetime) -> Figures:
    """One look at the tables, at the business time `now`."""
    return Figures(**await tx.connection.fetchrow(_FIGURES, now))


async def read_dead_letters(tx: Transaction) -> dict[str, int]:
    """How many dead letters nobody has settled, by subscription."""
    return {row["subscription"]: row["dead"] for row in await tx.connection.fetch(_DEAD)}
