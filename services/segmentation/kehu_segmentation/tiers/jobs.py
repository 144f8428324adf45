"""The assessment's timer: on the first of a month everybody, on other days those who have no tier yet."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final
from uuid import UUID

from kehu_chassis import timers
from kehu_chassis.database import Transaction
from kehu_segmentation.business_days import business_day, first_of_month, month_before, next_day_at
from kehu_segmentation.tiers import service

__all__ = ["ASSESSMENT", "assess_tiers", "begin_assessments"]

ASSESSMENT: Final = "tier.assessment"
KEY: Final = "daily"
_FIRST: Final = UUID(int=0)

_IS_SET: Final = "SELECT 1 FROM timers WHERE kind = $1"


async def begin_assessments(tx: Transaction, *, at: datetime) -> None:
    """Set the first timer, unless one is set: called when customers become known."""
    if await tx.connection.fetchval(_IS_SET, ASSESSMENT) is None:
        await _next_day(tx, at)


async def assess_tiers(tx: Transaction, due_at: datetime, _key: str, payload: dict[str, Any]) -> None:
    """Assess one slice of customers by the month before; the next slice follows at once, the next day after the last."""
    today = business_day(due_at)
    go_on_after = await service.assess_slice(
        tx,
        after=UUID(payload["after"]),
        month=month_before(today),
        until=first_of_month(today),
        everybody=today.day == 1,
        at=due_at,
    )
    if go_on_after is None:
        await _next_day(tx, due_at)
    else:
        await timers.schedule(tx, due_at=due_at, kind=ASSESSMENT, key=KEY, payload={"after": str(go_on_after)})


async def _next_day(tx: Transaction, at: datetime) -> None:
    scheme = await service.scheme_in_force(tx, business_day(at))
    due_at = next_day_at(at, scheme.assessed_at)
    await timers.schedule(tx, due_at=due_at, kind=ASSESSMENT, key=KEY, payload={"after": str(_FIRST)})
