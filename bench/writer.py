"""Writes events at a steady pace, as an api does: `python -m bench.writer DSN EVENTS_PER_SECOND SECONDS`."""

from __future__ import annotations

import asyncio
import sys
import time

import uvloop

from bench.customers import state
from kehu_chassis import outbox
from kehu_chassis.clock import technical_now
from kehu_chassis.columns import new_id
from kehu_chassis.database import Database


async def write(dsn: str, pace: float, seconds: float) -> None:
    """One transaction for each event; one that is late is not waited for."""
    database = await Database.connect(dsn, schema="customer", max_size=20)

    async def one() -> None:
        async with database.begin() as tx:
            outbox.add(tx, state(new_id()), at=technical_now())

    began = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for number in range(int(pace * seconds)):
            await asyncio.sleep(max(0.0, began + number / pace - time.perf_counter()))
            group.create_task(one())
    await database.close()


if __name__ == "__main__":
    uvloop.run(write(sys.argv[1], float(sys.argv[2]), float(sys.argv[3])))
