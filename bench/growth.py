"""Movements, which grow by the day: what a batch and a page of the newest cost with more and more of them behind.

The rows are made by PostgreSQL, spread over ten years and two hundred accounts, with their keys and months as the service would have
written them; then the service itself takes batches of new movements and answers for the newest of one customer, in turn in this
database and in one that has nothing behind.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID

import asyncpg
import uvloop

from bench.bank import BATCH, BEGINS, Bank, open_bank
from bench.house import House
from bench.pace import Pace
from bench.report import Measurement
from kehu_chassis.paging import PageQuery
from kehu_chassis.scope import EVERYTHING
from kehu_customer.accounts.queries import TransactionFilter, transactions_of

__all__ = ["measure"]

ACCOUNTS = 200
YEARS = 10
SLICE = 500_000
WARM = 12

# Keys are found by their text, and a bank's numbers come in any order: so they do not grow at one end of the index.
_GROW = """
WITH held AS (
    SELECT array_agg(id) AS ids FROM customer.accounts
), made AS (
    SELECT uuidv7() AS id, held.ids[1 + n % $2] AS account_id, md5(n::text) AS source_id,
           $3::date - (n % $4)::integer AS business_date, n
    FROM held, generate_series($5::bigint, $5 + $1 - 1) AS n
), keyed AS (
    INSERT INTO customer.transaction_keys SELECT 'grown', source_id, id FROM made
)
INSERT INTO customer.transactions (id, source, source_id, account_id, kind, amount, currency, business_date, booked_at,
                                   position, source_sequence, stated_at)
SELECT id, 'grown', source_id, account_id, 'credit', 12.5, 'CNY', business_date, business_date, 1, 1, business_date FROM made
"""


_KEYS = """
SELECT conrelid::regclass::text AS on_table, conname AS name, pg_get_constraintdef(oid) AS definition FROM pg_constraint
WHERE contype = 'p' AND conrelid IN ('transactions'::regclass, 'transaction_keys'::regclass)
"""
_INDEX = "SELECT pg_get_indexdef('transactions_account_idx'::regclass)"


async def _grow(connection: asyncpg.Connection[Any], have: int, want: int) -> None:
    async with _without_indexes(connection):
        for at in range(have, want, SLICE):
            count = min(SLICE, want - at)
            await connection.execute(_GROW, count, ACCOUNTS, BEGINS, YEARS * 365, at)
    await connection.execute("ANALYZE customer.transactions, customer.transaction_keys, customer.account_months")


@asynccontextmanager
async def _without_indexes(connection: asyncpg.Connection[Any]) -> AsyncIterator[None]:
    """Make the indexes anew behind what is done, in a fraction of the time that they would take row by row.

    They are packed tightly then, so that new rows split more of their pages than they would in a bank: to our disadvantage.
    """
    keys = await connection.fetch(_KEYS)
    index = (await connection.fetchval(_INDEX)).replace(" ON ONLY ", " ON ")
    await connection.execute("DROP INDEX transactions_account_idx")
    for key in keys:
        await connection.execute(f"ALTER TABLE {key['on_table']} DROP CONSTRAINT {key['name']}")
    yield
    await connection.execute("SET maintenance_work_mem = '1GB'")
    for key in keys:
        await connection.execute(f"ALTER TABLE {key['on_table']} ADD CONSTRAINT {key['name']} {key['definition']}")
    await connection.execute(index)


async def _batch(bank: Bank, number: int) -> float:
    """Movements per second of one batch of new ones."""
    messages = list(bank.messages(bank.movement(at % ACCOUNTS, number * BATCH + at, BEGINS) for at in range(BATCH)))
    began = time.perf_counter()
    await bank.take(messages)
    return BATCH / (time.perf_counter() - began)


async def _page(bank: Bank, customer_id: UUID) -> float:
    """Milliseconds of a page of the newest movements."""
    began = time.perf_counter()
    async with bank.database.begin(scope=EVERYTHING, read_only=True) as tx:
        found = await transactions_of(tx, customer_id, PageQuery(), TransactionFilter())
    milliseconds = (time.perf_counter() - began) * 1000
    if len(found["items"]) != PageQuery().limit:
        raise RuntimeError(f"{len(found['items'])} movements on a page")
    return milliseconds


async def _found(bank: Bank, connection: asyncpg.Connection[Any]) -> UUID:
    """Accounts and every month's partition; the holder of one account."""
    months = {(BEGINS - timedelta(days=day)).replace(day=1) for day in range(YEARS * 365)}
    await connection.execute("SELECT ensure_transaction_months($1)", sorted(months))
    for said in ([bank.unit()], map(bank.party, range(ACCOUNTS)), map(bank.account, range(ACCOUNTS))):
        await bank.take(list(bank.messages(said)))
    # A page needs movements to show.
    for number in range(WARM):
        await _batch(bank, number)
    customer_id: UUID = await connection.fetchval("SELECT customer_id FROM account_holders LIMIT 1")
    return customer_id


async def _measure(house: House, pace: Pace) -> list[Measurement]:
    sizes = pace.sizes((0, 500_000, 2_000_000), (0, 20_000, 40_000), (0, 10_000_000, 50_000_000))
    found: list[Measurement] = []
    async with AsyncExitStack() as stack:
        houses = house, replace(house, database="kehu_grown")
        empty, grown = [await stack.enter_async_context(open_bank(each)) for each in houses]
        connections = [
            await asyncpg.connect(each.superuser_dsn, server_settings={"search_path": "customer, public"})
            for each in houses
        ]
        pairs = list(zip((empty, grown), connections, strict=True))
        customers = [await _found(bank, connection) for bank, connection in pairs]
        taken = WARM
        for have, want in pairwise(sizes):
            await _grow(connections[1], have, want)
            rates: tuple[list[float], list[float]] = [], []
            pages: tuple[list[float], list[float]] = [], []
            for number in range(taken, taken + 3 * pace.rounds):
                for place, bank in enumerate((empty, grown)):
                    rates[place].append(await _batch(bank, number))
                    pages[place].append(statistics.median([await _page(bank, customers[place]) for _ in range(5)]))
            taken += 3 * pace.rounds
            found += _rows(want, rates, pages)
        for connection in connections:
            await connection.close()
    return found


def _rows(
    size: int, rates: tuple[list[float], list[float]], pages: tuple[list[float], list[float]]
) -> list[Measurement]:
    told = f"{size:,} rows behind, in {YEARS * 12} months"
    peer = "the same tables, empty"
    return [
        Measurement("growth: movements taken in", "movements/s", rates[1], peer, rates[0], notes=told),
        Measurement("growth: page of the newest", "ms", pages[1], peer, pages[0], notes=told),
    ]


def measure(house: House, pace: Pace) -> list[Measurement]:
    """The same work in turn in a database that grows and in one that stays empty."""
    return uvloop.run(_measure(house, pace))
