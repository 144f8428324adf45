"""A publication takes effect in the worker: its role reaches every customer, and no request waits for it."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final
from uuid import UUID

from kehu_chassis import timers
from kehu_chassis.clock import Clock
from kehu_chassis.database import Transaction
from kehu_chassis.timers import TimerHandler
from kehu_segmentation.membership.jobs import watch_windows
from kehu_segmentation.membership.service import lock_evaluations, recompute
from kehu_segmentation.segments import service

__all__ = ["publisher"]

SLICE: Final = 50_000
"""Changes of membership in one transaction: what bounds its memory and the time for which events wait."""


def publisher(clock: Clock) -> TimerHandler:
    """The handler of `segment.publication`."""

    async def publish(tx: Transaction, due_at: datetime, key: str, _payload: dict[str, Any]) -> None:
        await lock_evaluations(tx, alone=True)
        segment = await service.start_publication(tx, UUID(key))
        if segment is None:
            return
        # Not the moment of the request: events that were taken since have been judged at later moments.
        now = clock.now()
        if await recompute(tx, segment, at=now, at_most=SLICE) == SLICE:
            await timers.schedule(tx, due_at=due_at, kind=service.PUBLICATION, key=key)
            return
        await service.finish_publication(tx, segment, now=now)
        await watch_windows(tx, segment.segment_id, segment.rule, at=now)

    return publish
