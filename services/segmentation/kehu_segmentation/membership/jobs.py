"""Members who leave or enter because time passes: one timer per segment, at every midnight in Asia/Shanghai."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

from kehu_chassis import timers
from kehu_chassis.database import Transaction
from kehu_segmentation.business_days import business_day, next_day_at
from kehu_segmentation.membership import service
from kehu_segmentation.rules.rules import boundaries
from kehu_segmentation.rules.schemas import Rule
from kehu_segmentation.segments.service import active_segments

__all__ = ["WINDOW", "move_windows", "watch_windows"]

WINDOW: Final = "segment.window"


async def watch_windows(tx: Transaction, segment_id: UUID, rule: Rule, *, at: datetime) -> None:
    """Look at the segment again at the next midnight, if time alone can change a verdict of its rule."""
    if boundaries(rule):
        payload = {"checked": business_day(at).isoformat()}
        await timers.schedule(tx, due_at=next_day_at(at), kind=WINDOW, key=str(segment_id), payload=payload)
    else:
        await timers.cancel(tx, WINDOW, str(segment_id))


async def move_windows(tx: Transaction, due_at: datetime, key: str, payload: dict[str, Any]) -> None:
    """A day has begun: judge the customers for whom that may make a difference, as of that midnight."""
    segment_id = UUID(key)
    await service.lock_evaluations(tx)
    for segment in await active_segments(tx, segment_id):
        checked = date.fromisoformat(payload["checked"])
        touched = await service.crossing(tx, segment.rule, after=checked, today=business_day(due_at))
        await service.reevaluate(tx, touched, service.Occasion(due_at, "timer"), only=segment_id)
        await watch_windows(tx, segment_id, segment.rule, at=due_at)
