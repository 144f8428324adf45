"""Holders, balances and the order of movements, without a database."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import UUID

import pytest

from kehu_contracts.codes import HolderRole
from kehu_customer.accounts.rules import Balance, Movement, in_minor_units, shown_balance, strongest_roles

MORNING = datetime(2026, 3, 2, 1, tzinfo=UTC)
LI = UUID(int=1)
WANG = UUID(int=2)


def movement(day: int, position: int, source_id: str = "1", balance: str = "0") -> Movement:
    return Movement(date(2026, 3, day), position, MORNING, source_id, Decimal(balance))


def test_a_party_named_twice_holds_by_the_stronger_role() -> None:
    holders = [(LI, HolderRole.GUARANTOR), (LI, HolderRole.OWNER), (WANG, HolderRole.DISPONENT)]
    assert strongest_roles(holders) == {LI: HolderRole.OWNER, WANG: HolderRole.DISPONENT}


def test_movements_stand_by_date_then_position_whatever_their_balance() -> None:
    movements = [movement(day, position, balance=str(9 - day)) for day in (1, 2) for position in (0, 1)]
    assert max(movements) == movement(2, 1, balance="7")
    assert movement(2, 0, "a") < movement(2, 0, "b") < movement(2, 1, "a") < movement(3, 0, "a")


@pytest.mark.parametrize(
    ("amount", "currency", "written"),
    [
        ("1000.0000", "CNY", "1000.00"),
        ("0.0000", "CNY", "0.00"),
        ("-85.5000", "CZK", "-85.50"),
        ("1200.0000", "JPY", "1200"),
        ("1.2340", "KWD", "1.234"),
        ("1.2345", "CNY", "1.2345"),
        ("1.2350", "CNY", "1.235"),
    ],
)
def test_an_amount_is_written_in_its_currency_and_loses_nothing(amount: str, currency: str, written: str) -> None:
    assert str(in_minor_units(Decimal(amount), currency)) == written


def test_the_stated_balance_holds_on_its_own_date_and_yields_to_a_later_movement() -> None:
    stated = Balance(Decimal("10.00"), date(2026, 3, 2), MORNING)
    same_day = Balance(Decimal("9.00"), date(2026, 3, 2), MORNING)
    next_day = Balance(Decimal("8.00"), date(2026, 3, 3), MORNING)
    assert shown_balance(stated, same_day) == stated
    assert shown_balance(stated, next_day) == next_day
    assert shown_balance(None, same_day) == same_day
    assert shown_balance(stated, None) == stated
    assert shown_balance(None, None) is None
