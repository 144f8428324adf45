"""Answers about clocks."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import Field

from kehu_chassis.schemas import Id, Out
from kehu_complaints.clocks.model import EntryKind, Unit
from kehu_contracts.access import Permission

__all__ = ["ClockOut", "ClockReadingOut", "LedgerEntryOut", "OfferOut"]


class TextOut(Out):
    """A text in the languages of the console."""

    en: str
    zh: str


class LedgerEntryOut(Out):
    """One line of the append-only ledger that both clocks are computed from."""

    position: int
    kind: EntryKind
    at: datetime
    code: Annotated[str | None, Field(description="Which extension, or on which ground a pause")]
    recorded_at: datetime
    actor: str
    staff_id: Id | None


class RulesOut(Out):
    """Which version of which rules."""

    id: str
    version: int
    title: TextOut


class CalendarOut(RulesOut):
    """The working calendar that was used, and how far its facts reach."""

    first_day: date
    last_day: date


class OfferOut(Out):
    """Who may extend, and to what date."""

    code: str
    rule_id: str
    due_on: date | None
    due_at: datetime
    provisional: bool
    ready: Annotated[bool, Field(description="Whether the extension that has to come before it is in effect")]
    needs_approval: bool
    permission: Annotated[Permission | None, Field(description="What the approver needs")]
    needs_notice: bool
    who: TextOut
    words: TextOut


class PauseOut(Out):
    """Time that does not count."""

    began_at: datetime
    ended_at: datetime | None


class ClockReadingOut(Out):
    """One clock of the case at a moment."""

    clock: Literal["statutory", "internal"]
    pack: RulesOut
    calendar: CalendarOut
    rule_id: str
    rule: TextOut
    status: Literal["running", "paused", "stopped"]
    started_at: datetime
    unit: Unit
    limit: int
    used: Annotated[int, Field(description="In the unit of the limit; weeks are told in days")]
    due_on: date | None
    due_at: Annotated[datetime, Field(description="What is done at this moment or later is late")]
    provisional: bool
    overdue: bool
    stopped_at: datetime | None
    extensions: Annotated[list[str], Field(description="In effect")]
    awaiting_notice: Annotated[list[str], Field(description="Approved; they take effect when the complainant is told")]
    pauses: list[PauseOut]
    can_extend: list[OfferOut]
    review_until: Annotated[date | None, Field(description="Last day on which a review may be asked for")]
    words: Annotated[TextOut, Field(description="Day 9 of 15, the rule, the last moment")]


class ClockOut(Out):
    """The clocks of a case with the ledger that proves them; both are empty for what is no complaint."""

    complaint_id: Id
    complaint_number: str
    as_of: datetime
    clocks: list[ClockReadingOut]
    ledger: list[LedgerEntryOut]
