"""How one ownership follows another: at any moment exactly one owning unit and at most one primary RM. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

__all__ = ["Interval", "Succession", "owner_at", "succeed"]


@dataclass(frozen=True, slots=True)
class Interval:
    """Who owned a customer, from (included) until (excluded; None while it lasts)."""

    unit_id: UUID
    primary_rm_id: UUID | None
    valid_from: datetime
    valid_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Succession:
    """What a change of owner writes. `closed` is the interval that ends, `corrected` one whose owner is replaced."""

    closed: Interval | None
    corrected: Interval | None
    opened: Interval | None


def succeed(standing: Interval, unit_id: UUID, primary_rm_id: UUID | None, at: datetime) -> Succession | None:
    """The new owner takes over at `at`, or None when nothing changes.

    A moment that is not after the standing interval's begin corrects that interval: an interval has a length, and
    a history that is already written does not move.
    """
    if (standing.unit_id, standing.primary_rm_id) == (unit_id, primary_rm_id):
        return None
    if at <= standing.valid_from:
        return Succession(None, replace(standing, unit_id=unit_id, primary_rm_id=primary_rm_id), None)
    return Succession(replace(standing, valid_until=at), None, Interval(unit_id, primary_rm_id, at))


def owner_at(history: list[Interval], moment: datetime) -> Interval | None:
    """Who owned the customer at `moment`; None before the first interval."""
    for interval in history:
        if interval.valid_from <= moment and (interval.valid_until is None or moment < interval.valid_until):
            return interval
    return None
