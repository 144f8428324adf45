"""The job that drops months of movements which the bank no longer keeps, each as a whole.

How many months are kept stands in `retention_rules`, for the database's owner to set; without a number nothing is dropped.
The keys of dropped movements stay, so that one which the bank states again is not posted a second time.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Date, bindparam, func, select

from kehu_chassis.clock import Clock
from kehu_chassis.database import Transaction
from kehu_chassis.telemetry import get_logger
from kehu_chassis.timers import TimerHandler, schedule

__all__ = ["RETENTION", "retention", "schedule_retention"]

log = get_logger(__name__)

RETENTION: Final = "accounts.retention"
EVERY: Final = timedelta(days=1)
_DROP_OLDEST: Final = select(func.drop_oldest_transaction_month(bindparam("today", type_=Date)))


async def schedule_retention(tx: Transaction, *, at: datetime) -> None:
    """Look for months to drop at once, and every day from then on."""
    await schedule(tx, due_at=at, kind=RETENTION, key="transactions", payload={})


def retention(clock: Clock) -> TimerHandler:
    """The handler of the timer: one month for each transaction, since each needs the table for a moment."""

    async def drop_oldest(tx: Transaction, due_at: datetime, key: str, payload: dict[str, Any]) -> None:
        dropped = await tx.scalar(_DROP_OLDEST, {"today": due_at.date()})
        if dropped is not None:
            log.info("accounts.month_dropped", partition=dropped)
        next_at = due_at if dropped is not None else max(due_at, clock.now()) + EVERY
        await schedule(tx, due_at=next_at, kind=RETENTION, key=key, payload=payload)

    return drop_oldest
