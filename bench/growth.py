"""Movements, which grow by the day: what a batch and a page of the newest cost with more and more of them behind.

The rows are made by PostgreSQL, spread over ten years and a thousand accounts, with their keys and months as the service would have
written them; then the service itself takes batches of new movements and answers for the newest of one customer.
"""

from __future__ import annotations

import statistics
import time
from datetime import timedelta
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

ACCOUNTS = 1_000
YEARS = 10
SLICE = 500_000

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


async def _grow(connection: asyncpg.Connection[Any], have: int, want: int) -> None:
    for at in range(have, want, SLICE):
        count = min(SLICE, want - at)
        await connection.execute(_GROW, count, ACCOUNTS, BEGINS, YEARS * 365, at)
    await connection.execute("ANALYZE customer.transactions, customer.transaction_keys, customer.account_months")


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


async def _measure(house: House, pace: Pace) -> list[Measurement]:
    sizes = pace.sizes((0, 1_000_000, 5_000_000), (0, 20_000, 40_000))
    rates: dict[int, list[float]] = {}
    pages: dict[int, list[float]] = {}
    async with open_bank(house) as bank:
        connection = await asyncpg.connect(house.superuser_dsn, server_settings={"search_path": "customer, public"})
        months = {(BEGINS - timedelta(days=day)).replace(day=1) for day in range(YEARS * 365)}
        await connection.execute("SELECT ensure_transaction_months($1)", sorted(months))
        for said in ([bank.unit()], map(bank.party, range(ACCOUNTS)), map(bank.account, range(ACCOUNTS))):
            await bank.take(list(bank.messages(said)))
        customer_id = await connection.fetchval("SELECT customer_id FROM account_holders LIMIT 1")
        batches = 0
        for have, want in zip((0, *sizes), sizes, strict=False):
            await _grow(connection, have, want)
            # A page needs movements to show, and the first batches of a process are slow.
            for _ in range(60 if want == 0 else 3):
                await _batch(bank, batches)
                batches += 1
            rates[want] = [await _batch(bank, batches + number) for number in range(3 * pace.rounds)]
            batches += 3 * pace.rounds
            await _page(bank, customer_id)
            pages[want] = [await _page(bank, customer_id) for _ in range(10 * pace.rounds)]
        await connection.close()
    empty, *_, full = sizes
    told = f"{full:,} rows in {YEARS * 12} months; {sizes[1]:,} rows: "
    middle_rate = statistics.median(rates[sizes[1]]) / statistics.median(rates[empty])
    middle_page = statistics.median(pages[sizes[1]]) / statistics.median(pages[empty])
    return [
        Measurement(
            "growth: movements taken in",
            "movements/s",
            rates[full],
            "the same tables when empty",
            rates[empty],
            notes=f"{told}{middle_rate:.2f}",
        ),
        Measurement(
            "growth: page of the newest",
            "ms",
            pages[full],
            "the same tables when empty",
            pages[empty],
            notes=f"{told}{middle_page:.2f}",
        ),
    ]


def measure(house: House, pace: Pace) -> list[Measurement]:
    """The same work at three sizes of the table."""
    return uvloop.run(_measure(house, pace))
