"""Who stands in which tier: by the average of the month's assets, up at once, down only after months below. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from kehu_contracts.codes import Tier

__all__ = ["Scheme", "Standing", "TierTerms", "assess", "reached", "read_scheme"]


@dataclass(frozen=True, slots=True)
class TierTerms:
    """One tier: the monthly average from which it is reached, and the consecutive months below after which it is lost."""

    tier: Tier
    threshold: Decimal
    months_below: int | None
    """None for the lowest tier, which nobody loses."""


@dataclass(frozen=True, slots=True)
class Scheme:
    """Tiers from the lowest to the highest; the lowest is everybody's."""

    version: int
    tiers: tuple[TierTerms, ...]

    def rank(self, tier: Tier) -> int:
        """The place of a tier from below."""
        return next(index for index, terms in enumerate(self.tiers) if terms.tier is tier)


@dataclass(frozen=True, slots=True)
class Standing:
    """A customer's tier, and for how many months in a row the average has been below it: above 0 they are on watch."""

    tier: Tier
    months_below: int


def read_scheme(version: int, document: Sequence[dict[str, Any]]) -> Scheme:
    """A scheme from its stored form.

    Raises:
        ValueError: the thresholds do not rise, or the lowest tier can be lost.
    """
    tiers = tuple(TierTerms(Tier(row["tier"]), Decimal(row["from"]), row["months_below"]) for row in document)
    thresholds = [terms.threshold for terms in tiers]
    if thresholds != sorted(set(thresholds)):
        raise ValueError("the thresholds of a tier scheme rise from tier to tier")
    if tiers[0].months_below is not None or any(terms.months_below is None for terms in tiers[1:]):
        raise ValueError("every tier but the lowest says after how many months it is lost")
    return Scheme(version, tiers)


def reached(scheme: Scheme, average: Decimal) -> Tier:
    """The highest tier whose threshold an average reaches; the lowest when it reaches none."""
    return next((terms.tier for terms in reversed(scheme.tiers) if average >= terms.threshold), scheme.tiers[0].tier)


def assess(scheme: Scheme, standing: Standing | None, average: Decimal) -> Standing:
    """Where a customer stands after a month with this average.

    The first month gives the tier it reaches. A higher tier is given as soon as one month reaches it. Below the tier
    the customer is on watch, and keeps it until the tier's number of months in a row has passed; then the last month's
    tier holds. One month at or above the tier ends the watch.
    """
    now = reached(scheme, average)
    if standing is None or scheme.rank(now) >= scheme.rank(standing.tier):
        return Standing(now, 0)
    months_below = standing.months_below + 1
    patience = scheme.tiers[scheme.rank(standing.tier)].months_below
    if patience is not None and months_below >= patience:
        return Standing(now, 0)
    return Standing(standing.tier, months_below)
