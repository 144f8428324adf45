"""A projection rebuilt from its topics equals the one that has lived."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from aiokafka.errors import KafkaConnectionError

from kehu_chassis import dead_letters, outbox, timers
from kehu_chassis.clock import FixedClock
from kehu_chassis.consumer import Consumer, Message, Subscription
from kehu_chassis.database import Database, Transaction
from kehu_chassis.delivery import Delivery
from kehu_chassis.inbox import Rebuilding
from kehu_chassis.kafka import Kafka, create_topics
from kehu_chassis.relay import Relay
from kehu_chassis.replay import NotReplayable, TopicLost, rebuild
from kehu_chassis.testing.events import Deliver
from kehu_chassis.testing.parts import running
from kehu_chassis.testing.plugin import Eventually, OutboxRows
from kehu_chassis.testing.probe import TOPIC, Probe
from kehu_chassis.testing.servers import free_port
from kehu_contracts.topics import TOPICS

Live = Callable[[Callable[[], Awaitable[bool]]], Awaitable[None]]


@pytest.fixture
def live(worker_database: Database, kafka: Kafka, probe: Probe, clock: FixedClock, eventually: Eventually) -> Live:
    """Relay and consume what is in the outbox until a condition holds."""

    async def run(condition: Callable[[], Awaitable[bool]]) -> None:
        await create_topics(kafka, [topic for topic in TOPICS if topic.name == TOPIC])
        relay = Relay(worker_database, kafka, "probe")
        consumer = Consumer(worker_database, kafka, "probe", probe.subscription, clock)
        async with running(relay, consumer):
            await eventually(condition)

    return run


@pytest.fixture
async def lived(live: Live, probe: Probe) -> list[dict[str, Any]]:
    """Messages of several customers, consumed as they came; the projection that they left."""
    for n in range(30):
        await probe.state(uuid4(), *(f"{n}-{m}" for m in range(n)))

    async def all_have_come() -> bool:
        return len(await probe.effects()) == sum(range(30))

    await live(all_have_come)
    return await probe.rows("projection")


async def test_a_rebuilt_projection_equals_the_live_one(
    lived: list[dict[str, Any]], worker_database: Database, kafka: Kafka, probe: Probe
) -> None:
    async with worker_database.begin() as tx:
        await tx.connection.execute("UPDATE projection SET value = 'spoiled'")
        await tx.connection.execute("DELETE FROM projection WHERE changes > 20")
    assert await rebuild(worker_database, probe.subscription, kafka) == sum(range(30))
    assert await probe.rows("projection") == lived


async def test_an_empty_schema_is_filled_from_the_topics(
    lived: list[dict[str, Any]], worker_database: Database, kafka: Kafka, probe: Probe
) -> None:
    async with worker_database.begin() as tx:
        for table in ("projection", "effects", "inbox", "inbox_positions"):
            await tx.connection.execute(f"DELETE FROM {table}")  # noqa: S608  names above
    await rebuild(worker_database, probe.subscription, kafka)
    assert await probe.rows("projection") == lived


async def test_a_projection_is_not_emptied_when_the_broker_has_lost_what_it_was_made_of(
    lived: list[dict[str, Any]], worker_database: Database, kafka: Kafka, probe: Probe
) -> None:
    anew = Kafka(kafka.bootstrap, client_id="anew", prefix=f"{kafka.prefix}anew-")
    await create_topics(anew, [topic for topic in TOPICS if topic.name == TOPIC])
    with pytest.raises(TopicLost, match="holds 0 messages; the projection was made of 29 subjects"):
        await rebuild(worker_database, probe.subscription, anew)
    assert await probe.rows("projection") == lived
    assert await rebuild(worker_database, probe.subscription, anew, anyway=True) == 0
    assert await probe.rows("projection") == []


async def test_a_projection_is_not_emptied_when_no_broker_answers(
    lived: list[dict[str, Any]], worker_database: Database, probe: Probe
) -> None:
    away = Kafka(f"127.0.0.1:{free_port()}", client_id="away")
    with pytest.raises(KafkaConnectionError):
        await rebuild(worker_database, probe.subscription, away, anyway=True)
    assert await probe.rows("projection") == lived


@pytest.mark.usefixtures("lived")
async def test_a_rebuild_states_no_event_and_sets_no_timer(
    worker_database: Database, kafka: Kafka, probe: Probe, clock: FixedClock, outbox_rows: OutboxRows
) -> None:
    async def loud(tx: Transaction, messages: Sequence[Message]) -> None:
        await probe.handle(tx, messages)
        for message in messages:
            outbox.add(tx, probe.changed(uuid4(), "again"), at=clock.now(), cause=message)
            await timers.schedule(tx, due_at=clock.now(), kind="loud", key=str(message.id))

    await rebuild(worker_database, probe.with_(handle=loud), kafka)
    assert await outbox_rows() == []
    assert await probe.rows("timers") == []


async def test_the_live_consumer_waits_for_the_rebuild_and_doubles_nothing(
    lived: list[dict[str, Any]], worker_database: Database, kafka: Kafka, probe: Probe, deliver: Deliver
) -> None:
    refused: list[bool] = []

    async def looked_at(tx: Transaction, messages: Sequence[Message]) -> None:
        if not refused:
            with pytest.raises(Rebuilding):
                await deliver(probe.subscription, [deliver.message(probe.changed(uuid4(), "live"))])
            refused.append(True)
        await probe.handle(tx, messages)

    await rebuild(worker_database, probe.with_(handle=looked_at), kafka)
    assert refused == [True]
    assert await probe.rows("projection") == lived


async def test_what_an_operator_has_skipped_stays_out(
    live: Live, worker_database: Database, kafka: Kafka, probe: Probe, clock: FixedClock
) -> None:
    probe.poison = {"!"}
    await probe.state(uuid4(), "a", "!", "b")

    async def has_died() -> bool:
        return await probe.rows("dead_letters") != []

    await live(has_died)
    [letter] = await probe.rows("dead_letters")
    async with worker_database.begin() as tx:
        await dead_letters.skip(tx, letter["dead_letter_id"], actor="operator", reason="broken", at=clock.now())
    await Delivery(worker_database, probe.subscription, clock).settle()
    assert await probe.effects() == ["a", "b"]
    probe.poison = set()
    await rebuild(worker_database, probe.subscription, kafka)
    assert await probe.effects() == ["a", "b"]


async def test_what_is_no_projection_is_not_rebuilt(worker_database: Database, kafka: Kafka, probe: Probe) -> None:
    with pytest.raises(NotReplayable):
        await rebuild(worker_database, Subscription("other", (TOPIC,), probe.handle), kafka)


async def test_the_worker_may_empty_the_projections_of_the_scope_and_no_audit(worker_database: Database) -> None:
    async with worker_database.begin() as tx:
        await tx.connection.execute("TRUNCATE scope_units, scope_staff, scope_subjects")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with worker_database.begin() as tx:
            await tx.connection.execute("TRUNCATE audit")
