"""Two million events wait in the outbox: how fast the relay drains them, in how much memory, and what writes notice of it."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import asyncpg

from bench.cases import CASES, prepare
from bench.customers import fill_outbox
from bench.house import House
from bench.load import Load, load
from bench.pace import Pace
from bench.report import Measurement
from bench.services import posts, serving
from kehu_chassis.kafka import Kafka, create_topics
from kehu_contracts.topics import TOPICS

__all__ = ["measure"]

CUSTOMER = CASES[0]
ROWS, QUICK_ROWS = 2_000_000, 5_000
_OLDEST = "SELECT min(position) FROM customer.outbox"


def _resident_mib(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096 / 2**20


class _Drain:
    """A worker at its backlog: looks at it now and then, and writes meanwhile when it is asked to."""

    def __init__(self, house: House, port: int, token: str, pace: Pace) -> None:
        self._house = house
        self._port = port
        self._token = token
        self._pace = pace

    def write(self) -> Load:
        """Writes by eight clients for a time."""
        return load(self._port, self._pace.seconds, posts(CUSTOMER, self._token, self._pace.seconds))

    async def rates(self, connection: asyncpg.Connection[Any], pid: int, *, writing: bool) -> tuple[list[float], ...]:
        """Events per second, writes per second and MiB of the worker in each stretch until little is left."""
        drained, written, memory = list[float](), list[float](), list[float]()
        for _ in range(3 * self._pace.rounds):
            before, began = await connection.fetchval(_OLDEST), time.monotonic()
            if writing:
                written.append((await asyncio.to_thread(self.write)).rate)
            else:
                await asyncio.sleep(self._pace.seconds)
            after = await connection.fetchval(_OLDEST)
            if before is None or after is None:
                break
            drained.append((after - before) / (time.monotonic() - began))
            memory.append(_resident_mib(pid))
        return drained, written, memory


async def _measure(house: House, pace: Pace) -> list[Measurement]:
    await prepare(house, CUSTOMER)
    await create_topics(Kafka(house.kafka.bootstrap), TOPICS)
    rows = QUICK_ROWS if pace.quick else ROWS
    environment = house.environment("customer", "worker", 0)
    ready = f"http://127.0.0.1:{environment['CUSTOMER_WORKER_PORT']}/health/ready"
    connection = await asyncpg.connect(house.superuser_dsn, command_timeout=None)
    with serving(house, CUSTOMER) as port:
        drain = _Drain(house, port, CUSTOMER.token(house), pace)
        drain.write()
        with house.process("-m", "kehu_customer", "worker", env=environment, ready=ready):
            calm = [drain.write().rate for _ in range(pace.rounds)]
        await connection.execute("TRUNCATE customer.outbox")
        await fill_outbox(connection, rows)
        with house.process("-m", "kehu_customer", "worker", env=environment, ready=ready) as worker:
            alone, _, memory = await drain.rates(connection, worker.pid, writing=False)
            beside, written, more = await drain.rates(connection, worker.pid, writing=True)
    await connection.close()
    memory += more
    return _rows(rows, calm, alone, beside, written, memory)


def _rows(  # noqa: PLR0913, PLR0917  what was seen
    rows: int, calm: list[float], alone: list[float], beside: list[float], written: list[float], memory: list[float]
) -> list[Measurement]:
    told = f"{rows:,} events; worker {memory[0]:.0f} MiB at first, {memory[-1]:.0f} at last" if memory else ""
    pairs = min(len(calm), len(written))
    return [
        Measurement("backlog: drained", "events/s", alone or [0.0], notes=told),
        Measurement("backlog: drained beside writes", "events/s", beside or [0.0]),
        Measurement(
            "backlog: writes meanwhile",
            "requests/s",
            written[:pairs] or [0.0],
            "writes with an empty outbox" if pairs else "–",
            calm[:pairs],
            ">= 0.67",
        ),
    ]


def measure(house: House, pace: Pace) -> list[Measurement]:
    """A worker that has nothing to do, then one with everything, first alone and then beside writes."""
    return asyncio.run(_measure(house, pace))
