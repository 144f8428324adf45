"""From a write in the customer service to its effect in the complaints service, each step in a process of its own.

A writer commits events at a steady pace, the customer service's whole worker relays them, a consumer applies them. The time runs
from just before the write's transaction to just after the commit of the effect.
"""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import sys
import time

from bench.house import ROOT, House
from bench.inbox import Batch, consuming
from bench.pace import Pace
from bench.report import Measurement, exponent
from kehu_chassis.kafka import Kafka, create_topics
from kehu_chassis.testing.servers import free_port
from kehu_complaints.main import DEFINITION as COMPLAINTS
from kehu_contracts.topics import TOPICS
from kehu_customer.main import DEFINITION as CUSTOMER

__all__ = ["measure"]

BUDGETED_RATE = 300


def _delays(house: House, taken: list[Batch], rate: int, seconds: float) -> list[float]:
    """Milliseconds from write to effect of so many events a second."""
    before, count = len(_told(taken)), int(rate * seconds)
    command = [sys.executable, "-m", "bench.writer", house.dsn("customer", "api"), str(rate), str(count / rate)]
    subprocess.run(command, cwd=ROOT, check=True)
    deadline = time.monotonic() + 60
    while len(_told(taken)) < before + count:
        if time.monotonic() > deadline:
            raise RuntimeError(f"{len(_told(taken)) - before} of {count} events took effect")
        time.sleep(0.1)
    return _told(taken)[before:]


def _told(taken: list[Batch]) -> list[float]:
    return [delay for batch in list(taken) for delay in batch.delays]


async def _prepare(house: House) -> None:
    for definition in (CUSTOMER, COMPLAINTS):
        await house.migrate(definition)
    await create_topics(Kafka(house.kafka.bootstrap), TOPICS)


def measure(house: House, pace: Pace) -> list[Measurement]:
    """The way of events at a third of the pace, at the pace and at three times the pace that the budget names."""
    asyncio.run(_prepare(house))
    rates = pace.sizes((BUDGETED_RATE // 3, BUDGETED_RATE, 3 * BUDGETED_RATE), (20, 40, 80))
    port = free_port()
    environment = house.environment("customer", "worker", port)
    ready = f"http://127.0.0.1:{environment['CUSTOMER_WORKER_PORT']}/health/ready"
    p50, p99 = [], []
    with (
        house.process("-m", "kehu_customer", "worker", env=environment, ready=ready),
        consuming(house, {"CONSUME_DELAYS": "1"}) as batches,
    ):
        (taken,) = batches
        # The first events wait until the consumer has joined its group.
        _delays(house, taken, rates[1], 2 * pace.seconds)
        medians = [statistics.median(_delays(house, taken, rate, 2 * pace.seconds)) for rate in rates]
        for _ in range(pace.rounds):
            delays = statistics.quantiles(_delays(house, taken, rates[1], 4 * pace.seconds), n=100)
            p50.append(delays[49])
            p99.append(delays[98])
    grows = exponent(rates, medians)
    told = f"{rates[1]} events/s; exponent over {rates[0]} to {rates[2]} events/s"
    return [
        Measurement("outbox to effect: p50", "ms", p50, budget="<= 20 ms", exponent=grows, notes=told),
        Measurement("outbox to effect: p99", "ms", p99, budget="<= 100 ms"),
    ]
