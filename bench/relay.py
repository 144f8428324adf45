"""The relay: what it sends in a second from an outbox that is full, against a producer that has the same bytes in memory."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any

import asyncpg
import uvloop

from bench.customers import STATES, fill_outbox
from bench.house import House
from bench.pace import Pace
from bench.report import Measurement, exponent
from kehu_chassis.database import Database
from kehu_chassis.kafka import Kafka, create_topics
from kehu_chassis.relay import Relay, headers_of
from kehu_contracts.topics import TOPICS
from kehu_customer.main import DEFINITION

__all__ = ["emptied", "measure", "relayed"]


async def emptied(connection: asyncpg.Connection[Any]) -> None:
    """Wait until the relay has sent and deleted everything."""
    while await connection.fetchval("SELECT EXISTS (SELECT FROM customer.outbox)"):  # noqa: ASYNC110  a table tells nobody
        await asyncio.sleep(0.01)


async def relayed(house: House, kafka: Kafka, connection: asyncpg.Connection[Any], count: int) -> float:
    """How many seconds the relay needs for so many new events."""
    database = await Database.connect(house.dsn("customer", "worker"), schema="customer")
    relay = Relay(database, kafka, "customer")
    running = asyncio.create_task(relay.run())
    while not relay.is_active:  # noqa: ASYNC110  the relay has no need to tell anybody
        await asyncio.sleep(0.01)
    await fill_outbox(connection, count)
    began = time.perf_counter()
    relay.wake()
    await emptied(connection)
    seconds = time.perf_counter() - began
    relay.stop()
    await running
    await database.close()
    return seconds


async def _peer(kafka: Kafka, rows: Sequence[Any]) -> float:
    """One who only sends: each message by `send`, with the same settings, and waits for all of them at the end."""
    producer = kafka.producer()
    await producer.start()
    topic = kafka.physical(STATES)
    messages = [(row["key"].encode(), row["body"], headers_of(row, b"urn:kehu:customer")) for row in rows]
    began = time.perf_counter()
    sent = [await producer.send(topic, value, key=key, headers=headers) for key, value, headers in messages]
    await asyncio.gather(*sent)
    seconds = time.perf_counter() - began
    await producer.stop()
    return seconds


async def _measure(house: House, pace: Pace) -> list[Measurement]:
    await house.migrate(DEFINITION)
    kafka = Kafka(house.kafka.bootstrap)
    await create_topics(kafka, TOPICS)
    connection = await asyncpg.connect(house.superuser_dsn)
    sizes = pace.sizes((5_000, 20_000, 80_000), (100, 200, 400))
    await relayed(house, kafka, connection, sizes[0])
    took = [await relayed(house, kafka, connection, size) for size in sizes]
    await fill_outbox(connection, sizes[-1])
    rows = await connection.fetch("DELETE FROM customer.outbox RETURNING *")
    ours, peer = [], []
    for _ in range(pace.rounds):
        ours.append(sizes[-1] / await relayed(house, kafka, connection, sizes[-1]))
        peer.append(sizes[-1] / await _peer(kafka, rows))
    await connection.close()
    return [
        Measurement(
            "relay: a full outbox",
            "events/s",
            ours,
            "aiokafka producer, the same bytes from memory",
            peer,
            ">= 0.6",
            exponent(sizes, took),
            f"{sizes[-1]:,} events of {len(rows[0]['body'])} bytes",
        )
    ]


def measure(house: House, pace: Pace) -> list[Measurement]:
    """Relay and producer in turn."""
    return uvloop.run(_measure(house, pace))
