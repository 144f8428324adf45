"""How success is credited. Pure: no I/O, no clock, no framework."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_FLOOR, Decimal
from typing import Final

__all__ = ["WHOLE", "shares"]

WHOLE: Final = Decimal(100)
_CENT: Final = Decimal("0.01")


def shares(counts: Sequence[int]) -> tuple[Decimal, ...]:
    """Percentages with two decimals that sum to exactly 100 (largest remainder); none when there is nothing to share.

    Ties go to the earlier count, so that the same counts always give the same shares.
    """
    total = sum(counts)
    if total == 0:
        return ()
    exact = [WHOLE * count / total for count in counts]
    floors = [value.quantize(_CENT, rounding=ROUND_FLOOR) for value in exact]
    missing = int((WHOLE - sum(floors)) / _CENT)
    by_remainder = sorted(range(len(counts)), key=lambda index: (floors[index] - exact[index], index))
    raised = set(by_remainder[:missing])
    return tuple(floor + _CENT if index in raised else floor for index, floor in enumerate(floors))
