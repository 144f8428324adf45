"""`kehu.complaint.v1`: the life of a complaint. The narrative never leaves the complaints service."""

from __future__ import annotations

from datetime import date
from typing import ClassVar, Literal
from uuid import UUID

from kehu_contracts.base import Event, Instant
from kehu_contracts.codes import Channel, ComplaintAction, ComplaintState

__all__ = ["ComplaintDeadlineChanged", "ComplaintReceived", "ComplaintStateChanged"]


class _ComplaintEvent(Event):
    complaint_id: UUID
    complaint_number: str
    customer_id: UUID | None

    def subject_id(self) -> UUID:
        """The complaint."""
        return self.complaint_id

    def key_id(self) -> UUID:
        """The customer, so that all of one customer's complaints stand in one partition."""
        return self.customer_id or self.complaint_id


class ComplaintReceived(_ComplaintEvent):
    """A complaint, enquiry or suggestion came in."""

    event_type: ClassVar[str] = "kehu.complaint.received"
    topic: ClassVar[str] = "kehu.complaint.v1"

    kind: Literal["complaint", "enquiry", "suggestion"]
    channel: Channel
    category: str
    unit_id: UUID
    received_at: Instant
    open: bool
    """Whether marketing to the customer has to stop."""


class ComplaintStateChanged(_ComplaintEvent):
    """A complaint moved from one state to another."""

    event_type: ClassVar[str] = "kehu.complaint.state_changed"
    topic: ClassVar[str] = "kehu.complaint.v1"

    action: ComplaintAction
    from_state: ComplaintState
    to_state: ComplaintState
    changed_at: Instant
    open: bool
    """Whether marketing to the customer has to stop."""


class ComplaintDeadlineChanged(_ComplaintEvent):
    """The clock ledger got an entry that moved a due date."""

    event_type: ClassVar[str] = "kehu.complaint.deadline_changed"
    topic: ClassVar[str] = "kehu.complaint.v1"

    clock: Literal["statutory", "internal"]
    rule_id: str
    due_on: date | None
    due_at: Instant
    provisional: bool
