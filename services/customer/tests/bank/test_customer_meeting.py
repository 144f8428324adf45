"""A fact and what it hangs on arrive at the same moment, in two transactions: neither may miss the other."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from kehu_chassis.scope import EVERYTHING
from kehu_chassis.testing.databases import lock_waits
from kehu_customer.sources import keys
from kehu_customer.sources.keys import Kind, SourceKey


async def test_who_waits_is_seen_by_who_comes_while_both_are_under_way(
    bank: Any, eventually: Callable[..., Any]
) -> None:
    async def somebody_waits() -> bool:
        async with bank.database.begin() as tx:
            return await lock_waits(tx.connection) > 0

    party, account = bank.message(bank.party("P1")), bank.message(bank.account("A1", "P1"))
    key = SourceKey("core", "P1")
    async with bank.database.begin(scope=EVERYTHING) as waiting:
        # The account's side has found nobody and is about to park: the party's side has to wait for it.
        assert await keys.find_or_await(waiting, Kind.PARTY, [key]) == {}
        coming = asyncio.create_task(bank.send(party))
        await eventually(somebody_waits)
    await coming
    assert await bank.value("SELECT count(*) FROM customers") == 1
    await bank.send(account)
    assert await bank.value("SELECT count(*) FROM accounts") == 1


@pytest.mark.parametrize("round_number", range(5))
async def test_whatever_the_interleaving_nothing_stays_parked(bank: Any, round_number: int) -> None:
    count = 20
    said = [
        [bank.message(bank.party(f"P{number}")) for number in range(count)],
        [bank.message(bank.account(f"A{number}", f"P{number}")) for number in range(count)],
        [bank.message(bank.transaction(f"T{number}", f"A{number}", "1.00")) for number in range(count)],
    ]
    order = said[round_number % 3 :] + said[: round_number % 3]

    async def sent(messages: list[Any]) -> None:
        for begin in range(0, count, 4):
            await bank.send(*messages[begin : begin + 4])

    await asyncio.gather(*(sent(messages) for messages in order))
    assert await bank.value("SELECT count(*) FROM parked_messages") == 0
    assert await bank.value("SELECT count(*) FROM transactions") == count
    assert await bank.value("SELECT count(*) FROM dead_letters") == 0
