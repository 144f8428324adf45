"""The whole service with a real broker: events in, members and their events out."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import date
from typing import Any

import pytest

from kehu_chassis.definition import Runtime
from kehu_chassis.kafka import Kafka, create_topics
from kehu_chassis.testing.events import Deliver
from kehu_chassis.testing.parts import running
from kehu_chassis.worker import Worker
from kehu_contracts.access import Role
from kehu_contracts.base import Contract
from kehu_contracts.topics import TOPICS
from kehu_segmentation.main import DEFINITION

DEADLINE = 60.0


@pytest.fixture
async def worker(worker_runtime: Runtime, kafka: Kafka) -> AsyncIterator[Worker]:
    await create_topics(kafka, [topic for topic in TOPICS if topic.name.startswith("kehu.")])
    worker = Worker(DEFINITION, worker_runtime, kafka=kafka)
    async with running(worker):
        yield worker


async def _until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(DEADLINE):
        while not await condition():  # noqa: ASYNC110  what is waited for happens in other processes
            await asyncio.sleep(0.05)


async def _send(kafka: Kafka, deliver: Deliver, *events: Contract) -> None:
    producer = kafka.producer()
    await producer.start()
    try:
        for event in events:
            message = deliver.message(event)
            headers = {
                "ce_specversion": "1.0",
                "ce_id": str(message.id),
                "ce_type": message.type,
                "ce_source": message.source,
                "ce_subject": message.subject,
                "ce_time": message.time.isoformat(),
                "ce_sequence": str(message.sequence),
                "content-type": "application/json",
            }
            await producer.send_and_wait(
                kafka.physical(message.topic),
                value=message.body,
                key=message.key.encode(),
                headers=[(name, value.encode()) for name, value in headers.items()],
            )
    finally:
        await producer.stop()


async def _read(kafka: Kafka, topic: str, at_least: int) -> list[dict[str, Any]]:
    from aiokafka import TopicPartition  # noqa: PLC0415 - what a plain reader would use.

    reader = kafka.reader()
    await reader.start()
    try:
        name = kafka.physical(topic)
        partitions = await reader._client._wait_on_metadata(name)
        reader.assign([TopicPartition(name, partition) for partition in partitions])
        await reader.seek_to_beginning()
        found: list[dict[str, Any]] = []
        async with asyncio.timeout(DEADLINE):
            while len(found) < at_least:
                for records in (await reader.getmany(timeout_ms=500)).values():
                    found += [
                        {"data": json.loads(record.value), **{name: value.decode() for name, value in record.headers}}
                        for record in records
                    ]
        return found
    finally:
        await reader.stop()


async def test_events_from_the_broker_make_members_and_tell_it_on_the_broker(
    worker: Worker, kafka: Kafka, bank: Any, deliver: Deliver, app_client: Any, rich: Any
) -> None:
    client = await app_client(Role.SYSTEM, Role.MARKETER)
    created = await client.post("/api/v1/segments", json={"code": "rich", "name": "Rich", "rule": rich})
    path = f"/api/v1/segments/{created.json()['segment_id']}"
    assert (await client.post(f"{path}/publications")).status_code == 202

    async def in_force() -> bool:
        return bool((await client.get(f"{path}/publications/1")).json()["state"] == "in_force")

    await _until(in_force)
    customers = [bank.customer() for _ in range(30)]
    accounts = [bank.account(customer.customer_id) for customer in customers]
    balances = [bank.balance(account, date(2026, 3, 1), "250000") for account in accounts]
    await _send(kafka, deliver, *customers, *accounts, *balances)

    async def all_in() -> bool:
        return bool((await client.get(path)).json()["member_count"] == len(customers))

    await _until(all_in)
    told = await _read(kafka, "kehu.segment.v1", at_least=31)
    entered = [event for event in told if event["ce_type"] == "kehu.segment.membership_entered"]
    assert {event["data"]["customer_id"] for event in entered} == {str(customer.customer_id) for customer in customers}
    assert {event["ce_sequence"] for event in told} == {"1"}
    states = await _read(kafka, "kehu.segment-state.v1", at_least=30)
    assert {len(event["data"]["memberships"]) for event in states} == {1}
    assert [consumer.state for consumer in worker.consumers] == ["running"] * 3
