"""Features as of a moment, from events in any order, repeated or not."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import permutations
from typing import Any
from uuid import UUID

from kehu_chassis.database import Database
from kehu_contracts.access import Role
from kehu_contracts.codes import HolderRole, ProductClass, TransactionKind
from kehu_contracts.customer import CustomerState
from kehu_segmentation.features import service


async def _features(app_client: Any, customer_id: UUID, as_of: datetime | None = None) -> dict[str, Any]:
    client = await app_client(Role.AUDITOR)
    parameters = {} if as_of is None else {"as_of": as_of.isoformat()}
    answer = await client.get(f"/api/v1/customers/{customer_id}/features", params=parameters)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_features_of_a_customer_without_holdings(bank: Any, app_client: Any) -> None:
    customer = bank.customer(customer_since=date(2026, 2, 28))
    await bank.tell(customer)
    found = await _features(app_client, customer.customer_id)
    assert found["business_date"] == "2026-03-02"
    assert (found["tenure_days"], found["product_count"], found["products"]) == (2, 0, [])
    assert (found["balances"], found["total_assets"]) == ([], [])
    assert (found["last_transaction_on"], found["days_since_last_transaction"]) == (None, None)
    assert found["windows"] == [{"days": days, "transaction_count": 0, "amounts": []} for days in (30, 90, 365)]


async def test_windows_begin_after_their_first_day_and_include_today(bank: Any, app_client: Any, today: date) -> None:
    customer = bank.customer()
    account = bank.account(customer.customer_id)
    days = (0, 29, 30, 89, 90, 364, 365, -1)
    movements = [bank.movement(account, today - timedelta(days=ago), "1.50") for ago in days]
    await bank.tell(customer, account, *movements)
    found = await _features(app_client, customer.customer_id)
    assert [(window["days"], window["transaction_count"]) for window in found["windows"]] == [
        (30, 2),
        (90, 4),
        (365, 6),
    ]
    assert (found["last_transaction_on"], found["days_since_last_transaction"]) == ("2026-03-02", 0)
    tomorrow = await _features(app_client, customer.customer_id, datetime(2026, 3, 2, 16, 0, tzinfo=UTC))
    assert tomorrow["business_date"] == "2026-03-03"
    assert [window["transaction_count"] for window in tomorrow["windows"]] == [2, 4, 6]
    long_ago = await _features(app_client, customer.customer_id, datetime(2020, 3, 2, tzinfo=UTC))
    assert [window["transaction_count"] for window in long_ago["windows"]] == [0, 0, 0]


async def test_turnover_is_told_by_currency_and_direction(bank: Any, app_client: Any, today: date) -> None:
    customer = bank.customer()
    account = bank.account(customer.customer_id)
    await bank.tell(
        customer,
        account,
        bank.movement(account, today, "10.10"),
        bank.movement(account, today, "0.05", kind=TransactionKind.DEBIT),
        bank.movement(account, today, "7", currency="USD"),
    )
    found = await _features(app_client, customer.customer_id)
    assert found["windows"][0]["amounts"] == [
        {"currency": "CNY", "amount": "10.1500", "credit_amount": "10.1000", "debit_amount": "0.0500"},
        {"currency": "USD", "amount": "7.0000", "credit_amount": "7.0000", "debit_amount": "0"},
    ]


async def test_assets_are_the_last_balances_and_their_daily_averages(bank: Any, app_client: Any) -> None:
    customer = bank.customer()
    savings = bank.account(customer.customer_id)
    loan = bank.account(customer.customer_id, product_class=ProductClass.LOAN, product_code="house")
    closed = bank.account(customer.customer_id, product_class=ProductClass.FUND, closed_on=date(2026, 2, 15))
    await bank.tell(
        customer,
        savings,
        loan,
        closed,
        # Half of February's 28 days at 1,000, half at 3,000; on the first of March 5,000, then 7,000.
        bank.balance(savings, date(2026, 1, 20), "1000"),
        bank.balance(savings, date(2026, 2, 15), "3000"),
        bank.balance(savings, date(2026, 3, 1), "5000"),
        bank.balance(savings, date(2026, 3, 2), "7000"),
        bank.balance(loan, date(2026, 1, 1), "-900"),
        bank.balance(closed, date(2026, 1, 1), "280"),
    )
    found = await _features(app_client, customer.customer_id)
    assert found["balances"] == [
        {
            "product_class": "fund",
            "currency": "CNY",
            "balance": "0",
            "average_this_month": "0.0000",
            "average_last_month": "140.0000",
        },
        {
            "product_class": "loan",
            "currency": "CNY",
            "balance": "-900.0000",
            "average_this_month": "-900.0000",
            "average_last_month": "-900.0000",
        },
        {
            "product_class": "savings",
            "currency": "CNY",
            "balance": "7000.0000",
            "average_this_month": "6000.0000",
            "average_last_month": "2000.0000",
        },
    ]
    assert found["total_assets"] == [
        {
            "currency": "CNY",
            "balance": "7000.0000",
            "average_this_month": "6000.0000",
            "average_last_month": "2140.0000",
        }
    ]
    assert found["products"] == [
        {"product_class": "loan", "open_count": 1},
        {"product_class": "savings", "open_count": 1},
    ]
    earlier = await _features(app_client, customer.customer_id, datetime(2026, 2, 10, tzinfo=UTC))
    assert [(held["product_class"], held["balance"]) for held in earlier["balances"]] == [
        ("fund", "280.0000"),
        ("loan", "-900.0000"),
        ("savings", "1000.0000"),
    ]
    assert earlier["product_count"] == 3


async def test_a_stated_balance_holds_against_movements_of_its_day_and_the_last_movement_without_one(
    bank: Any, app_client: Any, today: date
) -> None:
    customer = bank.customer()
    account = bank.account(customer.customer_id)
    first = bank.movement(account, today, "1", balance_after="50", position=1)
    last = bank.movement(account, today, "1", balance_after="40", position=2)
    await bank.tell(customer, account, last, first)
    assert (await _features(app_client, customer.customer_id))["balances"][0]["balance"] == "40.0000"
    await bank.tell(bank.balance(account, today, "45", sequence=5), bank.balance(account, today, "44", sequence=4))
    assert (await _features(app_client, customer.customer_id))["balances"][0]["balance"] == "45.0000"


async def test_the_order_of_events_makes_no_difference(bank: Any, worker_database: Database, today: date) -> None:
    """Each order is written one event at a time, which is the hardest: nothing is settled within a batch."""
    found = []
    for order in permutations(range(5)):
        customer: CustomerState = bank.customer()
        account = bank.account(customer.customer_id)
        events = [
            account,
            account.model_copy(update={"holder_role": HolderRole.JOINT_OWNER, "closed_on": today}),
            bank.movement(account, today, "3", balance_after="8", position=2),
            bank.movement(account, today, "2", balance_after="9", position=1),
            bank.balance(account, today - timedelta(days=1), "5"),
        ]
        await bank.tell(customer)
        async with worker_database.begin() as tx:
            for place in order:
                await service.put_holdings(tx, [(place + 1, events[place])])
        async with worker_database.begin() as tx:
            rows = await tx.connection.fetch(
                "SELECT business_date, stated, moved, moved_highest, moved_lowest, holder_role, closed_on"
                " FROM account_days JOIN holdings USING (account_id) WHERE account_id = $1 ORDER BY business_date",
                account.account_id,
            )
        found.append([tuple(row) for row in rows])
    assert len(found) == 120
    assert found.count(found[0]) == 120
    assert [str(value) for value in found[0][1][1:]] == [
        "None",
        "8.0000",
        "9.0000",
        "8.0000",
        "joint_owner",
        str(today),
    ]


async def test_a_merged_customer_is_answered_with_the_survivors_features(
    bank: Any, app_client: Any, today: date
) -> None:
    kept, merged = bank.customer(), bank.customer()
    account = bank.account(merged.customer_id)
    await bank.tell(kept, merged, account, bank.movement(account, today, "1"))
    assert (await _features(app_client, kept.customer_id))["windows"][0]["transaction_count"] == 0
    await bank.tell(merged.model_copy(update={"survivor_id": kept.customer_id}))
    found = await _features(app_client, merged.customer_id)
    assert found["customer_id"] == str(kept.customer_id)
    assert found["windows"][0]["transaction_count"] == 1
