"""The loop between broker and delivery: crashes, rebalances, stops and outages."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from aiokafka import TopicPartition
from aiokafka.client import AIOKafkaClient
from aiokafka.conn import create_conn
from aiokafka.errors import KafkaConnectionError
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.protocol.metadata import MetadataRequest

from kehu_chassis import dead_letters
from kehu_chassis.clock import FixedClock, technical_now
from kehu_chassis.consumer import Consumer, Message, Subscription
from kehu_chassis.database import Database, Transaction
from kehu_chassis.kafka import Kafka, create_topics
from kehu_chassis.operations import request_resume
from kehu_chassis.relay import Relay
from kehu_chassis.testing.databases import ServiceDatabase
from kehu_chassis.testing.parts import running
from kehu_chassis.testing.plugin import Eventually
from kehu_chassis.testing.probe import TOPIC, Probe
from kehu_contracts.topics import TOPICS


@pytest.fixture
async def topics(kafka: Kafka) -> None:
    await create_topics(kafka, [topic for topic in TOPICS if topic.name == TOPIC])


@pytest.fixture
async def relay(worker_database: Database, kafka: Kafka, topics: None) -> AsyncIterator[Relay]:  # noqa: ARG001  first
    """Sends what the tests state, so that messages come by the whole way."""
    part = Relay(worker_database, kafka, "probe")
    async with running(part):
        yield part


Consume = Callable[..., Consumer]


@pytest.fixture
def consumer(worker_database: Database, kafka: Kafka, probe: Probe, clock: FixedClock) -> Consume:
    def make(subscription: Subscription = probe.subscription) -> Consumer:
        return Consumer(worker_database, kafka, "probe", subscription, clock)

    return make


@pytest.fixture
def effects_are(probe: Probe, eventually: Eventually) -> Callable[[list[str]], Awaitable[None]]:
    async def wait(expected: list[str]) -> None:
        async def are() -> bool:
            return await probe.effects() == expected

        await eventually(are)

    return wait


EffectsAre = Callable[[list[str]], Awaitable[None]]


async def committed(kafka: Kafka) -> int:
    """How many messages the group has committed."""
    admin = kafka.admin()
    await admin.start()
    try:
        offsets = await admin.list_consumer_group_offsets(f"{kafka.prefix}kehu.probe.probe")
    finally:
        await admin.close()
    return sum(offset.offset for offset in offsets.values() if offset.offset > 0)


@pytest.mark.usefixtures("relay")
async def test_what_one_service_states_takes_effect_in_another_and_is_committed(
    consumer: Consume, probe: Probe, kafka: Kafka, effects_are: EffectsAre
) -> None:
    customer = uuid4()
    async with running(consumer()):
        await probe.state(customer, "a", "b")
        await effects_are(["a", "b"])
        await probe.state(customer, "c")
        await effects_are(["a", "b", "c"])
    assert await committed(kafka) == 3


@pytest.mark.usefixtures("relay")
async def test_offsets_wait_for_one_another_and_are_committed_at_the_stop(
    consumer: Consume, probe: Probe, kafka: Kafka, effects_are: EffectsAre, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kehu_chassis.consumer.COMMIT_EVERY", 3_600)
    customer = uuid4()
    async with running(consumer()):
        await probe.state(customer, "a")
        await effects_are(["a"])
        await probe.state(customer, "b")
        await effects_are(["a", "b"])
        assert await committed(kafka) <= 1
    assert await committed(kafka) == 2


@pytest.mark.usefixtures("relay")
async def test_a_consumer_that_starts_again_goes_on_where_it_was(
    consumer: Consume, probe: Probe, effects_are: EffectsAre
) -> None:
    customer = uuid4()
    async with running(consumer()):
        await probe.state(customer, "a")
        await effects_are(["a"])
    probe.batches.clear()
    await probe.state(customer, "b")
    async with running(consumer()):
        await effects_are(["a", "b"])
    assert probe.batches == [["b"]]


DIES_BEFORE_ITS_COMMIT = """
import asyncio, sys
from kehu_chassis.clock import FixedClock
from kehu_chassis.consumer import Consumer
from kehu_chassis.database import Database
from kehu_chassis.kafka import Kafka
from kehu_chassis.testing.probe import Probe

class Stuck(Consumer):
    async def _commit(self, consumer, offsets):
        print("effect committed", flush=True)
        await asyncio.Event().wait()

async def main(dsn, bootstrap, prefix):
    database = await Database.connect(dsn, schema="probe")
    clock = FixedClock()
    probe = Probe(database, clock)
    await Stuck(database, Kafka(bootstrap, prefix=prefix, session_timeout=6.0), "probe", probe.subscription, clock).run()

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.mark.usefixtures("relay")
async def test_a_worker_killed_between_effect_and_offset_commit_leaves_one_effect(
    consumer: Consume, probe: Probe, kafka: Kafka, service_database: ServiceDatabase, effects_are: EffectsAre
) -> None:
    customer = uuid4()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        DIES_BEFORE_ITS_COMMIT,
        service_database.dsn("worker"),
        kafka.bootstrap,
        kafka.prefix,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        await probe.state(customer, "a", "b")
        async with asyncio.timeout(30):
            assert await process.stdout.readline() == b"effect committed\n"
    finally:
        os.kill(process.pid, signal.SIGKILL)
        await process.wait()
    assert await committed(kafka) == 0
    await effects_are(["a", "b"])
    await probe.state(customer, "c")
    async with running(consumer()):
        await effects_are(["a", "b", "c"])


@pytest.mark.usefixtures("relay")
async def test_a_group_that_rebalances_in_mid_batch_doubles_nothing(
    consumer: Consume, probe: Probe, kafka: Kafka, effects_are: EffectsAre
) -> None:
    working, may_finish = asyncio.Event(), asyncio.Event()

    async def slowly(tx: Transaction, messages: Sequence[Message]) -> None:
        await probe.handle(tx, messages)
        working.set()
        await may_finish.wait()

    customer = uuid4()
    await probe.state(customer, "a", "b")
    async with running(consumer(probe.with_(handle=slowly))):
        async with asyncio.timeout(30):
            await working.wait()
        # The other takes the partition over and is given the same messages; its claim waits for the first to end.
        async with running(consumer()):
            may_finish.set()
            await effects_are(["a", "b"])
            await probe.state(customer, "c")
            await effects_are(["a", "b", "c"])
    assert await committed(kafka) == 3


@pytest.mark.usefixtures("relay")
async def test_a_client_that_has_stopped_to_fetch_is_replaced(
    consumer: Consume, probe: Probe, effects_are: EffectsAre, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken: list[int] = []
    send = AIOKafkaClient.send

    async def breaks_once(self: AIOKafkaClient, node_id: int, request: Any, **options: Any) -> Any:
        if isinstance(request, FetchRequest) and not broken:
            broken.append(node_id)
            raise RuntimeError("the handler is closed")
        return await send(self, node_id, request, **options)

    monkeypatch.setattr(AIOKafkaClient, "send", breaks_once)
    await probe.state(uuid4(), "a")
    async with running(consumer()):
        await effects_are(["a"])
    assert broken


async def test_a_connection_that_is_closed_under_the_client_is_an_outage_whatever_the_loop_says(kafka: Kafka) -> None:
    host, _, port = kafka.bootstrap.partition(":")
    connection = await create_conn(host, int(port))

    def refuses(_: bytes) -> None:
        raise RuntimeError("unable to perform operation; the handler is closed")

    connection._writer.write = refuses
    with pytest.raises(KafkaConnectionError):
        connection.send(MetadataRequest([]))
    assert not connection.connected()
    await connection.close()


async def test_a_commit_that_the_group_no_longer_takes_is_no_failure(
    consumer: Consume, kafka: Kafka, topics: None
) -> None:
    _ = topics
    stranger = kafka.consumer("kehu.probe.probe", [TOPIC], max_batch=10)
    await stranger.start()
    try:
        await consumer()._commit(stranger, {TopicPartition("nobody.has.this", 0): 5})
    finally:
        await stranger.stop()


@pytest.mark.usefixtures("relay")
async def test_a_consumer_stopped_by_dead_letters_says_so_and_resumes_when_told(
    consumer: Consume, probe: Probe, database: Database, eventually: Eventually
) -> None:
    probe.poison = {"!"}
    for _ in range(4):
        await probe.state(uuid4(), "!")
    part = consumer(probe.with_(dead_letter_limit=2))

    async def is_stopped() -> bool:
        states = await probe.rows("consumer_states")
        return [row["state"] for row in states] == ["stopped"]

    async with running(part):
        await eventually(is_stopped)
        [state] = await probe.rows("consumer_states")
        assert state["reason"] == "3 messages died within 0:05:00"
        await probe.state(uuid4(), "a")
        probe.poison = set()
        async with database.begin() as tx:
            await tx.connection.execute("UPDATE dead_letters SET died_at = died_at - interval '1 hour'")
            assert await request_resume(tx, "probe") is True
            assert await request_resume(tx, "nobody") is False
        await effects_are_in_any_order(probe, eventually, ["!", "a"])
        assert part.state == "running"


@pytest.mark.usefixtures("relay")
@pytest.mark.parametrize("limit", [0, 20], ids=["stopped", "at work"])
async def test_a_consumer_redrives_what_it_is_asked_to(
    consumer: Consume,
    probe: Probe,
    database: Database,
    clock: FixedClock,
    eventually: Eventually,
    effects_are: EffectsAre,
    limit: int,
) -> None:
    probe.poison = {"!"}
    await probe.state(uuid4(), "!")

    async def has_died() -> bool:
        return bool(await probe.rows("dead_letters"))

    async with running(consumer(probe.with_(dead_letter_limit=limit))):
        await eventually(has_died)
        probe.poison = set()
        [letter] = await probe.rows("dead_letters")
        async with database.begin() as tx:
            await dead_letters.redrive(tx, letter["dead_letter_id"], actor="operator", reason="mended", at=clock.now())
        await effects_are(["!"])


async def effects_are_in_any_order(probe: Probe, eventually: Eventually, expected: list[str]) -> None:
    async def are() -> bool:
        return sorted(await probe.effects()) == expected

    await eventually(are)


@pytest.mark.usefixtures("relay")
async def test_lag_is_reported(consumer: Consume, probe: Probe, database: Database, eventually: Eventually) -> None:
    await probe.state(uuid4(), "a", "b")

    async def is_reported() -> bool:
        return [(row["state"], row["lag"]) for row in await probe.rows("consumer_states")] == [("running", 0)]

    async with running(consumer()):
        await eventually(is_reported)
    assert await probe.effects() == ["a", "b"]
    [share] = await probe.rows("consumer_lags")
    assert (share["subscription"], share["lag"]) == ("probe", 0)
    # Another worker takes part, and the first has not been heard of for over a minute.
    async with database.begin() as tx:
        await tx.connection.execute("UPDATE consumer_lags SET reported_at = reported_at - interval '2 minutes'")
    await consumer()._report(4)
    assert [row["lag"] for row in await probe.rows("consumer_lags")] == [4]


@pytest.mark.usefixtures("relay")
async def test_the_last_message_of_a_topic_is_noted_by_the_brokers_clock_and_never_taken_back(
    consumer: Consume, probe: Probe, eventually: Eventually
) -> None:
    began = technical_now()
    await probe.state(uuid4(), "a", "b")

    async def is_noted() -> bool:
        return [row["topic"] for row in await probe.rows("last_messages")] == [TOPIC]

    async with running(consumer()):
        await eventually(is_noted)
    [noted] = await probe.rows("last_messages")
    assert began - timedelta(seconds=1) < noted["written_at"] <= technical_now()
    # This worker has other partitions of the topic, and what it took there is older.
    part = consumer()
    part._last[TOPIC] = noted["written_at"] - timedelta(hours=1)
    await part._report(0)
    assert await probe.rows("last_messages") == [noted]


@pytest.mark.usefixtures("relay")
async def test_a_database_that_goes_away_is_waited_for(
    consumer: Consume, probe: Probe, effects_are: EffectsAre
) -> None:
    failures = [ConnectionError("gone"), TimeoutError("slow"), ConnectionError("gone")]

    async def at_last(tx: Transaction, messages: Sequence[Message]) -> None:
        if failures:
            raise failures.pop()
        await probe.handle(tx, messages)

    await probe.state(uuid4(), "a")
    async with running(consumer(probe.with_(handle=at_last))):
        await effects_are(["a"])
    assert await probe.rows("dead_letters") == []
