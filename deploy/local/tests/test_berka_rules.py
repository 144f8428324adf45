"""Dates, birth numbers and the order within a day, as the Berka files have them."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from random import Random

import pytest

from kehu_local.importers.berka.rules import day_orders, read_birth_number, read_day, within_days

Move = tuple[str, str, str]


def change(movement: Move) -> Decimal:
    return Decimal(movement[1])


def balance(movement: Move) -> Decimal:
    return Decimal(movement[2])


def names(movements: list[Move]) -> str:
    return "".join(name for name, _, _ in movements)


def test_a_day_is_six_digits_with_or_without_midnight() -> None:
    assert read_day("930705") == date(1993, 7, 5)
    assert read_day("931107 00:00:00") == date(1993, 11, 7)


@pytest.mark.parametrize("text", ["930231", "93070", "9307050", "", "930705 12:00:00", "٩٣٠٧٠٥"])
def test_what_is_no_day_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"date|day|month"):
        read_day(text)


def test_women_have_fifty_added_to_the_month() -> None:
    assert read_birth_number("706213") == (date(1970, 12, 13), "female")
    assert read_birth_number("450204") == (date(1945, 2, 4), "male")


@pytest.mark.parametrize("text", ["707213", "70621", "701300", "7062133"])
def test_what_is_no_birth_number_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"birth number|day|month"):
        read_birth_number(text)


def test_a_day_is_put_into_the_order_in_which_its_balances_chain() -> None:
    day: list[Move] = [("c", "-30", "80"), ("a", "10", "60"), ("b", "50", "110")]
    assert {
        end: names(list(order))
        for end, order in day_orders(day, change=change, balance=balance, opening=Decimal(50)).items()
    } == {Decimal(80): "abc"}


def test_rounding_of_a_tenth_is_borne_and_more_is_not() -> None:
    day: list[Move] = [("a", "10", "60.1")]
    assert day_orders(day, change=change, balance=balance, opening=Decimal(50))
    day = [("a", "10", "60.11")]
    assert not day_orders(day, change=change, balance=balance, opening=Decimal(50))


def test_a_later_day_decides_how_an_earlier_one_ends() -> None:
    # Both orders of the first day chain; only one of them ends where the second day begins.
    first: list[Move] = [("a", "10", "10"), ("b", "-10", "0"), ("c", "10", "10"), ("d", "-10", "0")]
    second: list[Move] = [("e", "5", "5")]
    ordered, broken = within_days([first, second], change=change, balance=balance)
    assert broken == 0
    assert names(ordered)[-1] == "e"
    assert balance(ordered[3]) == 0


def test_a_day_that_cannot_chain_keeps_its_order_and_is_counted() -> None:
    days: list[list[Move]] = [[("a", "10", "10")], [("c", "1", "99"), ("b", "1", "50")], [("d", "1", "51")]]
    ordered, broken = within_days(days, change=change, balance=balance)
    assert (names(ordered), broken) == ("acbd", 1)


def test_an_account_may_begin_with_money_on_it() -> None:
    ordered, broken = within_days([[("b", "5", "25"), ("a", "10", "20")]], change=change, balance=balance)
    assert (names(ordered), broken) == ("ab", 0)


def test_any_shuffled_ledger_chains_again() -> None:
    random = Random(1999)
    for _ in range(50):
        standing, days = Decimal(0), []
        for _ in range(random.randint(1, 5)):
            day: list[Move] = []
            for number in range(random.randint(1, 6)):
                step = Decimal(random.randint(-3, 5) or 1)
                standing += step
                day.append((str(number), str(step), str(standing)))
            random.shuffle(day)
            days.append(day)
        ordered, broken = within_days(days, change=change, balance=balance)
        assert broken == 0
        before = Decimal(0)
        for movement in ordered:
            assert before + change(movement) == balance(movement)
            before = balance(movement)
        assert sorted(map(len, days)) == sorted(len(day) for day in days)
