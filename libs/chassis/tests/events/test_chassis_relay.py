"""The way from the outbox to the broker, through its crashes, pauses and outages."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from aiokafka import AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaTimeoutError

from kehu_chassis.clock import FixedClock
from kehu_chassis.database import Database
from kehu_chassis.kafka import Kafka, create_topics
from kehu_chassis.message import Message, from_headers
from kehu_chassis.relay import Relay
from kehu_chassis.testing.parts import running
from kehu_chassis.testing.plugin import Eventually, OutboxRows
from kehu_chassis.testing.probe import TOPIC, Probe
from kehu_chassis.testing.servers import free_port
from kehu_contracts.topics import TOPICS


@pytest.fixture
async def topics(kafka: Kafka) -> None:
    await create_topics(kafka, [topic for topic in TOPICS if topic.name == TOPIC])


@pytest.fixture
def relay(worker_database: Database, kafka: Kafka, topics: None) -> Relay:  # noqa: ARG001  the topic must be there
    return Relay(worker_database, kafka, "probe")


@pytest.fixture
def emptied(outbox_rows: OutboxRows, eventually: Eventually) -> Callable[[], Awaitable[None]]:
    async def outbox_is_empty() -> bool:
        return await outbox_rows() == []

    async def wait() -> None:
        await eventually(outbox_is_empty)

    return wait


@asynccontextmanager
async def sender(database: Database, kafka: Kafka) -> AsyncIterator[tuple[asyncpg.Connection, AIOKafkaProducer]]:
    """What a relay sends with, in the hands of the test."""
    connection, producer = await database.dedicated(), kafka.producer()
    await producer.start()
    try:
        yield connection, producer
    finally:
        await connection.close()
        await producer.stop()


async def waiting(connection: asyncpg.Connection) -> list[asyncpg.Record]:
    """The rows of the outbox, as a relay takes them."""
    rows: list[asyncpg.Record] = await connection.fetch("SELECT * FROM outbox ORDER BY position")
    return rows


async def records(kafka: Kafka) -> list[ConsumerRecord]:
    """Everything on the topic, as a plain consumer reads it."""
    reader = kafka.reader()
    await reader.start()
    try:
        places = [TopicPartition(kafka.physical(TOPIC), partition) for partition in range(6)]
        ends = await reader.end_offsets(places)
        reader.assign(places)
        await reader.seek_to_beginning()
        found: list[ConsumerRecord] = []
        while len(found) < sum(ends.values()):
            for batch in (await reader.getmany(timeout_ms=1000)).values():
                found += batch
        return found
    finally:
        await reader.stop()


def read(record: ConsumerRecord) -> Message:
    return from_headers(
        record.headers, key=record.key, body=record.value, topic=TOPIC, partition=record.partition, offset=record.offset
    )


def in_order_once(found: list[ConsumerRecord]) -> dict[str, list[int]]:
    """The sequences per subject as a reader sees them who drops repeated ids."""
    seen: set[UUID] = set()
    sequences: dict[str, list[int]] = defaultdict(list)
    for message in map(read, found):
        if message.id not in seen:
            seen.add(message.id)
            sequences[message.subject].append(message.sequence)
    return dict(sequences)


async def test_an_event_arrives_as_a_cloudevent_and_leaves_the_outbox(
    relay: Relay,
    kafka: Kafka,
    probe: Probe,
    outbox_rows: OutboxRows,
    emptied: Callable[[], Awaitable[None]],
    clock: FixedClock,
) -> None:
    customer = uuid4()
    await probe.state(customer, "a")
    [row] = await outbox_rows()
    async with running(relay):
        await emptied()
    [record] = await records(kafka)
    assert dict(record.headers) == {
        "ce_specversion": b"1.0",
        "ce_id": str(row["id"]).encode(),
        "ce_type": b"kehu.customer.profile_changed",
        "ce_source": b"urn:kehu:probe",
        "ce_time": clock.now().isoformat().replace("+00:00", "Z").encode(),
        "ce_subject": str(customer).encode(),
        "ce_dataschema": b"urn:kehu:schema:kehu.customer.profile_changed:1",
        "ce_sequence": b"1",
        "content-type": b"application/json",
    }
    assert record.key == str(customer).encode()
    assert read(record).parse() == probe.changed(customer, "a")


async def test_thousands_of_events_arrive_in_order_with_nothing_lost(
    relay: Relay, kafka: Kafka, probe: Probe, emptied: Callable[[], Awaitable[None]]
) -> None:
    customers = [uuid4() for _ in range(40)]
    for customer in customers:
        await probe.state(customer, *(f"{n}" * 50 for n in range(130)))
    async with running(relay):
        await emptied()
    assert in_order_once(await records(kafka)) == {str(customer): list(range(1, 131)) for customer in customers}


async def test_a_commit_in_the_same_process_wakes_an_idle_relay(
    relay: Relay, probe: Probe, emptied: Callable[[], Awaitable[None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Relay, "IDLE_POLL", 3600.0)
    monkeypatch.setattr(Relay, "BUSY_POLL", 3600.0)
    async with running(relay):
        await probe.state(uuid4(), "a")
        await emptied()


async def test_a_crash_between_send_and_delete_repeats_the_event_under_its_id(
    relay: Relay,
    kafka: Kafka,
    probe: Probe,
    worker_database: Database,
    emptied: Callable[[], Awaitable[None]],
    outbox_rows: OutboxRows,
) -> None:
    customer = uuid4()
    await probe.state(customer, "a", "b", "c")
    async with sender(worker_database, kafka) as (connection, producer):
        await relay.send(_WithoutDelete(connection), producer, await waiting(connection))
    assert len(await outbox_rows()) == 3
    async with running(relay):
        await emptied()
    found = await records(kafka)
    assert len(found) == 6
    assert in_order_once(found) == {str(customer): [1, 2, 3]}


class _WithoutDelete:
    """A connection of a process that dies before it can delete."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection

    async def execute(self, statement: str, *_: Any) -> None:
        assert statement.startswith("DELETE FROM outbox")


async def test_a_second_relay_waits_and_takes_over(
    relay: Relay,
    kafka: Kafka,
    probe: Probe,
    worker_database: Database,
    emptied: Callable[[], Awaitable[None]],
    eventually: Eventually,
) -> None:
    customer = uuid4()
    second = Relay(worker_database, kafka, "probe")

    async def is_active(one: Relay) -> bool:
        return one.is_active

    async with running(second):
        async with running(relay):
            await eventually(lambda: is_active(relay) if not second.is_active else is_active(second))
            assert relay.is_active != second.is_active
            await probe.state(customer, "a")
            await emptied()
        await eventually(lambda: is_active(second))
        await probe.state(customer, "b")
        await emptied()
    assert in_order_once(await records(kafka)) == {str(customer): [1, 2]}


async def test_a_relay_paused_in_mid_send_writes_late_what_its_successor_wrote(
    relay: Relay, kafka: Kafka, probe: Probe, worker_database: Database, emptied: Callable[[], Awaitable[None]]
) -> None:
    customer = uuid4()
    await probe.state(customer, "a", "b")
    paused = await worker_database.dedicated()
    stale = await waiting(paused)
    # Its session ends while it is paused; another takes over and goes on.
    await paused.close()
    async with running(relay):
        await emptied()
        await probe.state(customer, "c")
        await emptied()
    # It wakes, and its producer sends what it held.
    producer = kafka.producer()
    await producer.start()
    try:
        with pytest.raises(asyncpg.InterfaceError):
            await relay.send(paused, producer, stale)
    finally:
        await producer.stop()
    found = await records(kafka)
    assert [read(record).sequence for record in found] == [1, 2, 3, 1, 2]
    assert in_order_once(found) == {str(customer): [1, 2, 3]}


async def test_the_loss_of_its_session_stops_a_relay_until_it_has_the_lock_again(
    relay: Relay,
    kafka: Kafka,
    probe: Probe,
    postgres: str,
    worker_database: Database,
    eventually: Eventually,
    emptied: Callable[[], Awaitable[None]],
) -> None:
    customer = uuid4()

    async def is_active() -> bool:
        return relay.is_active

    async with running(relay):
        await eventually(is_active)
        admin = await asyncpg.connect(postgres)
        try:
            await admin.execute(
                "SELECT pg_terminate_backend(l.pid) FROM pg_locks l JOIN pg_database d ON d.oid = l.database"
                " WHERE l.locktype = 'advisory' AND d.datname = $1",
                worker_database._dsn.rpartition("/")[2],
            )
        finally:
            await admin.close()
        await probe.state(customer, "a", "b")
        await emptied()
    assert in_order_once(await records(kafka)) == {str(customer): [1, 2]}


class _Hanging(Relay):
    """A relay that takes the lock and never does anything again."""

    async def _relay(self, *_: Any) -> None:
        self.is_active = True
        await asyncio.Event().wait()


async def test_a_relay_that_hangs_loses_its_session_and_is_replaced(
    relay: Relay,
    kafka: Kafka,
    probe: Probe,
    worker_database: Database,
    emptied: Callable[[], Awaitable[None]],
    eventually: Eventually,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("kehu_chassis.relay.LEASE", 1)
    hanging = _Hanging(worker_database, kafka, "probe")

    async def hangs() -> bool:
        return hanging.is_active

    work = asyncio.create_task(hanging.run())
    await eventually(hangs)
    async with running(relay):
        await probe.state(uuid4(), "a")
        await emptied()
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work


class _Listening:
    """A connection that counts the words of who holds it."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection
        self.words = 0
        self.heard = asyncio.Event()

    async def execute(self, statement: str, *values: Any) -> None:
        if statement == "SELECT 1":
            self.words += 1
            if self.words == 3:
                self.heard.set()
        await self._connection.execute(statement, *values)


async def test_a_relay_that_waits_for_a_slow_broker_says_that_it_lives(
    relay: Relay,
    kafka: Kafka,
    probe: Probe,
    worker_database: Database,
    outbox_rows: OutboxRows,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("kehu_chassis.relay.LEASE", 0.03)
    await probe.state(uuid4(), "a")
    async with sender(worker_database, kafka) as (connection, producer):
        listening, send_batch = _Listening(connection), producer.send_batch

        async def slowly(*batch: Any, **place: Any) -> Any:
            # Nothing is acknowledged before the relay has spoken up.
            await listening.heard.wait()
            return await send_batch(*batch, **place)

        monkeypatch.setattr(producer, "send_batch", slowly)
        async with asyncio.timeout(30):
            await relay.send(listening, producer, await waiting(connection))
    assert listening.words >= 3
    assert await outbox_rows() == []


async def test_what_the_broker_takes_leaves_the_outbox_and_what_it_refuses_stays(
    relay: Relay,
    kafka: Kafka,
    probe: Probe,
    worker_database: Database,
    outbox_rows: OutboxRows,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for _ in range(20):
        await probe.state(uuid4(), "a")
    async with sender(worker_database, kafka) as (connection, producer):
        rows, send_batch = await waiting(connection), producer.send_batch

        async def refuse_one(batch: Any, topic: str, *, partition: int) -> Any:
            if partition == 0:
                raise KafkaTimeoutError
            return await send_batch(batch, topic, partition=partition)

        monkeypatch.setattr(producer, "send_batch", refuse_one)
        with pytest.raises(KafkaTimeoutError):
            await relay.send(connection, producer, rows)
    taken = {read(record).id for record in await records(kafka)}
    assert 0 < len(taken) < 20
    assert {row["id"] for row in await outbox_rows()} == {row["id"] for row in rows} - taken


async def test_events_of_one_key_go_to_one_partition_whatever_their_subjects(
    relay: Relay, kafka: Kafka, probe: Probe, worker_database: Database, emptied: Callable[[], Awaitable[None]]
) -> None:
    for _ in range(20):
        await probe.state(uuid4(), "a")
    async with worker_database.begin() as tx:
        await tx.connection.execute("UPDATE outbox SET key = 'one'")
    async with running(relay):
        await emptied()
    found = await records(kafka)
    assert len({read(record).subject for record in found}) == 20
    assert {record.key for record in found} == {b"one"}
    assert len({record.partition for record in found}) == 1


class _Away(Kafka):
    """A broker that does not answer; counts who asked."""

    attempts = 0

    def producer(self) -> Any:
        type(self).attempts += 1
        return super().producer()


async def test_a_broker_that_is_down_stops_no_write_and_the_relay_waits(
    worker_database: Database, probe: Probe, outbox_rows: OutboxRows, eventually: Eventually
) -> None:
    async def has_tried_again() -> bool:
        return _Away.attempts >= 2

    async with running(Relay(worker_database, _Away(f"127.0.0.1:{free_port()}"), "probe")):
        await probe.state(uuid4(), "a")
        await eventually(has_tried_again)
        await probe.state(uuid4(), "b")
    assert len(await outbox_rows()) == 2
