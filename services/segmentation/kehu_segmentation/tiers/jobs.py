"""The assessment's timers: everybody on the first of a month, and whoever has become known on the next day."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from kehu_chassis import timers
from kehu_chassis.database import Transaction
from kehu_segmentation.business_days import business_day, first_of_month, month_before, next_day_at, next_month_at
from kehu_segmentation.tiers import service

__all__ = ["ASSESSMENT", "assess_tiers", "begin_assessments"]

ASSESSMENT: Final = "tier.assessment"
MONTHLY: Final = "monthly"
"""The key of the timer for everybody; the others have the day on which they are due."""
_FIRST: Final = UUID(int=0)

_IS_SET: Final = "SELECT 1 FROM timers WHERE kind = $1 AND key = $2"
_ASSESSED: Final = "SELECT count(*) FROM customer_tiers WHERE customer_id = ANY ($1::uuid[])"


async def begin_assessments(tx: Transaction, customer_ids: Collection[UUID], *, at: datetime) -> None:
    """Have customers who have no tier yet assessed the next day: called when customers become known or change."""
    if await tx.connection.fetchval(_ASSESSED, list(customer_ids)) == len(customer_ids):
        return
    scheme = await service.scheme_in_force(tx, business_day(at))
    due_at = next_day_at(at, scheme.assessed_at)
    await _schedule(tx, due_at, business_day(due_at).isoformat())
    await _begin_months(tx, at)


async def assess_tiers(tx: Transaction, due_at: datetime, key: str, payload: dict[str, Any]) -> None:
    """Assess one slice of customers by the month before; the next slice follows at once."""
    today = business_day(due_at)
    go_on_after = await service.assess_slice(
        tx,
        after=UUID(payload["after"]),
        month=month_before(today),
        until=first_of_month(today),
        everybody=today.day == 1,
        at=due_at,
    )
    if go_on_after is not None:
        await _schedule(tx, due_at, key, after=go_on_after)
    else:
        await _begin_months(tx, due_at)


async def _begin_months(tx: Transaction, at: datetime) -> None:
    # A timer under way is not there any more for its own transaction: so each month sets the next.
    if await tx.connection.fetchval(_IS_SET, ASSESSMENT, MONTHLY) is None:
        scheme = await service.scheme_in_force(tx, business_day(at))
        await _schedule(tx, next_month_at(at, scheme.assessed_at), MONTHLY)


async def _schedule(tx: Transaction, due_at: datetime, key: str, *, after: UUID = _FIRST) -> None:
    await timers.schedule(tx, due_at=due_at, kind=ASSESSMENT, key=key, payload={"after": str(after)})
