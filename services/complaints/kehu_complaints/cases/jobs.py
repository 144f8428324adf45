"""What is done to cases when its time has come."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Any, Final
from uuid import UUID

from sqlalchemy import bindparam, update

from kehu_chassis import timers
from kehu_chassis.database import Transaction
from kehu_chassis.definition import Runtime
from kehu_chassis.rotation import REWRAP, rewrapper
from kehu_chassis.timers import TimerHandler
from kehu_complaints.cases import queries, service
from kehu_complaints.cases.tables import complaints
from kehu_complaints.clocks import queries as clock_queries
from kehu_complaints.clocks import service as clocks
from kehu_complaints.clocks.service import OVERDUE_TIMER, Author, CaseRef
from kehu_complaints.clocks.tables import complaint_clocks
from kehu_complaints.deps import CALENDAR_TIMER, Desk, Office

__all__ = ["mark_overdue", "refresh_provisional", "timer_handlers"]

SLICE: Final = 100
WORKER: Final = "worker:timers"
_MARK: Final = (
    update(complaint_clocks)
    .where(
        complaint_clocks.c.complaint_id == bindparam("case"),
        complaint_clocks.c.clock == bindparam("name"),
        complaint_clocks.c.status == "running",
        ~complaint_clocks.c.overdue,
        complaint_clocks.c.due_at <= bindparam("moment"),
    )
    .values(overdue=True)
    .returning(complaint_clocks.c.rule_id)
)


async def mark_overdue(tx: Transaction, office: Office, due_at: datetime, key: str) -> None:
    """A clock has run out: the case is marked and its history says so, once."""
    complaint, _, name = key.partition("/")
    case = await queries.lock_case(tx, UUID(complaint))
    if case is None:
        return
    marked = await tx.first(_MARK, {"case": case["complaint_id"], "name": name, "moment": due_at})
    if marked is None:
        return
    details = {"clock": name, "rule_id": marked["rule_id"]}
    await service.add_line(
        Desk(tx, office, due_at),
        case,
        service.NewLine("overdue", due_at, Author(WORKER, None, due_at), details=details),
    )


async def refresh_provisional(tx: Transaction, office: Office, due_at: datetime, key: str) -> None:
    """A calendar with more years is here: provisional dates of open cases are computed again, a slice at a time."""
    found = await clock_queries.outdated_clocks(tx, office.rulebook.library.newest_calendars(), SLICE)
    for complaint_id in found:
        case = await queries.lock_case(tx, complaint_id)
        if case is None:
            continue
        readings = await clocks.recompute(tx, office.rulebook, CaseRef.of(case), due_at)
        changes = {"queue_at": service.queue_place(readings)}
        line = service.NewLine("deadline_recomputed", due_at, Author(WORKER, None, due_at), changes=changes)
        await service.add_line(Desk(tx, office, due_at), case, line)
    if len(found) == SLICE:
        await timers.schedule(tx, due_at=due_at, kind=CALENDAR_TIMER, key=key)


def timer_handlers(runtime: Runtime) -> Mapping[str, TimerHandler]:
    """What the worker does when a timer of this service is due."""

    async def run(work: Any, tx: Transaction, due_at: datetime, key: str, _payload: dict[str, Any]) -> None:
        await work(tx, runtime.resources, due_at, key)

    return {
        OVERDUE_TIMER: partial(run, mark_overdue),
        CALENDAR_TIMER: partial(run, refresh_provisional),
        REWRAP: rewrapper(runtime.resources.ring, complaints),
    }
