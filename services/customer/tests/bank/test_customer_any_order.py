"""Whatever order the bank's messages come in, however often and in whichever batches: the same tables."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kehu_chassis.message import Message
from kehu_contracts.codes import HolderRole, UnitKind

SNAPSHOTS = {
    "units": "SELECT u.code, u.name, p.code AS parent FROM units u LEFT JOIN units p ON p.id = u.parent_id",
    "staff": "SELECT s.staff_number, u.code FROM staff s JOIN units u ON u.id = s.unit_id",
    "customers": (
        "SELECT r.source_id, c.occupation, u.code, s.staff_number, r.source_sequence, r.body FROM customers c"
        " JOIN source_records r ON r.customer_id = c.id JOIN ownerships o ON o.customer_id = c.id"
        " AND o.valid_until IS NULL AND (o.unit_id, o.primary_rm_id) IS NOT DISTINCT FROM (c.unit_id, c.primary_rm_id)"
        " JOIN scope_subjects x ON x.subject_id = c.id AND x.unit_id = c.unit_id"
        " LEFT JOIN units u ON u.id = c.unit_id LEFT JOIN staff s ON s.id = c.primary_rm_id"
    ),
    "accounts": (
        "SELECT a.source_id, a.status_code, p.source_id AS parent, a.source_sequence, a.stated_balance,"
        " a.stated_balance_sequence, a.moved_balance, a.moved_on, a.moved_position, a.moved_source_id"
        " FROM accounts a LEFT JOIN accounts p ON p.id = a.parent_account_id"
    ),
    "holders": (
        "SELECT a.source_id, r.source_id AS party, h.role FROM account_holders h"
        " JOIN accounts a ON a.id = h.account_id JOIN source_records r ON r.customer_id = h.customer_id"
    ),
    "openings": "SELECT source_id, amount, product_code FROM product_openings",
    "transactions": "SELECT source_id, amount, business_date, position, balance_after FROM transactions",
    "waiting": "SELECT waiting_for FROM parked_messages",
    "dead": "SELECT reason FROM dead_letters",
}


async def snapshot(bank: Any, mark: str) -> dict[str, list[str]]:
    """Every table as text, without the ids that Kehu gives, sorted; only the rows of one run."""
    found = {}
    for name, query in SNAPSHOTS.items():
        rows = await bank.rows(f"SELECT x::text AS row FROM ({query}) x WHERE x::text LIKE '%' || $1 || '%'", mark)  # noqa: S608
        found[name] = sorted(row["row"].replace(mark, "") for row in rows)
    return found


def story(bank: Any, mark: str) -> list[Message]:
    """What a bank says in a year, in the order in which it happened."""
    unit, manager = f"U{mark}", f"S{mark}"
    one, two, account, card = (f"{name}{mark}" for name in ("P1", "P2", "A1", "C1"))

    def moved(number: int, day: int, position: int) -> Any:
        return bank.transaction(
            f"T{number}{mark}",
            account,
            "10.00",
            business_date=date(2025, 5, day),
            position=position,
            balance_after=Decimal(number),
        )

    said = [
        bank.unit(unit, "B1", kind=UnitKind.SUB_BRANCH),
        bank.staff(manager, unit),
        bank.party(one, "B1", occupation="1-01"),
        bank.party(two, unit),
        bank.account(account, one, (two, HolderRole.DISPONENT), status_code="A"),
        moved(1, 5, 0),
        moved(2, 5, 1),
        bank.balance(account, "2.00"),
        bank.unit(unit, "B2", name="Renamed"),
        bank.account(card, one, product="card", parent_source_id=account),
        bank.opening(f"O{mark}", one, card),
        bank.party(one, unit, occupation="2-02", rm_staff_number=manager),
        moved(3, 7, 0),
        bank.account(account, two, status_code="B"),
        bank.balance(account, "3.00"),
    ]
    return [bank.message(each) for each in said]


class Runs:
    """Counts the runs, so that each has keys of its own in one database."""

    number = 0

    @classmethod
    def next_mark(cls) -> str:
        cls.number += 1
        return f"-{cls.number:04d}-"


@pytest.mark.anyio  # What `given` wraps is not seen to be a coroutine.
@given(
    order=st.permutations(range(15)),
    again=st.lists(st.tuples(st.integers(0, 14), st.integers(0, 14), st.booleans()), max_size=6),
)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_any_order_and_any_repetition_leave_the_same_tables(
    bank: Any, order: list[int], again: list[tuple[int, int, bool]]
) -> None:
    ordered, shuffled = Runs.next_mark(), Runs.next_mark()
    in_order = story(bank, ordered)
    await bank.send(*in_order)
    # The same sealed identities, so that the records can be compared word for word.
    messages = [
        replace(
            message,
            id=uuid4(),
            body=message.body.replace(ordered.encode(), shuffled.encode()),
            subject=message.subject.replace(ordered, shuffled),
            key=message.key.replace(ordered, shuffled),
        )
        for message in in_order
    ]
    arriving = [messages[place] for place in order]
    for place, position, under_its_id in again:
        message = messages[place]
        arriving.insert(position, message if under_its_id else replace(message, id=uuid4()))
    await bank.send(*arriving)
    expected = await snapshot(bank, ordered)
    assert await snapshot(bank, shuffled) == expected
    assert (expected["waiting"], expected["dead"]) == ([], [])
    assert len(expected["transactions"]) == 3
    assert len(expected["customers"]) == 2


async def test_a_replayed_topic_changes_nothing(bank: Any, outbox_rows: Callable[..., Any]) -> None:
    mark = Runs.next_mark()
    messages = story(bank, mark)
    await bank.send(*messages)
    before, told = await snapshot(bank, mark), await outbox_rows()
    await bank.send(*(replace(message, id=uuid4()) for message in messages))
    assert await snapshot(bank, mark) == before
    assert await outbox_rows() == told
