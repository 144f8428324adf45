"""When a party may be erased. Pure: time and facts are arguments."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Final

__all__ = ["RETENTION_YEARS", "Relationship", "kept_until"]

RETENTION_YEARS: Final = 10
"""Anti-Money-Laundering Law of 2024, Art. 34: ten years after the business relationship has ended."""


@dataclass(frozen=True, slots=True)
class Relationship:
    """What ties a party to the bank: whether it has open accounts, and when the last of the others was closed."""

    has_open_accounts: bool
    last_closed_on: date | None


def kept_until(relationship: Relationship) -> date | None:
    """The first day on which the law lets the party go; None for a prospect, who was never tied. Today is not asked."""
    if relationship.has_open_accounts:
        return date.max
    if relationship.last_closed_on is None:
        return None
    ended = relationship.last_closed_on
    # A relationship that ended on 29 February is kept to the 1 March of a year without that day.
    leap = ended.month == 2 and ended.day == 29
    return ended.replace(year=ended.year + RETENTION_YEARS, **({"month": 3, "day": 1} if leap else {}))
