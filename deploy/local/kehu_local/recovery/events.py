"""The broker's part of a backup: the topics up to the database's moment, and where each consumer stood.

What a topic holds beyond the moment tells of writes that the restored database does not know. Each of Kehu's events
carries the sequence of its subject, and the database remembers the last one it gave: whatever is beyond that is left out.
The bank's own messages are kept as they are. Restored topics begin at offset 0, so positions of consumers are counted
anew; they stand at or before the messages whose effects the database holds, and the inbox drops what is taken twice.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from kehu_chassis.kafka import Kafka, set_positions
from kehu_contracts.topics import DEAD_LETTERS, TOPICS
from kehu_local.failures import Failed, no_broker
from kehu_local.recovery.archive import gzip_reader, gzip_writer

__all__ = ["Lineage", "Positions", "dump", "fill", "held_messages", "positions", "remove_ours"]

GROUPS: Final = "kehu."
FOLDER: Final = "topics"
OURS: Final = "kehu."
SEQUENCED: Final = frozenset(topic.name for topic in TOPICS if topic.name.startswith(OURS)) - {DEAD_LETTERS}
BATCH: Final = 1_000
DELETED_WITHIN: Final = 30.0

Offsets = dict[TopicPartition, int]
Lineage = Callable[[str, str], Awaitable[int]]
"""The last sequence that the database gave to a subject on a topic; 0 for one that it does not know."""


@dataclass(frozen=True, slots=True)
class Positions:
    """Read before the snapshot: where consumers stood, and where topics ended."""

    groups: Mapping[str, Offsets]
    ends: Offsets


@asynccontextmanager
async def _admin(kafka: Kafka) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = kafka.admin()
    try:
        await admin.start()
        yield admin
    except KafkaError as error:
        raise no_broker(kafka.bootstrap, error) from error
    finally:
        await admin.close()


@asynccontextmanager
async def _reader(kafka: Kafka) -> AsyncIterator[AIOKafkaConsumer]:
    reader = kafka.reader()
    try:
        await reader.start()
        yield reader
    except KafkaError as error:
        raise no_broker(kafka.bootstrap, error) from error
    finally:
        await reader.stop()


async def _places(kafka: Kafka, admin: AIOKafkaAdminClient) -> list[TopicPartition]:
    ours = {kafka.physical(topic.name) for topic in TOPICS}
    found = [topic for topic in await admin.describe_topics() if topic["topic"] in ours]
    return sorted(TopicPartition(topic["topic"], part["partition"]) for topic in found for part in topic["partitions"])


async def positions(kafka: Kafka) -> Positions:
    """Where our consumers stand and where the topics end. Read it before the snapshot of the database."""
    async with _admin(kafka) as admin:
        prefix = kafka.physical(GROUPS)
        names = [name for name, *_ in await admin.list_consumer_groups() if name.startswith(prefix)]
        groups = {}
        for name in sorted(names):
            stands = await admin.list_consumer_group_offsets(name)
            groups[kafka.logical(name)] = {place: stand.offset for place, stand in stands.items() if stand.offset >= 0}
        places = await _places(kafka, admin)
    async with _reader(kafka) as reader:
        return Positions(groups, await _ends(reader, places))


async def _ends(reader: AIOKafkaConsumer, places: Sequence[TopicPartition]) -> Offsets:
    if not places:
        return {}
    reader.assign(list(places))
    ends: Offsets = await reader.end_offsets(list(places))
    return ends


async def dump(kafka: Kafka, before: Positions, lineage: Lineage, data: Path) -> dict[str, Any]:
    """Write what the topics hold of the database's moment; tells counts and positions, for the manifest.

    Args:
        kafka: the broker.
        before: what `positions` told before the snapshot was taken.
        lineage: asks the snapshot.
        data: the backup's folder.
    """
    counts: dict[str, int] = {}
    restored: dict[str, dict[str, dict[str, int]]] = {group: {} for group in before.groups}
    left_out = 0
    async with _reader(kafka) as reader:
        # Whatever the snapshot calls sent stands before these ends.
        ends = await _ends(reader, list(before.ends))
        for place, end in ends.items():
            stands = {group: at[place] for group, at in before.groups.items() if place in at}
            taken = dict.fromkeys(stands, 0)
            written = 0
            with gzip_writer(_file(data, kafka.logical(place.topic), place.partition)) as file:
                async for record in _records(reader, place, end):
                    if record.offset >= before.ends[place] and await _is_beyond(
                        kafka.logical(record.topic), dict(record.headers), lineage
                    ):
                        left_out += 1
                        continue
                    file.write(_line(record))
                    written += 1
                    for group, stand in stands.items():
                        taken[group] += record.offset < stand
            topic = kafka.logical(place.topic)
            counts[topic] = counts.get(topic, 0) + written
            for group, number in taken.items():
                restored[group].setdefault(topic, {})[str(place.partition)] = number
    return {"messages": counts, "beyond_the_point": left_out, "positions": restored}


async def _records(reader: AIOKafkaConsumer, place: TopicPartition, end: int) -> AsyncIterator[ConsumerRecord]:
    reader.assign([place])
    await reader.seek_to_beginning(place)
    while await reader.position(place) < end:
        taken = await reader.getmany(place, timeout_ms=500, max_records=BATCH)
        for record in taken.get(place, ()):
            if record.offset < end:
                yield record


async def _is_beyond(topic: str, headers: Mapping[str, bytes], lineage: Lineage) -> bool:
    """Whether the event tells of a write that came after the database's moment."""
    if topic not in SEQUENCED or not {"ce_subject", "ce_sequence"} <= headers.keys():
        return False
    return int(headers["ce_sequence"]) > await lineage(topic, headers["ce_subject"].decode())


async def held_messages(kafka: Kafka) -> dict[str, int]:
    """How many messages each topic that is there holds, as far as offsets tell."""
    async with _admin(kafka) as admin:
        places = await _places(kafka, admin)
    if not places:
        # A reader that is stopped before it was used raises a cancellation.
        return {}
    async with _reader(kafka) as reader:
        ends = await _ends(reader, places)
        begins = await reader.beginning_offsets(list(places))
    held: dict[str, int] = {}
    for place, end in ends.items():
        topic = kafka.logical(place.topic)
        held[topic] = held.get(topic, 0) + end - begins[place]
    return held


async def remove_ours(kafka: Kafka) -> None:
    """Delete Kehu's own topics with all they hold, and forget our consumers' positions on them. The bank's stay."""
    async with _admin(kafka) as admin:
        ours = {kafka.physical(topic.name) for topic in TOPICS if topic.name.startswith(OURS)}
        gone = ours & set(await admin.list_topics())
        await admin.delete_topics(sorted(gone))
        async with asyncio.timeout(DELETED_WITHIN):
            while gone & set(await admin.list_topics()):  # noqa: ASYNC110  the broker tells nobody
                await asyncio.sleep(0.1)


async def fill(kafka: Kafka, data: Path, told: Mapping[str, Any], *, kept: frozenset[str]) -> int:
    """Write the messages of a backup into empty topics and set our consumers' positions; tells how many were written.

    On topics that were `kept`, since the broker outlived the database, consumers begin anew: the inbox drops what they
    have seen.
    """
    written = 0
    async with _admin(kafka) as admin:
        places = await _places(kafka, admin)
    producer = kafka.producer()
    await producer.start()
    try:
        for place in places:
            topic = kafka.logical(place.topic)
            file = _file(data, topic, place.partition)
            if topic not in kept and file.exists():
                with gzip_reader(file) as lines:
                    written += await _send(producer, place, lines)
    finally:
        await producer.stop()
    expected = sum(number for topic, number in told["messages"].items() if topic not in kept)
    if written != expected:
        raise Failed(f"{written} of {expected} messages were restored.", "See that the topics have all partitions.")
    for group, topics in told["positions"].items():
        stands = {
            TopicPartition(kafka.physical(topic), int(partition)): 0 if topic in kept else stand
            for topic, partitions in topics.items()
            for partition, stand in partitions.items()
        }
        await _set_positions(kafka, group, stands)
    return written


async def _send(producer: AIOKafkaProducer, place: TopicPartition, lines: Iterable[bytes]) -> int:
    sent = 0
    batch = producer.create_batch()
    for line in lines:
        record = _read(line)
        if batch.append(**record) is None:
            sent += await _deliver(producer, batch, place)
            batch = producer.create_batch()
            if batch.append(**record) is None:
                raise Failed(f"A message of {place.topic} is larger than the broker takes.", "Raise its limit.")
    return sent + await _deliver(producer, batch, place)


async def _deliver(producer: AIOKafkaProducer, batch: Any, place: TopicPartition) -> int:
    count: int = batch.record_count()
    if count:
        batch.close()
        await (await producer.send_batch(batch, place.topic, partition=place.partition))
    return count


async def _set_positions(kafka: Kafka, group: str, stands: Offsets) -> None:
    try:
        await set_positions(kafka, group, stands)
    except KafkaError as error:
        raise Failed(f"The group {group} takes no position: {error}", "Stop every worker of the suite.") from error


def _file(data: Path, topic: str, partition: int) -> Path:
    return data / FOLDER / f"{topic}.{partition}.jsonl.gz"


def _line(record: ConsumerRecord) -> bytes:
    headers = [[name, _text(value)] for name, value in record.headers]
    return json.dumps([record.timestamp, _text(record.key), _text(record.value), headers]).encode() + b"\n"


def _read(line: bytes) -> dict[str, Any]:
    timestamp, key, value, headers = json.loads(line)
    return {
        "timestamp": timestamp,
        "key": _bytes(key),
        "value": _bytes(value),
        "headers": [(name, _bytes(content)) for name, content in headers],
    }


def _text(value: bytes | None) -> str | None:
    return None if value is None else base64.b64encode(value).decode()


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else base64.b64decode(text)
