"""Sends what the outbox holds, in its order, and deletes what the broker has acknowledged.

One relay per service is active: it holds a session lock on the same connection with which it reads and deletes, so a
relay that has lost the lock can no longer take anything. PostgreSQL ends that session when nothing was heard from it for
`LEASE` seconds, so a relay that hangs is replaced. What a paused relay had already handed to its producer may still
arrive after its successor wrote the same: consumers drop it by id and by sequence.

Events of one partition go out in one batch at a time, which arrives whole or not at all, and the next follows only when
the broker has it: an event is never overtaken by a later one of its key.

A stop hardly waits for a broker that is away: what was not acknowledged stays in the outbox, and is sent by the next.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Mapping, Sequence
from datetime import UTC
from functools import lru_cache
from typing import Any, Final

import asyncpg
import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from aiokafka.partitioner import murmur2
from opentelemetry.trace import SpanKind

from kehu_chassis import metrics
from kehu_chassis.database import TRANSIENT, Database
from kehu_chassis.failures import describe, pause, until_stopped
from kehu_chassis.kafka import Kafka
from kehu_chassis.tracing import is_sampled, record_ended

__all__ = ["Relay"]

log = structlog.get_logger(__name__)

LEASE: Final = 15
"""Seconds without a word after which PostgreSQL ends the session of a relay."""

_OUTAGE: Final[tuple[type[Exception], ...]] = (
    *TRANSIENT,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    KafkaError,
)

Header = tuple[str, bytes]
Lane = tuple[str, int]
"""Topic on the broker and partition."""

_TAKE: Final = "SELECT * FROM outbox ORDER BY position LIMIT $1"
_LOCK: Final = "SELECT pg_try_advisory_lock(hashtextextended(current_schema() || '/relay', 0))"
_DELETE: Final = "DELETE FROM outbox WHERE position = ANY ($1::bigint[])"


class Relay:
    """The relay of one service. `run` until `stop`; `is_active` tells whether this process holds the lock."""

    BATCH: Final = 2_000
    BUSY_POLL: Final = 0.01
    IDLE_POLL: Final = 0.1
    """Longest pause between looks at an empty outbox: what another process wrote after a quiet time waits so long."""

    def __init__(self, database: Database, kafka: Kafka, service: str) -> None:
        self._database = database
        self._kafka = kafka
        self._source = f"urn:kehu:{service}".encode()
        self._stopping = asyncio.Event()
        self.is_active = False

    def stop(self) -> None:
        """Finish the batch under way and send no more."""
        self._stopping.set()
        self.wake()

    def wake(self) -> None:
        """Look at the outbox now."""
        self._database.written.set()

    async def run(self) -> None:
        """Send until stopped; broker and database may come and go."""
        failures = 0
        while not self._stopping.is_set():
            try:
                async with contextlib.AsyncExitStack() as stack:
                    connection = await self._database.dedicated(idle_session_timeout=f"{LEASE}s")
                    stack.push_async_callback(_close, connection)
                    if await connection.fetchval(_LOCK):
                        producer = self._kafka.producer()
                        stack.push_async_callback(self._let_go, producer)
                        await until_stopped(producer.start(), self._stopping)
                        failures = 0
                        await self._relay(connection, producer)
                    else:
                        # Another process is at work; should it end, its lock is free within two seconds.
                        await pause(0, self._stopping, shortest=2)
            except _OUTAGE as error:
                failures += 1
                metrics.RELAY_ERRORS.labels(cause=type(error).__name__).inc()
                log.warning("relay.waiting", cause=describe(error))
                await pause(failures, self._stopping)
            finally:
                self._is_active(active=False)

    async def _let_go(self, producer: AIOKafkaProducer) -> None:
        try:
            await until_stopped(producer.stop(), self._stopping)
        except (KafkaError, TimeoutError) as error:
            # An idempotent producer does not give up what it was handed.
            log.warning("relay.producer_cut_off", cause=describe(error))

    def _is_active(self, *, active: bool) -> None:
        self.is_active = active
        metrics.RELAY_ACTIVE.set(active)

    async def _relay(self, connection: asyncpg.Connection, producer: AIOKafkaProducer) -> None:
        self._is_active(active=True)
        idle = self.BUSY_POLL
        while not self._stopping.is_set():
            self._database.written.clear()
            rows = await connection.fetch(_TAKE, self.BATCH)
            if rows:
                await self.send(connection, producer, rows)
                idle = self.BUSY_POLL
            if len(rows) < self.BATCH:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(idle):
                        await self._database.written.wait()
                idle = min(self.IDLE_POLL, idle * 1.5)

    async def send(self, connection: asyncpg.Connection, producer: AIOKafkaProducer, rows: Sequence[Any]) -> None:
        """Send rows of the outbox and delete what was acknowledged.

        Raises:
            KafkaError: some were not; what was is deleted.
        """
        lanes: dict[Lane, list[Any]] = {}
        for row in rows:
            topic = self._kafka.physical(row["topic"])
            partitions = len(producer.client.cluster.partitions_for_topic(topic) or ())
            if not partitions:
                partitions = len(await until_stopped(producer.partitions_for(topic), self._stopping))
            lanes.setdefault((topic, _partition(row["key"], partitions)), []).append(row)
        sending = [asyncio.create_task(self._send_lane(producer, lane, waiting)) for lane, waiting in lanes.items()]
        try:
            await until_stopped(_acknowledged(connection, sending), self._stopping)
        except TimeoutError:
            log.warning("relay.batch_cut_off", events=len(rows))
        finally:
            for task in sending:
                task.cancel()
            outcomes = await asyncio.gather(*sending, return_exceptions=True)
        sent = [position for outcome in outcomes if isinstance(outcome, list) for position in outcome]
        if sent:
            await connection.execute(_DELETE, sent)
            metrics.RELAYED.inc(len(sent))
        for outcome in outcomes:
            if isinstance(outcome, Exception):
                raise outcome

    async def _send_lane(self, producer: AIOKafkaProducer, lane: Lane, rows: Sequence[Any]) -> list[int]:
        topic, partition = lane
        sent: list[int] = []
        remaining = iter(rows)
        row = next(remaining, None)
        while row is not None:
            batch = producer.create_batch()
            positions: list[int] = []
            traced: list[str] = []
            while row is not None and self._append(batch, row):
                positions.append(row["position"])
                if is_sampled(row["traceparent"]):
                    traced.append(row["traceparent"])
                row = next(remaining, None)
            if not positions:
                raise KafkaError(f"an event of {topic} is larger than a batch may be")
            started = time.time_ns()
            acknowledged = await producer.send_batch(batch, topic, partition=partition)
            await acknowledged
            sent += positions
            for traceparent in traced:
                record_ended(
                    f"send {self._kafka.logical(topic)}",
                    traceparent,
                    SpanKind.PRODUCER,
                    started_ns=started,
                    attributes={"messaging.system": "kafka", "messaging.destination.partition.id": partition},
                )
        return sent

    def _append(self, batch: Any, row: Any) -> bool:
        appended = batch.append(
            timestamp=None, key=row["key"].encode(), value=row["body"], headers=headers_of(row, self._source)
        )
        return appended is not None


def headers_of(row: Mapping[str, Any], source: bytes) -> list[Header]:
    """The headers of a CloudEvent in Kafka's binary mode."""
    headers = [
        ("ce_specversion", b"1.0"),
        ("ce_id", str(row["id"]).encode()),
        ("ce_type", row["type"].encode()),
        ("ce_source", source),
        ("ce_time", row["time"].astimezone(UTC).isoformat().replace("+00:00", "Z").encode()),
        ("ce_subject", row["subject"].encode()),
        ("ce_dataschema", row["schema"].encode()),
        ("ce_sequence", b"%d" % row["sequence"]),
        ("content-type", b"application/json"),
    ]
    if row["traceparent"]:
        headers.append(("traceparent", row["traceparent"].encode()))
    return headers


# The driver's hash is written in Python; the keys of one batch repeat.
@lru_cache(maxsize=50_000)
def _partition(key: str, partitions: int) -> int:
    return int(murmur2(key.encode()) & 0x7FFFFFFF) % partitions


async def _acknowledged(connection: asyncpg.Connection, sending: Sequence[asyncio.Task[list[int]]]) -> None:
    # A word now and then while the broker is slow, or PostgreSQL would take us for dead.
    while (await asyncio.wait(sending, timeout=LEASE / 3))[1]:
        await connection.execute("SELECT 1")


async def _close(connection: asyncpg.Connection) -> None:
    try:
        await connection.close(timeout=2)
    except (OSError, TimeoutError, asyncpg.InterfaceError, asyncpg.PostgresError):
        connection.terminate()
