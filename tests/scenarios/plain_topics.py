"""Reads every message that topics hold: `python plain_topics.py BOOTSTRAP TOPIC…` prints each as a line of JSON.

It needs aiokafka alone, so it also runs where nothing else of these tests is: inside a suite of containers.
"""

from __future__ import annotations

import asyncio
import base64
import json
import sys
from collections.abc import AsyncIterator, Iterable
from dataclasses import asdict, dataclass
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient


@dataclass(frozen=True)
class Record:
    """One message as it stands on the topic."""

    topic: str
    partition: int
    offset: int
    key: str | None
    headers: dict[str, str]
    body: bytes

    @property
    def place(self) -> str:
        return f"{self.topic}[{self.partition}]@{self.offset}"


async def read_all(bootstrap: str, topics: Iterable[str]) -> list[Record]:
    """Every message from the beginning to the end that the topics have now, topic by topic."""
    return [record for topic in topics async for record in records_of(bootstrap, topic)]


async def records_of(bootstrap: str, topic: str) -> AsyncIterator[Record]:
    """The messages of one topic as they are read, from the beginning to the end that it has now."""
    partitions = await _partitions(bootstrap, topic)
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=8_000_000,
    )
    await consumer.start()
    try:
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        begins = await consumer.beginning_offsets(partitions)
        unread = {partition for partition in partitions if ends[partition] > begins[partition]}
        while unread:
            for batch in (await consumer.getmany(timeout_ms=1000)).values():
                for message in batch:
                    yield _record(message)
            for partition in list(unread):
                if await consumer.position(partition) >= ends[partition]:
                    unread.discard(partition)
    finally:
        await consumer.stop()


async def _partitions(bootstrap: str, topic: str) -> list[TopicPartition]:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        (described,) = await admin.describe_topics([topic])
    finally:
        await admin.close()
    return [TopicPartition(topic, partition["partition"]) for partition in described["partitions"]]


def _record(message: Any) -> Record:
    return Record(
        topic=message.topic,
        partition=message.partition,
        offset=message.offset,
        key=None if message.key is None else message.key.decode(),
        headers={name: value.decode() for name, value in message.headers},
        body=message.value,
    )


def to_line(record: Record) -> str:
    """The record as a line of JSON."""
    return json.dumps(asdict(record) | {"body": base64.b64encode(record.body).decode()})


def from_line(line: str) -> Record:
    """The record that a line tells."""
    told = json.loads(line)
    return Record(**told | {"body": base64.b64decode(told["body"])})


if __name__ == "__main__":
    for found in asyncio.run(read_all(sys.argv[1], sys.argv[2:])):
        sys.stdout.write(to_line(found) + "\n")
