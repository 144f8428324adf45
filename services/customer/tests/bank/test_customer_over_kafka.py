"""The whole way on a real broker: the bank's topics, the worker, and a consumer that has none of our code."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.structs import TopicPartition

from kehu_chassis.definition import Runtime, ServiceDefinition
from kehu_chassis.kafka import Kafka, create_topics
from kehu_chassis.message import Message
from kehu_chassis.replay import rebuild
from kehu_chassis.testing.parts import running
from kehu_chassis.worker import Worker
from kehu_contracts.topics import TOPICS
from kehu_customer.timeline.consumers import TIMELINE

Eventually = Callable[..., Any]


def headers(message: Message) -> list[tuple[str, bytes]]:
    named = {
        "ce_specversion": "1.0",
        "ce_id": str(message.id),
        "ce_type": message.type,
        "ce_source": message.source,
        "ce_time": message.time.isoformat(),
        "ce_subject": message.subject,
        "ce_sequence": str(message.sequence),
    }
    return [(name, value.encode()) for name, value in named.items()]


async def produce(kafka: Kafka, messages: list[Message]) -> None:
    producer = kafka.producer()
    await producer.start()
    try:
        for message in messages:
            await producer.send_and_wait(
                kafka.physical(message.topic), message.body, key=message.key.encode(), headers=headers(message)
            )
    finally:
        await producer.stop()


async def read_all(kafka: Kafka, topic: str) -> list[tuple[dict[str, str], dict[str, Any]]]:
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka.bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    try:
        name = kafka.physical(topic)
        partitions = [TopicPartition(name, number) for number in await _partitions(consumer, name)]
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        found = []
        while any([await consumer.position(partition) < ends[partition] for partition in partitions]):
            for records in (await consumer.getmany(timeout_ms=500)).values():
                found += [
                    ({key: value.decode() for key, value in record.headers}, json.loads(record.value))
                    for record in records
                ]
        return found
    finally:
        await consumer.stop()


async def _partitions(consumer: AIOKafkaConsumer, topic: str) -> set[int]:
    await consumer._client.force_metadata_update()
    return consumer.partitions_for_topic(topic) or set()


@pytest.fixture
async def topics(kafka: Kafka) -> None:
    # Two partitions show all that six would, and are made sooner.
    await create_topics(kafka, [replace(topic, partitions=min(topic.partitions, 2)) for topic in TOPICS])


async def test_children_first_repeated_and_with_poison_everything_stands_once(
    bank_of: Callable[[], Any],
    definition: ServiceDefinition,
    worker_runtime: Runtime,
    kafka: Kafka,
    topics: None,  # noqa: ARG001  must stand before the worker subscribes
    eventually: Eventually,
) -> None:
    bank = bank_of()
    said = [
        bank.unit("HO"),
        bank.unit("B1", "HO"),
        bank.staff("M1", "B1"),
        *(bank.party(f"P{number}", "B1", rm_staff_number="M1") for number in range(5)),
        *(bank.account(f"A{number}", f"P{number}") for number in range(5)),
        bank.opening("O1", "P1", "A1"),
        *(
            bank.transaction(f"T{number}", f"A{number % 5}", "10.25", position=number, balance_after=Decimal(number))
            for number in range(50)
        ),
    ]
    messages = [bank.message(each) for each in said]
    for place, message in enumerate(messages):
        if message.type == "bank.transaction.posted":
            messages[place] = replace(message, key=json.loads(message.body)["account_source_id"])
    poison = replace(messages[-10], id=uuid4(), key="A0", subject="T-poison", body=b'{"amount": "many"}')
    twice = [replace(message, id=uuid4()) for message in messages[5:30]]
    await produce(kafka, [*reversed(messages), poison, *messages, *twice])

    async def settled() -> bool:
        counts = await bank.rows(
            "SELECT (SELECT count(*) FROM transactions) AS transactions, (SELECT count(*) FROM accounts) AS accounts,"
            " (SELECT count(*) FROM parked_messages) AS waiting, (SELECT count(*) FROM outbox) AS leaving,"
            " (SELECT count(*) FROM timeline_entries) AS entries, (SELECT count(*) FROM dead_letters) AS dead"
        )
        # Five registrations, five accounts opened, one product opened.
        expected = {"transactions": 50, "accounts": 5, "waiting": 0, "leaving": 0, "entries": 11, "dead": 1}
        return bool(counts == [expected])

    async with running(Worker(definition, worker_runtime, kafka=kafka)):
        await eventually(settled)

    told = await read_all(kafka, "kehu.holding.v1")
    posted = [body for header, body in told if header["ce_type"] == "kehu.holding.transaction_posted"]
    assert sum(Decimal(body["amount"]) for body in posted) == Decimal("512.50")
    assert len({body["transaction_id"] for body in posted}) == len(posted) == 50
    by_subject = defaultdict(list)
    for header, _ in told:
        by_subject[header["ce_subject"]].append(int(header["ce_sequence"]))
    assert len(by_subject) == 5
    assert all(numbers == list(range(1, len(numbers) + 1)) for numbers in by_subject.values())
    balances = await bank.rows("SELECT source_id, moved_balance FROM accounts ORDER BY 1")
    assert [row["moved_balance"] for row in balances] == [Decimal(number) for number in range(45, 50)]

    entries = "SELECT customer_id, occurred_at, entry_id, type, attributes FROM timeline_entries ORDER BY 1, 2, 3"
    before = await bank.rows(entries)
    await rebuild(bank.database, TIMELINE, kafka)
    assert await bank.rows(entries) == before
    assert await bank.value("SELECT count(*) FROM outbox") == 0
