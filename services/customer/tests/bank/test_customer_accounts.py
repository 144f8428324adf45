"""Accounts, balances, openings and movements as the core states them, in whatever order they arrive."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from kehu_chassis.paging import encode_cursor
from kehu_chassis.scope import Reach, Scope
from kehu_contracts.access import Role
from kehu_contracts.codes import HolderRole, TransactionKind
from kehu_contracts.holding import AccountStated, BalanceStated, ProductOpened, TransactionPosted

OWNER, DISPONENT = HolderRole.OWNER, HolderRole.DISPONENT


def data(rows: list[dict[str, Any]], *names: str) -> list[tuple[Any, ...]]:
    return [tuple(row["data"][name] for name in names) for row in rows]


async def test_an_account_is_told_to_each_holder_and_the_owner_counts(
    bank: Any, outbox_rows: Callable[..., Any]
) -> None:
    await bank.send(bank.party("P1"), bank.party("P2"))
    await bank.send(bank.account("A1", ("P1", OWNER), ("P2", DISPONENT)))
    first, second = await bank.customer_id("P1"), await bank.customer_id("P2")
    told = data(await outbox_rows(AccountStated), "customer_id", "holder_role", "counts", "currency", "opened_on")
    assert sorted(told, key=lambda row: row[1]) == [
        (str(second), "disponent", False, "CNY", "2024-05-06"),
        (str(first), "owner", True, "CNY", "2024-05-06"),
    ]


async def test_which_roles_count_is_data(bank: Any, worker_database: Any, outbox_rows: Callable[..., Any]) -> None:
    async with worker_database.begin() as tx:
        await tx.connection.execute("UPDATE holder_roles SET counts = true WHERE role = 'disponent'")
    await bank.send(bank.party("P1"), bank.account("A1", ("P1", DISPONENT)))
    await bank.send(bank.transaction("T1", "A1", "5.00"))
    assert data(await outbox_rows(TransactionPosted), "holder_role", "counts") == [("disponent", True)]


async def test_everything_waits_for_its_parent_and_then_stands(bank: Any, outbox_rows: Callable[..., Any]) -> None:
    await bank.send(
        bank.transaction("T1", "A1", "100.00", balance_after=Decimal("100.00")),
        bank.balance("A1", "100.00"),
        bank.opening("O1", "P1", "C1"),
        bank.account("C1", "P1", product="card", parent_source_id="A1"),
        bank.account("A1", "P1"),
    )
    waiting = {row["waiting_for"] for row in await bank.rows("SELECT waiting_for FROM parked_messages")}
    assert waiting == {"account:core/A1", "party:core/P1"}
    assert await bank.value("SELECT count(*) FROM accounts") == 0
    await bank.send(bank.party("P1"))
    assert await bank.value("SELECT count(*) FROM parked_messages") == 0
    accounts = await bank.rows(
        "SELECT a.source_id, p.source_id AS parent, a.stated_balance, a.moved_balance FROM accounts a"
        " LEFT JOIN accounts p ON p.id = a.parent_account_id ORDER BY 1"
    )
    assert accounts == [
        {
            "source_id": "A1",
            "parent": None,
            "stated_balance": Decimal("100.0000"),
            "moved_balance": Decimal("100.0000"),
        },
        {"source_id": "C1", "parent": "A1", "stated_balance": None, "moved_balance": None},
    ]
    assert data(await outbox_rows(ProductOpened), "product_code", "amount", "counts") == [("GOLD", "500.00", True)]
    assert data(await outbox_rows(TransactionPosted), "amount", "kind") == [("100.00", "credit")]
    assert data(await outbox_rows(BalanceStated), "balance") == [("100.00",)]


async def test_an_account_with_a_holder_still_unknown_waits_for_the_last_of_them(bank: Any) -> None:
    await bank.send(bank.party("P1"), bank.account("A1", "P1", ("P2", DISPONENT), ("P3", DISPONENT)))
    await bank.send(bank.party("P2"))
    assert await bank.value("SELECT count(*) FROM accounts") == 0
    await bank.send(bank.party("P3"))
    assert await bank.value("SELECT count(*) FROM account_holders") == 3


async def test_an_older_state_of_an_account_or_balance_is_ignored(bank: Any, outbox_rows: Callable[..., Any]) -> None:
    await bank.send(bank.party("P1"))
    older, newer = (bank.message(bank.account("A1", "P1", status_code=code)) for code in ("old", "new"))
    low, high = (bank.message(bank.balance("A1", amount)) for amount in ("1.00", "2.00"))
    await bank.send(newer, older, high, low)
    (row,) = await bank.rows("SELECT status_code, stated_balance FROM accounts")
    assert row == {"status_code": "new", "stated_balance": Decimal("2.0000")}
    assert len(await outbox_rows(AccountStated)) == 1
    assert data(await outbox_rows(BalanceStated), "balance", "source_sequence") == [("2.00", high.sequence)]


async def test_a_movement_counts_once_under_whichever_message_id(bank: Any, outbox_rows: Callable[..., Any]) -> None:
    await bank.send(bank.party("P1"), bank.account("A1", "P1"))
    (message,) = await bank.send(bank.transaction("T1", "A1", "5.00"))
    await bank.send(message, replace(message, id=uuid4()), replace(message, id=uuid4(), sequence=9))
    assert await bank.value("SELECT count(*) FROM transactions") == 1
    assert len(await outbox_rows(TransactionPosted)) == 1


async def test_an_opening_counts_once_under_whichever_message_id(bank: Any, outbox_rows: Callable[..., Any]) -> None:
    await bank.send(bank.party("P1"), bank.account("A1", "P1"))
    (message,) = await bank.send(bank.opening("O1", "P1", "A1"))
    await bank.send(message, replace(message, id=uuid4()))
    assert len(await outbox_rows(ProductOpened)) == 1


async def test_a_holder_who_leaves_is_told_that_nothing_counts_any_more(
    bank: Any, outbox_rows: Callable[..., Any]
) -> None:
    await bank.send(bank.party("P1"), bank.party("P2"), bank.account("A1", "P1", "P2"))
    await bank.send(bank.account("A1", "P1"))
    last = dict(data(await outbox_rows(AccountStated), "customer_id", "counts"))
    assert last == {str(await bank.customer_id("P1")): True, str(await bank.customer_id("P2")): False}
    holders = await bank.rows("SELECT customer_id FROM account_holders")
    assert holders == [{"customer_id": await bank.customer_id("P1")}]


async def test_a_poison_movement_stops_neither_its_neighbours_nor_other_accounts(bank: Any) -> None:
    await bank.send(bank.party("P1"), bank.account("A1", "P1"), bank.account("A2", "P1"))
    good = [bank.message(bank.transaction(f"T{number}", "A1", "1.00"), key="A1") for number in (1, 3)]
    other = bank.message(bank.transaction("T4", "A2", "1.00"), key="A2")
    poison = replace(bank.message(bank.transaction("T2", "A1", "1.00"), key="A1"), body=b'{"amount": "-1"}')
    await bank.send(good[0], poison, other, good[1])
    (dead,) = await bank.rows("SELECT key, reason FROM dead_letters")
    assert dead["key"] == "A1"
    held = await bank.rows("SELECT subject FROM held_messages")
    stood = [row["source_id"] for row in await bank.rows("SELECT source_id FROM transactions ORDER BY 1")]
    # The one behind the dead one of the same account waits for an operator's word; all others stand.
    assert (stood, held) == (["T1", "T4"], [{"subject": "T3"}])


async def test_a_month_without_partition_gets_one_and_the_worker_cannot_reach_it_past_the_parent(
    bank: Any, database: Any
) -> None:
    await bank.send(bank.party("P1"), bank.account("A1", "P1"))
    days = (date(1993, 7, 5), date(1998, 12, 31), date(2026, 3, 2), date(2026, 3, 31))
    await bank.send(*(bank.transaction(f"T{day}", "A1", "1.00", business_date=day) for day in days))
    found = await bank.rows("SELECT DISTINCT tableoid::regclass::text AS name FROM transactions ORDER BY 1")
    assert [row["name"] for row in found] == ["transactions_1993_07", "transactions_1998_12", "transactions_2026_03"]
    for role in (bank.database, database):
        with pytest.raises(Exception, match="permission denied"):
            async with role.begin() as tx:
                await tx.connection.execute("SELECT FROM transactions_1993_07")


async def test_a_business_date_out_of_all_reason_is_dead(bank: Any) -> None:
    await bank.send(bank.party("P1"), bank.account("A1", "P1"))
    await bank.send(bank.transaction("T1", "A1", "1.00", business_date=date(9999, 1, 1)))
    assert await bank.value("SELECT reason FROM dead_letters") == "no business date: 9999-01-01"


async def test_accounts_are_shown_with_balance_freshness_and_source(
    bank: Any, app_client: Callable[..., Any], clock: Any
) -> None:
    await bank.send(bank.party("P1"), bank.account("A1", "P1"))
    await bank.send(bank.account("L1", "P1", product="loan", amount=Decimal(120000), closed_on=date(2025, 1, 1)))
    await bank.send(bank.balance("A1", "1234.5", date(2026, 3, 1)))
    client = await app_client(Role.RELATIONSHIP_MANAGER, staff_id=await bank.staff_id("M1"))
    base = f"/api/v1/customers/{await bank.customer_id('P1')}/accounts"
    items = {item["source_id"]: item for item in (await client.get(base)).json()["items"]}
    now = clock.now().isoformat().replace("+00:00", "Z")
    assert items["A1"]["balance"] == {
        "amount": "1234.50",
        "currency": "CNY",
        "business_date": "2026-03-01",
        "as_of": now,
        "source": "core",
    }
    assert (items["A1"]["as_of"], items["A1"]["holder_role"], items["A1"]["counts"]) == (now, "owner", True)
    assert (items["L1"]["amount"], items["L1"]["balance"]) == ("120000.00", None)
    still_open = (await client.get(f"{base}?open=true")).json()["items"]
    assert [item["source_id"] for item in still_open] == ["A1"]
    loans = (await client.get(f"{base}?product_class=loan")).json()["items"]
    assert [item["source_id"] for item in loans] == ["L1"]


async def test_movements_are_paged_in_order_and_filtered(bank: Any, app_client: Callable[..., Any]) -> None:
    await bank.send(bank.party("P1"), bank.account("A1", "P1"), bank.account("A2", "P1"))
    posted = [
        ("T1", "A1", date(2026, 2, 27), 0, TransactionKind.CREDIT),
        ("T2", "A2", date(2026, 2, 27), 1, TransactionKind.DEBIT),
        ("T3", "A1", date(2026, 3, 1), 0, TransactionKind.DEBIT),
        ("T4", "A1", date(2026, 3, 1), 1, TransactionKind.CREDIT),
    ]
    await bank.send(
        *(
            bank.transaction(name, account, "7.10", business_date=day, position=position, kind=kind)
            for name, account, day, position, kind in reversed(posted)
        )
    )
    client = await app_client(Role.RELATIONSHIP_MANAGER, staff_id=await bank.staff_id("M1"))
    base = f"/api/v1/customers/{await bank.customer_id('P1')}/transactions"

    async def names(query: str) -> list[str]:
        return [item["source_id"] for item in (await client.get(f"{base}?{query}")).json()["items"]]

    seen: list[str] = []
    cursor = ""
    while True:
        page = (await client.get(f"{base}?limit=3{cursor}")).json()
        seen += [item["source_id"] for item in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert seen == ["T4", "T3", "T2", "T1"]
    for key in ([], ["2026-03-01", 1, "T1"]):
        made_up = encode_cursor(key, shape=json.dumps([base, []]))
        assert (await client.get(f"{base}?cursor={made_up}")).status_code == 422
    assert await names("from=2026-03-01") == ["T4", "T3"]
    assert await names("to=2026-02-28") == ["T2", "T1"]
    assert await names("kind=debit") == ["T3", "T2"]
    account_id = await bank.value("SELECT id FROM accounts WHERE source_id = 'A2'")
    assert await names(f"account_id={account_id}") == ["T2"]
    (item,) = (await client.get(f"{base}?account_id={account_id}")).json()["items"]
    assert (item["amount"], item["kind"], item["business_date"], item["source"]) == (
        "7.10",
        "debit",
        "2026-02-27",
        "core",
    )
    assert datetime.fromisoformat(item["as_of"]).astimezone(UTC).year == 2026


async def test_another_branchs_customer_is_as_missing_as_one_that_is_not_there(
    bank: Any, app_client: Callable[..., Any]
) -> None:
    await bank.send(bank.party("P1", "B1"), bank.account("A1", "P1"), bank.transaction("T1", "A1", "1.00"))
    client = await app_client(Role.RELATIONSHIP_MANAGER, staff_id=await bank.staff_id("M2"))
    for path in ("accounts", "transactions", "ownership", "timeline"):
        foreign = await client.get(f"/api/v1/customers/{await bank.customer_id('P1')}/{path}")
        missing = await client.get(f"/api/v1/customers/{uuid4()}/{path}")
        assert (foreign.status_code, foreign.json()["code"]) == (404, "not_found")
        assert {**foreign.json(), "trace_id": ""} == {**missing.json(), "trace_id": ""}


async def test_row_level_security_hides_foreign_holdings_by_itself(bank: Any, database: Any) -> None:
    await bank.send(bank.party("P1", "B1"), bank.account("A1", "P1"), bank.transaction("T1", "A1", "1.00"))
    tables = ("accounts", "account_holders", "transactions", "source_records", "ownerships")
    seen = {}
    for manager in ("M1", "M2"):
        scope = Scope(Reach.SUBTREE, await bank.staff_id(manager))
        async with database.begin(scope=scope, read_only=True) as tx:
            seen[manager] = [await tx.connection.fetchval(f"SELECT count(*) FROM {table}") for table in tables]  # noqa: S608  names of tables
    assert seen == {"M1": [1, 1, 1, 1, 1], "M2": [0, 0, 0, 0, 0]}
