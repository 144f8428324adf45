"""Holders, balances and the order of movements, without a database."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from kehu_contracts.codes import HolderRole
from kehu_customer.accounts.rules import Balance, Movement, last_movement, shown_balance, strongest_roles

MORNING = datetime(2026, 3, 2, 1, tzinfo=UTC)
LI = UUID(int=1)
WANG = UUID(int=2)


def movement(day: int, position: int, source_id: str = "1", balance: str = "0") -> Movement:
    return Movement(date(2026, 3, day), position, MORNING, source_id, Decimal(balance))


def test_a_party_named_twice_holds_by_the_stronger_role() -> None:
    holders = [(LI, HolderRole.GUARANTOR), (LI, HolderRole.OWNER), (WANG, HolderRole.DISPONENT)]
    assert strongest_roles(holders) == {LI: HolderRole.OWNER, WANG: HolderRole.DISPONENT}


def test_the_later_position_of_a_day_gives_its_balance() -> None:
    morning, evening = movement(2, 0, balance="5"), movement(2, 1, balance="3")
    assert last_movement([evening, morning], None) == evening


def test_a_movement_of_an_earlier_day_never_replaces_the_one_that_stands() -> None:
    standing = movement(3, 0)
    assert last_movement([movement(2, 9)], standing) == standing


def test_no_movement_leaves_no_balance() -> None:
    assert last_movement([], None) is None


@given(st.permutations([movement(day, position, str(n)) for day in (1, 2) for position in (0, 1) for n in (1, 2)]))
def test_the_last_movement_does_not_depend_on_the_order_of_arrival(movements: list[Movement]) -> None:
    standing: Movement | None = None
    for each in movements:
        standing = last_movement([each], standing)
    assert standing == movement(2, 1, "2")


def test_the_stated_balance_holds_on_its_own_date_and_yields_to_a_later_movement() -> None:
    stated = Balance(Decimal("10.00"), date(2026, 3, 2), MORNING)
    same_day = Balance(Decimal("9.00"), date(2026, 3, 2), MORNING)
    next_day = Balance(Decimal("8.00"), date(2026, 3, 3), MORNING)
    assert shown_balance(stated, same_day) == stated
    assert shown_balance(stated, next_day) == next_day
    assert shown_balance(None, same_day) == same_day
    assert shown_balance(stated, None) == stated
    assert shown_balance(None, None) is None
