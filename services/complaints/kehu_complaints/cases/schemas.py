"""Requests and answers about cases."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field

from kehu_chassis.schemas import CodeText, Id, In, Moment, Narrative, Out
from kehu_complaints.cases.data import OTHER
from kehu_complaints.cases.rules import Kind
from kehu_contracts.codes import Channel, ComplaintAction, ComplaintState

__all__ = [
    "AcceptanceIn",
    "CategoryListOut",
    "CategoryOut",
    "ComplaintChangeIn",
    "ComplaintIn",
    "ComplaintOut",
    "ComplaintSummaryOut",
    "CustomerComplaintsOut",
    "DecisionIn",
    "HistoryEntryOut",
    "NotificationIn",
    "PauseIn",
    "ReopeningIn",
    "ReviewConclusionIn",
    "ReviewRequestIn",
    "StepIn",
    "WordsOut",
]

OccurredAt = Annotated[
    Moment | None,
    Field(description="When it happened, if not just now: not in the future, not before the last entry of the ledger"),
]


class ComplaintIn(In):
    """A complaint, enquiry or suggestion as it came in."""

    kind: Kind = Kind.COMPLAINT
    channel: Channel
    category: Annotated[CodeText, Field(description="A code of GET /api/v1/complaint-categories")] = OTHER
    customer_id: UUID | None = None
    unit_id: Annotated[
        UUID | None, Field(description="Who handles it; by default the customer's owning unit, else the caller's own")
    ] = None
    narrative: Annotated[Narrative, Field(description="What the complainant says; kept encrypted")]
    received_at: Annotated[Moment | None, Field(description="When the bank received it, if not just now")] = None
    accused_staff_id: Annotated[UUID | None, Field(description="Whom it is about; kept from the case")] = None


class StepIn(In):
    """A step in the handling of a case."""

    occurred_at: OccurredAt = None
    note: Annotated[Narrative | None, Field(description="Kept encrypted")] = None


class AcceptanceIn(StepIn):
    """The bank takes the complaint on."""

    handler_id: Annotated[UUID | None, Field(description="Member of staff who handles it; by default the caller")] = (
        None
    )


class PauseIn(StepIn):
    """The clock is to stand still, on a ground that the regulator's pack allows."""

    basis: Annotated[CodeText, Field(description="e.g. external_appraisal; a complaint's pack lists what is allowed")]


class DecisionIn(StepIn):
    """What the bank decided. The complainant has still to be told."""

    outcome: Literal["upheld", "partly_upheld", "not_upheld"]


class NotificationIn(StepIn):
    """The complainant was told: the statutory clock stops."""

    channel: Channel


class ReviewRequestIn(StepIn):
    """The complainant asks the superior institution for a review 核查."""

    note: Annotated[Narrative, Field(description="Why; kept encrypted")]


class ReviewConclusionIn(StepIn):
    """What the review found."""

    outcome: Literal["confirmed", "changed"]


class ReopeningIn(StepIn):
    """New facts: the case is investigated again, and the statutory clock starts anew."""

    note: Annotated[Narrative, Field(description="The new facts; kept encrypted")]


class ComplaintChangeIn(In):
    """What may be corrected about a case. Fields that are left out stay as they are."""

    category: CodeText | None = None
    handler_id: UUID | None = None
    accused_staff_id: UUID | None = None


class WordsOut(Out):
    """A text in the languages of the console."""

    en: str
    zh: str


class DeadlineOut(Out):
    """A clock of the case in short; GET …/clock tells the rest."""

    rule_id: str
    status: Literal["running", "paused", "stopped"]
    due_on: Annotated[date | None, Field(description="The last day, where days are counted")]
    due_at: Annotated[datetime, Field(description="What is done at this moment or later is late")]
    provisional: bool
    overdue: bool


class ComplaintSummaryOut(Out):
    """A case without what was said in it."""

    complaint_id: Id
    complaint_number: str
    kind: Kind
    state: ComplaintState
    channel: Channel
    category: str
    customer_id: Annotated[Id | None, Field(description="As the complaint came in, before any merge")]
    unit_id: Id
    handler_id: Id | None
    received_at: datetime
    open: Annotated[bool, Field(description="Whether marketing to the customer has to stop")]
    overdue: Annotated[bool, Field(description="Whether the statutory clock ran out before the complainant was told")]
    statutory: DeadlineOut | None
    internal: DeadlineOut | None


class ComplaintOut(ComplaintSummaryOut):
    """A case."""

    narrative: Annotated[str | None, Field(description="Withheld from the person complained about")]
    accused_staff_id: Id | None
    outcome: Literal["upheld", "partly_upheld", "not_upheld"] | None
    possible_actions: list[ComplaintAction]
    changed_at: datetime
    version: int


class HistoryEntryOut(Out):
    """One line of a case's history."""

    position: int
    event: Annotated[
        str, Field(description="An action, or received, changed, overdue, extension_…, deadline_recomputed")
    ]
    from_state: ComplaintState | None
    to_state: ComplaintState | None
    at: datetime
    recorded_at: datetime
    actor: str
    staff_id: Id | None
    details: dict[str, Any]
    note: str | None


class CustomerComplaintsOut(Out):
    """A customer's cases for the 360, those of merged records included."""

    items: list[ComplaintSummaryOut]
    next_cursor: str | None
    open_count: int


class CategoryOut(Out):
    """What a complaint may be about."""

    code: str
    title: WordsOut


class CategoryListOut(Out):
    """All categories; the list is short and has one page."""

    items: list[CategoryOut]
    next_cursor: str | None
