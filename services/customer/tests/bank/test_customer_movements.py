"""Movements over many years: a page opens the months that it shows, and months that are not kept go as a whole."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from kehu_chassis.clock import FixedClock
from kehu_chassis.database import Database
from kehu_chassis.paging import PageQuery
from kehu_chassis.scope import EVERYTHING
from kehu_chassis.testing.databases import ServiceDatabase
from kehu_contracts.access import Role
from kehu_customer.accounts.jobs import schedule_retention
from kehu_customer.accounts.queries import TransactionFilter, transactions_of

YEARS = range(2020, 2026)
MONTHS_OPEN = r"SELECT count(*) FROM pg_locks JOIN pg_class ON pg_class.oid = relation WHERE relname ~ '^transactions_\d{4}_\d\d$'"


def each_month() -> list[date]:
    return [date(year, month, 15) for year in YEARS for month in range(1, 13)]


async def long_history(bank: Any) -> Any:
    """A1 moves in each of 72 months, A2 twice in the first of them and once in the last; its holder's id."""
    await bank.send(bank.party("P1"), bank.party("P2"), bank.account("A1", "P1"), bank.account("A2", "P2"))
    days = each_month()
    await bank.send(
        *(bank.transaction(f"L{number}", "A1", "1.00", business_date=day) for number, day in enumerate(days)),
        *(bank.transaction(f"S{number}", "A2", "2.00", business_date=days[0]) for number in range(2)),
        bank.transaction("S9", "A2", "3.00", business_date=days[-1]),
    )
    return await bank.customer_id("P2")


async def shown(database: Database, customer_id: Any, page: PageQuery, **wanted: Any) -> tuple[list[str], int, Any]:
    """The source's ids of a page's movements, how many partitions were opened for it, and the cursor of the next."""
    async with database.begin(scope=EVERYTHING, read_only=True) as tx:
        found = await transactions_of(tx, customer_id, page, TransactionFilter(**wanted))
        opened = await tx.connection.fetchval(MONTHS_OPEN)
    return [row["source_id"] for row in found["items"]], opened, found["next_cursor"]


async def test_a_page_opens_only_the_months_that_it_needs(bank: Any, database: Database) -> None:
    sparse = await long_history(bank)
    busy = await bank.customer_id("P1")
    assert await bank.value("SELECT count(*) FROM account_months") == 74
    ids, opened, _ = await shown(database, busy, PageQuery(limit=2))
    assert (ids, opened) == (["L71", "L70"], 3)
    # 70 months lie between the two in which this account moved; none of them is opened.
    ids, opened, _ = await shown(database, sparse, PageQuery())
    assert (sorted(ids), opened) == (["S0", "S1", "S9"], 2)
    ids, _, _ = await shown(database, sparse, PageQuery(), until=date(2020, 1, 31))
    assert sorted(ids) == ["S0", "S1"]


async def test_pages_follow_one_another_over_the_years_without_loss_or_repeat(
    bank: Any, app_client: Callable[..., Any]
) -> None:
    await long_history(bank)
    client = await app_client(Role.AUDITOR)
    path = f"/api/v1/customers/{await bank.customer_id('P1')}/transactions"
    seen: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        answer = await client.get(path, params={"limit": 30} | ({"cursor": cursor} if cursor else {}))
        assert answer.status_code == 200
        seen += [item["business_date"] for item in answer.json()["items"]]
        cursor = answer.json()["next_cursor"]
    assert seen == [day.isoformat() for day in reversed(each_month())]


async def test_nothing_is_dropped_while_the_bank_has_not_said_how_long_to_keep(
    bank: Any, clock: FixedClock, worker_database: Database, fire_timers: Callable[[], Awaitable[int]]
) -> None:
    await long_history(bank)
    async with worker_database.begin() as tx:
        await schedule_retention(tx, at=clock.now())
    assert await fire_timers() == 1
    assert await bank.value("SELECT count(*) FROM transactions") == 75


async def test_months_before_those_to_keep_go_and_the_next_look_is_tomorrow(
    bank: Any,
    clock: FixedClock,
    worker_database: Database,
    service_database: ServiceDatabase,
    fire_timers: Callable[[], Awaitable[int]],
) -> None:
    await long_history(bank)
    clock.set(datetime(2025, 12, 20, tzinfo=UTC))
    owner = await asyncpg.connect(service_database.dsn("owner"), server_settings={"search_path": "customer"})
    await owner.execute("UPDATE retention_rules SET keep_months = 69 WHERE what = 'transactions'")
    await owner.close()
    async with worker_database.begin() as tx:
        await schedule_retention(tx, at=clock.now())
    # January and February 2020, one at a time, and a look that finds nothing more: 69 months before December 2025 is March.
    assert await fire_timers() == 3
    assert await bank.value("SELECT min(business_date) FROM transactions") == date(2020, 3, 15)
    assert await bank.value("SELECT min(month) FROM account_months") == date(2020, 3, 1)
    assert await bank.value("SELECT due_at FROM timers WHERE kind = 'accounts.retention'") == clock.now() + timedelta(1)
    # A dropped movement that is stated again is not posted a second time.
    await bank.send(bank.transaction("L0", "A1", "1.00", business_date=date(2020, 1, 15)))
    assert await bank.value("SELECT count(*) FROM transactions WHERE source_id = 'L0'") == 0


@pytest.mark.parametrize("role", ["api", "worker"])
async def test_no_service_changes_how_long_is_kept(service_database: ServiceDatabase, role: str) -> None:
    connection = await asyncpg.connect(service_database.dsn(role), server_settings={"search_path": "customer"})
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connection.execute("UPDATE retention_rules SET keep_months = 1")
    await connection.close()
