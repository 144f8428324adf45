"""When an extension may be asked for, approved and told. Pure decisions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from kehu_complaints.clocks.model import Extension
from kehu_complaints.clocks.rules import Clock, Offer, Status, is_overdue

__all__ = ["ExtensionRefused", "Reason", "RequestState", "check_request", "check_time_left", "is_same_person"]


class RequestState(StrEnum):
    """How far an extension has come. Only one in effect moves a due date."""

    REQUESTED = "requested"
    APPROVED = "approved"
    """The complainant has still to be told."""
    REFUSED = "refused"
    IN_EFFECT = "in_effect"


class Reason(StrEnum):
    """Why an extension cannot be had."""

    NO_CLOCK = "no_clock"
    STOPPED = "stopped"
    TOO_LATE = "too_late"
    ALREADY_USED = "already_used"
    OUT_OF_TURN = "out_of_turn"
    IN_REVIEW = "in_review"
    PENDING = "pending"
    NOT_PENDING = "not_pending"


class ExtensionRefused(Exception):
    """The extension cannot be had, for one reason."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.value)
        self.reason = reason


def check_request(
    clock: Clock, extension: Extension, offered: Sequence[Offer], at: datetime, pending: Sequence[str]
) -> None:
    """Whether this extension may be asked for at that moment, when these are offered and those are pending.

    Raises:
        ExtensionRefused: it may not.
    """
    check_time_left(clock, at)
    if extension.code in clock.extensions:
        raise ExtensionRefused(Reason.ALREADY_USED)
    if extension.code in pending:
        raise ExtensionRefused(Reason.PENDING)
    if not offered:
        raise ExtensionRefused(Reason.IN_REVIEW)
    offer = next((offer for offer in offered if offer.extension.code == extension.code), None)
    if offer is None or not offer.ready:
        raise ExtensionRefused(Reason.OUT_OF_TURN)


def check_time_left(clock: Clock, at: datetime) -> None:
    """An extension takes effect only while the clock has time left.

    Raises:
        ExtensionRefused: it was stopped, or has run out.
    """
    if clock.status is Status.STOPPED:
        raise ExtensionRefused(Reason.STOPPED)
    if is_overdue(clock, at):
        raise ExtensionRefused(Reason.TOO_LATE)


def is_same_person(subject: str, staff_id: UUID | None, other_subject: str, other_staff_id: UUID | None) -> bool:
    """Whether two log-ins are one person: who asks does not approve."""
    return subject == other_subject or (staff_id is not None and staff_id == other_staff_id)
