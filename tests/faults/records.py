"""What the topics carry, read by a plain consumer: aiokafka and its own reading of the headers, no code of Kehu's."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

__all__ = ["Event", "Topics"]

COMPACTED: Final = "-state.v1"


@dataclass(frozen=True)
class Event:
    """One event as it stands on a topic."""

    topic: str
    partition: int
    offset: int
    key: str
    id: str
    type: str
    subject: str
    sequence: int
    body: dict[str, Any]


@dataclass
class Topics:
    """All events of Kehu's topics so far: each read goes on where the last one ended.

    `events` has each event once; what stands a second time, under the same id, is counted in `repeated` alone.
    """

    bootstrap: str
    events: list[Event] = field(default_factory=list)
    repeated: int = 0
    faults: list[str] = field(default_factory=list)
    _offsets: dict[TopicPartition, int] = field(default_factory=dict)
    _ids: dict[str, Event] = field(default_factory=dict)
    _reached: dict[tuple[str, str], int] = field(default_factory=lambda: defaultdict(int))

    def of(self, *types: str) -> list[Event]:
        """The events of some types, in the order of their partitions."""
        return [event for event in self.events if event.type in types]

    async def read(self) -> None:
        """Take in what has come since, and hold it against the order that is promised."""
        async for record in self._records(await self._places(), self._offsets):
            self._take(record)

    async def count(self, topic: str) -> int:
        """How many messages somebody finds who reads the topic now, from its beginning."""
        places = [place for place in await self._places() if place.topic == topic]
        return len([record async for record in self._records(places, {})])

    async def _records(
        self, places: list[TopicPartition], offsets: dict[TopicPartition, int]
    ) -> AsyncIterator[ConsumerRecord]:
        """What stands between the offsets, which are moved, and the ends that the topics have now."""
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self.bootstrap, enable_auto_commit=False, auto_offset_reset="earliest"
        )
        await consumer.start()
        try:
            consumer.assign(places)
            ends = await consumer.end_offsets(places)
            for place in places:
                consumer.seek(place, offsets.get(place, 0))
            unread = {place for place in places if ends[place] > offsets.get(place, 0)}
            while unread:
                for batch in (await consumer.getmany(timeout_ms=500)).values():
                    for record in batch:
                        yield record
                for place in list(unread):
                    offsets[place] = await consumer.position(place)
                    if offsets[place] >= ends[place]:
                        unread.discard(place)
        finally:
            await consumer.stop()

    async def _places(self) -> list[TopicPartition]:
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap)
        await admin.start()
        try:
            names = [name for name in await admin.list_topics() if name.startswith("kehu.")]
            described = await admin.describe_topics(names)
        finally:
            await admin.close()
        return [
            TopicPartition(topic["topic"], each["partition"]) for topic in described for each in topic["partitions"]
        ]

    def _take(self, record: ConsumerRecord) -> None:
        headers = {name: value.decode() for name, value in record.headers}
        event = Event(
            record.topic,
            record.partition,
            record.offset,
            record.key.decode(),
            headers["ce_id"],
            headers["ce_type"],
            headers["ce_subject"],
            int(headers["ce_sequence"]),
            json.loads(record.value),
        )
        self._hold_against_the_order(event)

    def _hold_against_the_order(self, event: Event) -> None:
        first = self._ids.setdefault(event.id, event)
        if first is not event:
            self.repeated += 1
            if (first.body, first.sequence, first.partition) != (event.body, event.sequence, event.partition):
                self.faults.append(f"{_place(event)} repeats the id of {_place(first)} and differs from it")
            return
        due = self._reached[event.topic, event.subject] + 1
        # Compaction takes older states away: what remains still rises.
        broken = event.sequence < due if event.topic.endswith(COMPACTED) else event.sequence != due
        if broken:
            self.faults.append(f"{_place(event)}: {event.subject} has sequence {event.sequence} where {due} was due")
        self._reached[event.topic, event.subject] = event.sequence
        self.events.append(event)


def _place(event: Event) -> str:
    return f"{event.topic}[{event.partition}]@{event.offset}"
