"""What a regulator pack says and what a clock ledger holds. Plain values; `library` reads packs from files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import ClassVar, Literal

__all__ = ["Basis", "EntryKind", "Extension", "LedgerEntry", "Limit", "Pack", "PausePolicy", "ReviewPolicy", "Unit"]


class _Data:
    """Read from a file that people write: an unknown field is a mistake, not an extra."""

    __slots__ = ()
    __pydantic_config__: ClassVar = {"extra": "forbid"}


class Unit(StrEnum):
    """What a limit is counted in."""

    CALENDAR_DAYS = "calendar_days"
    BUSINESS_DAYS = "business_days"
    WEEKS = "weeks"
    MINUTES = "minutes"
    """Minutes of working time."""


class EntryKind(StrEnum):
    """What happened that a clock may care about. Each pack says what it makes of it."""

    RECEIVED = "received"
    PAUSED = "paused"
    RESUMED = "resumed"
    EXTENSION_GRANTED = "extension_granted"
    EXTENSION_NOTIFIED = "extension_notified"
    NOTIFIED = "notified"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"
    CLOSED = "closed"
    REOPENED = "reopened"
    REVIEW_REQUESTED = "review_requested"
    REVIEW_CONCLUDED = "review_concluded"


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One line of a complaint's clock ledger, in the order of `at`."""

    kind: EntryKind
    at: datetime
    code: str | None = None
    """Which extension, or on which basis a pause."""


@dataclass(frozen=True, slots=True)
class Limit(_Data):
    """So much time, under the rule that gives it."""

    rule_id: str
    unit: Unit
    amount: int
    words: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Extension(_Data):
    """A way to get more time, and what it takes."""

    code: str
    rule_id: str
    effect: Literal["total", "additional"]
    """Whether `amount` counts from the start or is added to what there was."""
    unit: Unit
    amount: int
    after: str | None
    """The extension that has to come first."""
    approval: bool
    """Whether a second person with the permission has to approve it."""
    notice: bool
    """Whether it takes effect only when the complainant has been told."""
    who: Mapping[str, str]
    words: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Basis(_Data):
    """A lawful ground for stopping the clock for a while."""

    code: str
    words: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class PausePolicy(_Data):
    """Whether time can be excluded. The day of the pause is; the day of resumption counts if so stated."""

    allowed: bool
    resume_day_counts: bool
    bases: tuple[Basis, ...]


@dataclass(frozen=True, slots=True)
class ReviewPolicy(_Data):
    """Until when the complainant may ask for a review 核查, and how long it may take."""

    request_within_days: int
    limit: Limit


@dataclass(frozen=True, slots=True)
class Pack(_Data):
    """A version of one clock's rules: a law's, or the bank's own."""

    id: str
    version: int
    clock: Literal["statutory", "internal"]
    title: Mapping[str, str]
    applies_from: date
    """Receipts from this date on fall under this version."""
    zone: str
    calendar: str
    receipt_day_counts: bool
    receipt_moves_to_business_day: bool
    """Whether a receipt on a day that is not worked is taken as one of the next day that is."""
    rolls_forward: bool
    """Whether a last day that is not worked moves to the next one that is."""
    last_day_ends: str
    base: Limit
    extensions: tuple[Extension, ...]
    pause: PausePolicy
    stops_on: frozenset[EntryKind]
    on_reopening: Literal["restart", "continue"]
    review: ReviewPolicy | None

    def extension(self, code: str) -> Extension | None:
        """The extension of that code, if the pack has it."""
        return next((extension for extension in self.extensions if extension.code == code), None)
