"""Taking in a bank, against COPY of the very same finished rows into the same tables with their indexes.

Ours opens the encrypted identity, checks it, seals it anew under a key of the party, makes blind indexes and search tokens, gives
numbers, writes rows, states events and remembers each message; COPY gets the rows that came of it, in PostgreSQL's binary form.
"""

from __future__ import annotations

import io
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import uvloop

from bench.bank import BEGINS, Bank, open_bank
from bench.house import House
from bench.pace import Pace
from bench.report import Measurement, exponent
from kehu_chassis.app import pass_over_what_stays
from kehu_chassis.message import Message
from kehu_contracts.base import Inbound

__all__ = ["measure"]

MOVEMENTS = 5
_TABLES = """
SELECT relname FROM pg_class
WHERE relnamespace = 'customer'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
"""


def _resident_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 2**20


async def _filled(connection: asyncpg.Connection[Any]) -> set[str]:
    names = [row["relname"] for row in await connection.fetch(_TABLES)]
    return {name for name in names if await connection.fetchval(f"SELECT EXISTS (SELECT FROM customer.{name})")}  # noqa: S608


async def _copied(connection: asyncpg.Connection[Any], tables: Sequence[str]) -> float:
    """Seconds that COPY needs for what stands in the tables."""
    rows: dict[str, bytes] = {}
    for name in tables:
        taken = io.BytesIO()
        await connection.copy_from_query(f"SELECT * FROM customer.{name}", output=taken, format="binary")  # noqa: S608
        rows[name] = taken.getvalue()
    await connection.execute(f"TRUNCATE {', '.join(f'customer.{name}' for name in tables)} CASCADE")
    # Parents before their children, as they were made.
    await connection.execute("SET session_replication_role = replica")
    began = time.perf_counter()
    for name, content in rows.items():
        await connection.copy_to_table(name, schema_name="customer", source=io.BytesIO(content), format="binary")
    seconds = time.perf_counter() - began
    await connection.execute("RESET session_replication_role")
    return seconds


def _statements(bank: Bank, customers: int, *, with_holdings: bool) -> list[list[Message]]:
    numbers = range(customers)
    said: list[list[Inbound]] = [[bank.unit()], [bank.party(number) for number in numbers]]
    if with_holdings:
        days = [BEGINS + timedelta(days=7 * number) for number in range(MOVEMENTS)]
        said.append([bank.account(number) for number in numbers])
        said.append([bank.movement(number, at, day) for at, day in enumerate(days) for number in numbers])
    return [list(bank.messages(topic)) for topic in said]


async def _round(
    bank: Bank, connection: asyncpg.Connection[Any], static: set[str], customers: int, *, with_holdings: bool
) -> tuple[float, float]:
    """Seconds of ours and of COPY."""
    topics = _statements(bank, customers, with_holdings=with_holdings)
    # As a worker does at its start; it has no such heap of messages, either.
    pass_over_what_stays()
    began = time.perf_counter()
    for messages in topics:
        await bank.take(messages)
    seconds = time.perf_counter() - began
    tables = sorted(await _filled(connection) - static)
    copied = await _copied(connection, tables)
    await connection.execute(f"TRUNCATE {', '.join(f'customer.{name}' for name in tables)} CASCADE")
    return seconds, copied


async def _measure(house: House, pace: Pace) -> list[Measurement]:
    found = []
    async with open_bank(house) as bank:
        connection = await asyncpg.connect(house.superuser_dsn)
        static = await _filled(connection)
        for work, with_holdings in (("customers", False), (f"customers with account and {MOVEMENTS} movements", True)):
            sizes = pace.sizes((300, 1_000, 3_000), (20, 40, 80))
            took = [(await _round(bank, connection, static, size, with_holdings=with_holdings))[0] for size in sizes]
            before, ours, copy = _resident_mib(), [], []
            for _ in range(pace.rounds):
                seconds, copied = await _round(bank, connection, static, sizes[-1], with_holdings=with_holdings)
                ours.append(sizes[-1] / seconds)
                copy.append(sizes[-1] / copied)
            grown = f"{sizes[-1]:,} customers; memory {_resident_mib() - before:+.0f} MiB over {pace.rounds} rounds"
            found.append(
                Measurement(
                    f"import: {work}",
                    "customers/s",
                    ours,
                    "COPY of the finished rows",
                    copy,
                    ">= 0.15",
                    exponent(sizes, took),
                    grown,
                )
            )
        await connection.close()
    return found


def measure(house: House, pace: Pace) -> list[Measurement]:
    """The import and COPY in turn."""
    return uvloop.run(_measure(house, pace))
