"""The decision gate: ordered rules, each with one reason code. Pure: no I/O, no clock, no framework."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from kehu_contracts.codes import DecisionOutcome

__all__ = [
    "BUCKETS",
    "RULES",
    "Contact",
    "Facts",
    "QuietHours",
    "Reason",
    "Verdict",
    "bucket_of",
    "decide",
    "is_duplicate",
    "is_minor",
    "may_be_minor",
    "needs_resolution",
]

BUCKETS: Final = 10_000
"""A holdout is given in basis points: one bucket each."""

ADULT_AGE: Final = 18


class Reason(StrEnum):
    """Why: exactly one per decision, the first rule that applies."""

    MERGED_DUPLICATE = "merged_duplicate"
    DECEASED = "deceased"
    RELATIONSHIP_CLOSED = "relationship_closed"
    MINOR = "minor"
    HOLDOUT = "holdout"
    NO_CONSENT = "no_consent"
    OPEN_COMPLAINT = "open_complaint"
    FREQUENCY_CAP = "frequency_cap"
    QUIET_HOURS = "quiet_hours"
    CONTACT_UNAVAILABLE = "contact_unavailable"
    CAMPAIGN_FINISHED = "campaign_finished"
    ALLOWED = "allowed"


@dataclass(frozen=True, slots=True)
class Facts:
    """What is true of one customer at the moment of the decision, the merged profiles of the same party together."""

    merged_duplicate: bool
    deceased: bool
    closed: bool
    minor: bool
    held_out: bool
    consents: bool
    open_complaint: bool
    contacts_in_window: int
    quiet_until: datetime | None
    reachable: bool


@dataclass(frozen=True, slots=True)
class Contact:
    """What somebody wants to do: the same for every customer that is asked about."""

    marketing: bool
    frequency_cap: int
    not_after: datetime | None
    """When the campaign ends: a deferral beyond it would never be decided."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The gate's answer. `not_before` is set when it is deferred."""

    outcome: DecisionOutcome
    reason: Reason
    not_before: datetime | None = None


RULES: Final[tuple[tuple[Reason, Callable[[Facts, Contact], bool]], ...]] = (
    (Reason.MERGED_DUPLICATE, lambda facts, _: facts.merged_duplicate),
    (Reason.DECEASED, lambda facts, _: facts.deceased),
    (Reason.RELATIONSHIP_CLOSED, lambda facts, _: facts.closed),
    (Reason.MINOR, lambda facts, contact: contact.marketing and facts.minor),
    (Reason.HOLDOUT, lambda facts, _: facts.held_out),
    (Reason.NO_CONSENT, lambda facts, _: not facts.consents),
    (Reason.OPEN_COMPLAINT, lambda facts, contact: contact.marketing and facts.open_complaint),
    (
        Reason.FREQUENCY_CAP,
        lambda facts, contact: contact.marketing and facts.contacts_in_window >= contact.frequency_cap,
    ),
    (Reason.QUIET_HOURS, lambda facts, _: facts.quiet_until is not None),
    (Reason.CONTACT_UNAVAILABLE, lambda facts, _: not facts.reachable),
)
"""In the order in which they are asked. A rule that rests on what never changes stands before one that may pass."""


def decide(facts: Facts, contact: Contact) -> Verdict:
    """Decide about one contact: the first rule that applies gives the reason, none gives `allowed`.

    Quiet hours defer; they refuse only when the campaign is over before they are.
    """
    for reason, applies in RULES:
        if applies(facts, contact):
            return (
                _deferral(facts, contact) if reason is Reason.QUIET_HOURS else Verdict(DecisionOutcome.REFUSED, reason)
            )
    return Verdict(DecisionOutcome.ALLOWED, Reason.ALLOWED)


def _deferral(facts: Facts, contact: Contact) -> Verdict:
    over = facts.quiet_until
    if over is None or (contact.not_after is not None and over >= contact.not_after):
        return Verdict(DecisionOutcome.REFUSED, Reason.QUIET_HOURS)
    return Verdict(DecisionOutcome.DEFERRED, Reason.QUIET_HOURS, over)


def needs_resolution(verdict: Verdict) -> bool:
    """Whether the verdict waits for the customer service's word on consent and reachability.

    What rests on rules before consent does not; nor does a deferral, since everything is asked again when it is over.
    """
    return verdict.outcome is not DecisionOutcome.DEFERRED and verdict.reason not in _BEFORE_CONSENT


_BEFORE_CONSENT: Final = frozenset(
    reason for reason, _ in RULES[: [reason for reason, _ in RULES].index(Reason.NO_CONSENT)]
)


def bucket_of(salt: str, customer_id: UUID) -> int:
    """The bucket (0 to 9,999) of a party: a hash, so the same after any restart. Ask with the surviving customer's id."""
    digest = hashlib.sha256(f"{salt}:{customer_id}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % BUCKETS


def is_minor(birth_year: int | None, today_year: int) -> bool:
    """Whether a person of that year of birth is certainly under 18 this whole year."""
    return birth_year is not None and today_year - birth_year < ADULT_AGE


def may_be_minor(birth_year: int | None, today_year: int) -> bool:
    """Whether a person of that year of birth may be under 18 this year.

    Only the year is known outside the customer service. Where it is not asked, the year in which somebody comes of age
    still counts as minority.
    """
    return birth_year is not None and today_year - birth_year <= ADULT_AGE


def is_duplicate(member: UUID, survivor: UUID, group: Mapping[UUID, Reason | None]) -> bool:
    """Whether another member of the audience already stands for the same party.

    Args:
        member: the member that is to be decided.
        survivor: the customer that it is merged into, itself when it is not merged.
        group: every member of the audience with that survivor, with the reason of its decision, None while undecided.
    """
    others = {other: reason for other, reason in group.items() if other != member}
    if any(reason not in {None, Reason.MERGED_DUPLICATE} for reason in others.values()):
        return True
    waiting = [member, *(other for other, reason in others.items() if reason is None)]
    return member != min(waiting, key=lambda candidate: (candidate != survivor, candidate))


@dataclass(frozen=True, slots=True)
class QuietHours:
    """Hours of the day in which nobody is contacted; `start` equal to `end` means none. They may span midnight."""

    start: time
    end: time
    zone: ZoneInfo

    def until(self, moment: datetime) -> datetime | None:
        """When the quiet hours that the moment lies in are over, in the moment's own zone; None outside them."""
        local = moment.astimezone(self.zone)
        if not self._covers(local.time()):
            return None
        day = local.date() if local.time() < self.end else local.date() + timedelta(days=1)
        return datetime.combine(day, self.end, tzinfo=self.zone).astimezone(moment.tzinfo)

    def _covers(self, clock: time) -> bool:
        if self.start <= self.end:
            return self.start <= clock < self.end
        return clock >= self.start or clock < self.end
