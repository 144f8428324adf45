"""SELECTs on clocks. A case's rows are read after the case itself, which the caller's scope has admitted."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from sqlalchemy import bindparam, or_, select

from kehu_chassis.database import Record, Transaction
from kehu_complaints.clocks.model import EntryKind, LedgerEntry
from kehu_complaints.clocks.tables import clock_entries, complaint_clocks

__all__ = ["as_entry", "clocks_of", "entries_of", "outdated_clocks"]

_ENTRIES: Final = (
    select(clock_entries)
    .where(clock_entries.c.complaint_id == bindparam("complaint_id"))
    .order_by(clock_entries.c.position)
)
_CLOCKS: Final = select(complaint_clocks).where(complaint_clocks.c.complaint_id == bindparam("complaint_id"))


async def entries_of(tx: Transaction, complaint_id: UUID) -> list[Record]:
    """The ledger of a case, in order."""
    return await tx.all(_ENTRIES, {"complaint_id": complaint_id})


async def clocks_of(tx: Transaction, complaint_id: UUID) -> dict[str, Record]:
    """The clocks of a case as they were last computed, by `statutory` and `internal`; none for what is no complaint."""
    return {row["clock"]: row for row in await tx.all(_CLOCKS, {"complaint_id": complaint_id})}


async def outdated_clocks(tx: Transaction, calendars: dict[str, int], limit: int) -> list[UUID]:
    """Cases with a provisional date that was computed with an older calendar than the given versions."""
    clock = complaint_clocks.c
    older = or_(
        *(
            (clock.calendar_id == calendar_id) & (clock.calendar_version < version)
            for calendar_id, version in calendars.items()
        )
    )
    found = (
        select(clock.complaint_id)
        .where(clock.provisional, clock.stopped_at.is_(None), older)
        .distinct()
        .order_by(clock.complaint_id)
        .limit(limit)
    )
    return [row["complaint_id"] for row in await tx.all(found)]


def as_entry(row: Record) -> LedgerEntry:
    """A stored line as the engine takes it."""
    return LedgerEntry(EntryKind(row["kind"]), row["at"], row["code"])
