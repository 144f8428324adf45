"""The inbox: one consumer and a group of two, against one file with the same statements; and the way from write to effect.

The consumer is the chassis's, with the subscription by which the complaints service keeps the units of customers. It and the
peer (both in `bench/consume.py`) read the same topic from its beginning in groups of their own, and write the same tables.
"""

from __future__ import annotations

import asyncio
import json
import os
import pickle
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, cast
from uuid import uuid4

import asyncpg
import uvloop

from bench.customers import message, state
from bench.house import ROOT, House
from bench.pace import Pace
from bench.relay import relayed
from bench.report import Measurement, exponent
from bench.statements import RecordedDatabase
from kehu_chassis.clock import SystemClock
from kehu_chassis.delivery import Delivery
from kehu_chassis.kafka import Kafka, create_topics
from kehu_complaints.directory.consumers import CUSTOMERS
from kehu_complaints.main import DEFINITION as COMPLAINTS
from kehu_contracts.topics import TOPICS
from kehu_customer.main import DEFINITION as CUSTOMER

__all__ = ["Batch", "consuming", "measure"]

MOST_SECONDS = 120
OURS: Mapping[str, str] = {}


@dataclass(frozen=True)
class Batch:
    """One transaction of a consumer."""

    began: float
    ended: float
    count: int
    delays: list[float]


@contextmanager
def consuming(house: House, options: Mapping[str, str], *, workers: int = 1) -> Iterator[list[list[Batch]]]:
    """Consumers of one group, each a process; gives the batches of each as they come."""
    environment = {
        **os.environ,
        "CONSUME_NAME": uuid4().hex,
        "CONSUME_DSN": house.dsn("complaints", "worker"),
        "CONSUME_KAFKA": house.kafka.bootstrap,
        **options,
    }
    command = [sys.executable, "-m", "bench.consume"]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, cwd=ROOT) for _ in range(workers)]
    taken: list[list[Batch]] = [[] for _ in processes]

    def read(process: subprocess.Popen[bytes], batches: list[Batch]) -> None:
        lines = cast("Any", process.stdout)
        batches.extend(Batch(**json.loads(line)) for line in lines if line.startswith(b'{"began"'))

    readers = [threading.Thread(target=read, args=pair) for pair in zip(processes, taken, strict=True)]
    for reader in readers:
        reader.start()
    try:
        yield taken
    finally:
        for process in processes:
            process.kill()
            process.wait()
        for reader in readers:
            reader.join()


def _taken(batches: list[list[Batch]]) -> int:
    return sum(batch.count for each in batches for batch in each)


async def _rate(house: House, count: int, options: Mapping[str, str] = OURS, *, workers: int = 1) -> float:
    """Messages in a second, while all workers of the group were at it."""
    connection = await asyncpg.connect(house.superuser_dsn)
    await connection.execute("TRUNCATE complaints.scope_subjects")
    await connection.close()
    deadline = time.monotonic() + MOST_SECONDS
    with consuming(house, options, workers=workers) as batches:
        while _taken(batches) < count:
            if time.monotonic() > deadline:
                raise RuntimeError(f"{_taken(batches)} of {count} messages were taken")
            await asyncio.sleep(0.05)
    began = max(each[0].began for each in batches if each)
    ended = min(each[-1].ended for each in batches if each)
    within = [batch for each in batches for batch in each if batch.began >= began and batch.ended <= ended]
    return sum(batch.count for batch in within) / (ended - began)


async def _statements(house: House) -> str:
    """What ours sends for a batch."""
    database = await RecordedDatabase.connect(house.dsn("complaints", "worker"), schema="complaints")
    database.heard = []
    await Delivery(database, replace(CUSTOMERS, name="recorded"), SystemClock()).batch([message(state(uuid4()))])
    await database.close()
    return pickle.dumps([said.sql for said in database.heard[1:3]]).hex()


async def _measure(house: House, pace: Pace) -> list[Measurement]:
    for definition in (CUSTOMER, COMPLAINTS):
        await house.migrate(definition)
    kafka = Kafka(house.kafka.bootstrap)
    await create_topics(kafka, TOPICS)
    as_peer = {"CONSUME_PEER": "1", "CONSUME_STATEMENTS": await _statements(house)}
    connection = await asyncpg.connect(house.superuser_dsn)
    sizes = pace.sizes((5_000, 20_000, 80_000), (100, 200, 400))
    sent, took = 0, []
    for size in sizes:
        await relayed(house, kafka, connection, size - sent)
        sent = size
        took.append(size / await _rate(house, size))
    await connection.close()
    ours, peer, two = [], [], []
    for _ in range(pace.rounds):
        ours.append(await _rate(house, sent))
        peer.append(await _rate(house, sent, as_peer))
        two.append(await _rate(house, sent, workers=1 if pace.quick else 2))
    messages = f"{sent:,} messages, batches of at most 1,000"
    cores = os.cpu_count() or 1
    enough = "" if cores > 4 else f"{cores} cores for two workers, PostgreSQL and broker: not enough to tell"
    return [
        Measurement(
            "inbox: one worker",
            "messages/s",
            ours,
            "one file of aiokafka + asyncpg",
            peer,
            ">= 0.6",
            exponent(sizes, took),
            messages,
        ),
        Measurement("inbox: two workers of a group", "messages/s", two, "one worker", ours, ">= 1.6", notes=enough),
    ]


def measure(house: House, pace: Pace) -> list[Measurement]:
    """One worker, the peer and two workers in turn."""
    return uvloop.run(_measure(house, pace))
