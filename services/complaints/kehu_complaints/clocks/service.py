"""Clocks of a case: started at receipt, moved by entries, recomputed whole each time, told when a due date has moved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import bindparam
from sqlalchemy.dialects.postgresql import insert

from kehu_chassis import outbox, timers
from kehu_chassis.auth import Principal
from kehu_chassis.database import Record, Transaction
from kehu_complaints.clocks import queries
from kehu_complaints.clocks.library import Rulebook
from kehu_complaints.clocks.model import EntryKind, LedgerEntry, Pack
from kehu_complaints.clocks.rules import Clock, Status, evaluate, is_overdue
from kehu_complaints.clocks.tables import clock_entries, complaint_clocks
from kehu_complaints.problems import wrong_field
from kehu_contracts.complaint import ComplaintDeadlineChanged

__all__ = [
    "OVERDUE_TIMER",
    "Author",
    "CaseRef",
    "Reading",
    "add_entry",
    "read_clock",
    "recompute",
    "start_clocks",
    "timer_key",
]

OVERDUE_TIMER: Final = "complaints.overdue"


@dataclass(frozen=True, slots=True)
class CaseRef:
    """What a clock's events say of its case."""

    complaint_id: UUID
    complaint_number: str
    customer_id: UUID | None

    @classmethod
    def of(cls, case: Record) -> CaseRef:
        """The reference of a row of `complaints`."""
        return cls(case["complaint_id"], case["complaint_number"], case["customer_id"])


@dataclass(frozen=True, slots=True)
class Author:
    """Who writes an entry, and when."""

    actor: str
    staff_id: UUID | None
    now: datetime

    @classmethod
    def of(cls, principal: Principal, now: datetime) -> Author:
        """A principal who acts at that moment."""
        return cls(principal.subject, principal.staff_id, now)


@dataclass(frozen=True, slots=True)
class Reading:
    """One clock of a case, computed from its ledger."""

    pack: Pack
    clock: Clock
    calendar_version: int


_ADD_ENTRY: Final = clock_entries.insert()
_PUT: Final = insert(complaint_clocks).values(
    {column.name: bindparam(column.name, type_=column.type) for column in complaint_clocks.columns}
)
_PUT_CLOCK: Final = _PUT.on_conflict_do_update(
    index_elements=[complaint_clocks.c.complaint_id, complaint_clocks.c.clock],
    set_={column.name: _PUT.excluded[column.name] for column in complaint_clocks.columns if not column.primary_key},
)


def timer_key(complaint_id: UUID, clock: str) -> str:
    """The key of the timer that tells when a clock of a case has run out."""
    return f"{complaint_id}/{clock}"


async def start_clocks(
    tx: Transaction, rulebook: Rulebook, case: CaseRef, received_at: datetime, author: Author
) -> dict[str, Reading]:
    """Open the ledger with the receipt, under the versions of the packs that hold on that day."""
    entry = LedgerEntry(EntryKind.RECEIVED, received_at)
    await _write(tx, case, 1, entry, author)
    return await _compute(tx, rulebook, case, [entry], rulebook.packs_at(received_at), {}, author.now)


async def add_entry(
    tx: Transaction, rulebook: Rulebook, case: CaseRef, entry: LedgerEntry, author: Author
) -> dict[str, Reading]:
    """Append to the ledger and compute both clocks anew. The case's row is locked by the caller.

    Raises:
        ValidationProblem: the entry lies before the last one.
    """
    rows = await queries.entries_of(tx, case.complaint_id)
    if entry.at < rows[-1]["at"]:
        raise wrong_field(
            "/occurred_at",
            "before_last_entry",
            "Lies before the last entry of the clock ledger",
            "早于时限台账中的最后一条记录",
        )
    await _write(tx, case, len(rows) + 1, entry, author)
    ledger = [*map(queries.as_entry, rows), entry]
    standing = await queries.clocks_of(tx, case.complaint_id)
    return await _compute(tx, rulebook, case, ledger, _packs(rulebook, standing), standing, author.now)


async def recompute(tx: Transaction, rulebook: Rulebook, case: CaseRef, now: datetime) -> dict[str, Reading]:
    """Compute both clocks anew from the ledger, with the newest calendar."""
    ledger = [queries.as_entry(row) for row in await queries.entries_of(tx, case.complaint_id)]
    standing = await queries.clocks_of(tx, case.complaint_id)
    return await _compute(tx, rulebook, case, ledger, _packs(rulebook, standing), standing, now)


def read_clock(rulebook: Rulebook, standing: Record, ledger: Sequence[LedgerEntry]) -> Reading:
    """One clock of a case, computed with the pack version of its receipt."""
    return _read(rulebook, rulebook.library.pack(standing["pack_id"], standing["pack_version"]), ledger)


def _packs(rulebook: Rulebook, standing: Mapping[str, Record]) -> tuple[Pack, ...]:
    return tuple(rulebook.library.pack(row["pack_id"], row["pack_version"]) for row in standing.values())


def _read(rulebook: Rulebook, pack: Pack, ledger: Sequence[LedgerEntry]) -> Reading:
    calendar = rulebook.library.latest_calendar(pack.calendar)
    return Reading(pack, evaluate(ledger, pack, calendar), calendar.version)


async def _write(tx: Transaction, case: CaseRef, position: int, entry: LedgerEntry, author: Author) -> None:
    await tx.execute(
        _ADD_ENTRY,
        {
            "complaint_id": case.complaint_id,
            "position": position,
            "kind": entry.kind,
            "at": entry.at,
            "code": entry.code,
            "recorded_at": author.now,
            "actor": author.actor,
            "staff_id": author.staff_id,
        },
    )


async def _compute(  # noqa: PLR0913, PLR0917 - Ledger, rules and what stood before are what a computation takes.
    tx: Transaction,
    rulebook: Rulebook,
    case: CaseRef,
    ledger: Sequence[LedgerEntry],
    packs: Sequence[Pack],
    before: Mapping[str, Record],
    now: datetime,
) -> dict[str, Reading]:
    readings: dict[str, Reading] = {pack.clock: _read(rulebook, pack, ledger) for pack in packs}
    await tx.execute_many(
        _PUT_CLOCK, [_row(case, reading, before.get(name), now) for name, reading in readings.items()]
    )
    for name, reading in readings.items():
        await _set_timer(tx, case, reading, before.get(name), now)
        if _moved(before.get(name), reading.clock):
            outbox.add(tx, _event(case, reading), at=now)
    return readings


def _row(case: CaseRef, reading: Reading, before: Record | None, now: datetime) -> dict[str, Any]:
    clock, pack = reading.clock, reading.pack
    # While it runs a clock is marked by its timer alone, so that this is written into the history exactly once.
    marked = clock.status is Status.STOPPED or (before is not None and before["overdue"])
    return {
        "complaint_id": case.complaint_id,
        "clock": pack.clock,
        "pack_id": pack.id,
        "pack_version": pack.version,
        "calendar_id": pack.calendar,
        "calendar_version": reading.calendar_version,
        "rule_id": clock.limit.rule_id,
        "status": clock.status,
        "due_at": clock.deadline.due_at,
        "due_on": clock.deadline.due_on,
        "provisional": clock.deadline.provisional,
        "stopped_at": clock.stopped_at,
        "overdue": marked and is_overdue(clock, now),
    }


async def _set_timer(tx: Transaction, case: CaseRef, reading: Reading, before: Record | None, now: datetime) -> None:
    key = timer_key(case.complaint_id, reading.pack.clock)
    # A clock that had run out before, and still has, was told of already.
    told = before is not None and before["overdue"] and is_overdue(reading.clock, now)
    if reading.clock.status is Status.RUNNING and not told:
        await timers.schedule(tx, due_at=reading.clock.deadline.due_at, kind=OVERDUE_TIMER, key=key)
    else:
        await timers.cancel(tx, OVERDUE_TIMER, key)


def _moved(before: Record | None, clock: Clock) -> bool:
    deadline = clock.deadline
    return before is None or (before["due_at"], before["rule_id"], before["provisional"]) != (
        deadline.due_at,
        clock.limit.rule_id,
        deadline.provisional,
    )


def _event(case: CaseRef, reading: Reading) -> ComplaintDeadlineChanged:
    deadline = reading.clock.deadline
    return ComplaintDeadlineChanged(
        complaint_id=case.complaint_id,
        complaint_number=case.complaint_number,
        customer_id=case.customer_id,
        clock=reading.pack.clock,
        rule_id=reading.clock.limit.rule_id,
        due_on=deadline.due_on,
        due_at=deadline.due_at,
        provisional=deadline.provisional,
    )
