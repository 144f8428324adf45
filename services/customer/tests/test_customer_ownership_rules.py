"""Intervals of ownership: gapless, without overlap, at every moment one owner."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from kehu_customer.ownership.rules import Interval, Succession, owner_at, succeed

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
NORTH, SOUTH = UUID(int=1), UUID(int=2)
LI, WANG = UUID(int=11), UUID(int=12)


def day(number: int) -> datetime:
    return BEGIN + timedelta(days=number)


def test_the_same_owner_again_changes_nothing() -> None:
    assert succeed(Interval(NORTH, LI, BEGIN), NORTH, LI, day(1)) is None


def test_a_new_owner_closes_the_interval_and_opens_the_next_at_the_same_moment() -> None:
    standing = Interval(NORTH, LI, BEGIN)
    assert succeed(standing, SOUTH, None, day(3)) == Succession(
        Interval(NORTH, LI, BEGIN, day(3)), None, Interval(SOUTH, None, day(3))
    )


def test_a_moment_before_the_begin_corrects_the_standing_interval() -> None:
    assert succeed(Interval(NORTH, None, day(5)), SOUTH, WANG, day(2)) == Succession(
        None, Interval(SOUTH, WANG, day(5)), None
    )


@given(st.lists(st.tuples(st.sampled_from((NORTH, SOUTH)), st.sampled_from((LI, WANG, None)), st.integers(0, 9))))
def test_whatever_is_asked_there_is_exactly_one_owner_from_the_begin_on(
    changes: list[tuple[UUID, UUID | None, int]],
) -> None:
    history = [Interval(NORTH, None, BEGIN)]
    for unit_id, rm_id, number in changes:
        change = succeed(history[-1], unit_id, rm_id, day(number))
        if change is None:
            continue
        replaced = [interval for interval in (change.closed, change.corrected, change.opened) if interval]
        history[-1:] = replaced
    assert history[0].valid_from == BEGIN
    assert history[-1].valid_until is None
    for earlier, later in pairwise(history):
        assert earlier.valid_until == later.valid_from
        assert earlier.valid_from < later.valid_from
    for number in range(10):
        owners = [i for i in history if owner_at([i], day(number))]
        assert owners == [owner_at(history, day(number))]
    assert owner_at(history, BEGIN - timedelta(seconds=1)) is None
