"""How the Berka files are to be read: dates, birth numbers, and the order of movements within a day. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import date
from decimal import Decimal
from typing import Any, Final, Literal, TypeVar

__all__ = ["TOLERANCE", "day_orders", "read_birth_number", "read_day", "within_days"]

TOLERANCE: Final = Decimal("0.1")
"""By how much a balance may differ from the one before and the amount: the files are rounded."""

_DAY: Final = re.compile(r"(\d{6})(?: 00:00:00)?", re.ASCII)
_BIRTH_NUMBER: Final = re.compile(r"(\d{2})(\d{2})(\d{2})", re.ASCII)

Movement = TypeVar("Movement")


def read_day(text: Any) -> date:
    """A date written as YYMMDD, of the twentieth century; a card's has a midnight behind it."""
    found = _DAY.fullmatch(text)
    if found is None:
        raise ValueError("a date is six digits, YYMMDD")
    digits = found[1]
    return date(1900 + int(digits[:2]), int(digits[2:4]), int(digits[4:]))


def read_birth_number(text: Any) -> tuple[date, Literal["female", "male"]]:
    """Date of birth and sex of a birth number YYMMDD: women have 50 added to the month."""
    found = _BIRTH_NUMBER.fullmatch(text)
    if found is None:
        raise ValueError("a birth number is six digits")
    year, month, day = (int(part) for part in found.groups())
    return date(1900 + year, month - 50 if month > 50 else month, day), "female" if month > 50 else "male"


def day_orders(
    movements: Sequence[Movement],
    *,
    change: Callable[[Movement], Decimal],
    balance: Callable[[Movement], Decimal],
    opening: Decimal | None,
) -> dict[Decimal, tuple[Movement, ...]]:
    """The orders of one day's movements in which each balance follows from the one before it.

    One order for each balance that the day can end with; none when the day cannot follow. Without `opening` the day may
    begin with any of its movements.
    """
    # What has been placed (a set of bits) with the last of it: enough to go on, however the others were ordered.
    reached: dict[tuple[int, int], tuple[int, ...]] = {}
    for place, movement in enumerate(movements):
        if opening is None or _follows(opening, change(movement), balance(movement)):
            reached[1 << place, place] = (place,)
    for _ in range(len(movements) - 1):
        further: dict[tuple[int, int], tuple[int, ...]] = {}
        for (placed, last), order in reached.items():
            for place, movement in enumerate(movements):
                if not placed & 1 << place and _follows(balance(movements[last]), change(movement), balance(movement)):
                    further.setdefault((placed | 1 << place, place), (*order, place))
        reached = further
    orders = {balance(movements[last]): order for (_, last), order in sorted(reached.items(), reverse=True)}
    return {end: tuple(movements[place] for place in order) for end, order in orders.items()}


def _follows(before: Decimal, change: Decimal, after: Decimal) -> bool:
    return abs(before + change - after) <= TOLERANCE


def within_days(
    days: Sequence[Sequence[Movement]],
    *,
    change: Callable[[Movement], Decimal],
    balance: Callable[[Movement], Decimal],
) -> tuple[list[Movement], int]:
    """An account's movements, day by day, in an order in which the balances chain; and how many days do not chain.

    The account begins empty where its first day says so. A day that cannot follow keeps the order of the file, and the
    chain begins anew behind it.
    """
    broken = 0
    # For each balance that an order of the days so far can end with: that order.
    standing: dict[Decimal | None, list[Sequence[Movement]]] = {Decimal(0): []}
    for number, day in enumerate(days):
        following = _follow(day, standing, change=change, balance=balance)
        if not following and number == 0:
            following = _follow(day, {None: []}, change=change, balance=balance)
        if not following:
            broken += 1
            history = next(iter(standing.values()))
            following = {balance(day[-1]): [*history, day]}
        standing = following
    best = next(iter(standing.values()))
    return [movement for day in best for movement in day], broken


def _follow(
    day: Sequence[Movement],
    standing: dict[Decimal | None, list[Sequence[Movement]]],
    *,
    change: Callable[[Movement], Decimal],
    balance: Callable[[Movement], Decimal],
) -> dict[Decimal | None, list[Sequence[Movement]]]:
    following: dict[Decimal | None, list[Sequence[Movement]]] = {}
    for opening, history in standing.items():
        for end, order in day_orders(day, change=change, balance=balance, opening=opening).items():
            following.setdefault(end, [*history, order])
    return following
