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
from aiokafka import ConsumerRecord, TopicPartition

from kehu_chassis.clock import FixedClock
from kehu_chassis.database import Database
from kehu_chassis.kafka import Kafka, create_topics
from kehu_chassis.message import Message, from_headers
from kehu_chassis.relay import Relay
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


@asynccontextmanager
async def running(relay: Relay) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(relay.run())
    try:
        yield task
    finally:
        relay.stop()
        await task


@pytest.fixture
def emptied(outbox_rows: OutboxRows, eventually: Eventually) -> Callable[[], Awaitable[None]]:
    async def outbox_is_empty() -> bool:
        return await outbox_rows() == []

    async def wait() -> None:
        await eventually(outbox_is_empty)

    return wait


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
    producer = kafka.producer()
    await producer.start()
    connection = await worker_database.dedicated()
    try:
        rows = await connection.fetch("SELECT * FROM outbox ORDER BY position")
        await relay.send(_WithoutDelete(connection), producer, rows)
    finally:
        await connection.close()
        await producer.stop()
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
    stale = await paused.fetch("SELECT * FROM outbox ORDER BY position")
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
