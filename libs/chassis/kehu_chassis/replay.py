"""Rebuilds a projection from the start of its topics: the tables are emptied and every message is applied again.

No event leaves and no timer is set meanwhile, and the live consumer waits until the rebuild has ended; what came in the
meantime it then takes as usual. Readers see the projection grow. A rebuild that raises leaves it incomplete, and is run
again. Messages that an operator has skipped, or that are still dead, stay out.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Final

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition

from kehu_chassis.clock import SystemClock
from kehu_chassis.database import Database
from kehu_chassis.delivery import Delivery
from kehu_chassis.kafka import Kafka
from kehu_chassis.message import Message, from_headers
from kehu_chassis.subscription import Subscription
from kehu_contracts.topics import FOREVER, TOPICS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

__all__ = ["NotReplayable", "TopicLost", "rebuild"]

log = structlog.get_logger(__name__)

_KEPT: Final = frozenset(topic.name for topic in TOPICS if topic.retention_hours == FOREVER)
_KNOWN: Final = "SELECT topic, count(*) AS subjects FROM inbox_positions WHERE subscription = $1 GROUP BY topic"
_ALONE: Final = "SELECT pg_advisory_lock(hashtextextended(current_schema() || '/' || $1, 0))"
_FORGET: Final = (
    "DELETE FROM inbox WHERE subscription = $1",
    "DELETE FROM inbox_positions WHERE subscription = $1",
    "DELETE FROM held_messages WHERE subscription = $1",
    """
    INSERT INTO inbox (subscription, message_id, taken_at)
    SELECT DISTINCT subscription, id, clock_timestamp() FROM dead_letters
    WHERE subscription = $1 AND state <> 'redriven' ON CONFLICT DO NOTHING
    """,
)


class NotReplayable(ValueError):
    """The subscription names no projection tables: its effects are more than a projection."""


class TopicLost(Exception):
    """A topic that is kept for ever holds fewer messages than the projection knows subjects of it.

    So it is when the broker's data were lost: the projection would be emptied, and hardly be filled.
    """

    def __init__(self, topic: str, held: int, subjects: int) -> None:
        super().__init__(f"{topic} holds {held} messages; the projection was made of {subjects} subjects of it")


async def rebuild(database: Database, subscription: Subscription, kafka: Kafka, *, anyway: bool = False) -> int:
    """Empty the projection tables and fill them from the topics as they stand; tell how many messages were read.

    Raises:
        NotReplayable: the subscription has no projection tables.
        TopicLost: the topics hold less than the projection; not with `anyway`.
        aiokafka.errors.KafkaError: the broker does not answer, and nothing was emptied.
        kehu_chassis.message.Refused: or whatever else the handler raises: nothing is buried in a rebuild.
    """
    if not subscription.projection_tables:
        raise NotReplayable(subscription.name)
    delivery = Delivery(database, subscription, SystemClock(), side_effects=False)
    async with contextlib.AsyncExitStack() as stack:
        lock = await database.dedicated()
        stack.push_async_callback(lock.close)
        await lock.execute(_ALONE, subscription.name, timeout=None)
        # The broker is asked before anything is emptied: what nobody can fill again stays.
        reader = kafka.reader()
        stack.push_async_callback(reader.stop)
        await reader.start()
        if not anyway:
            await _require_topics(database, subscription, kafka, reader)
        ends = await _ends(reader, [kafka.physical(topic) for topic in subscription.topics])
        await _empty(database, subscription)
        count = 0
        async for messages in _read(reader, ends, kafka, subscription):
            # The lock keeps the live consumer out; without it the rebuild must not go on.
            await lock.execute("SELECT 1")
            await delivery.batch(messages)
            count += len(messages)
    log.info("replay.rebuilt", subscription=subscription.name, messages=count)
    return count


async def _require_topics(
    database: Database, subscription: Subscription, kafka: Kafka, reader: AIOKafkaConsumer
) -> None:
    async with database.begin(read_only=True) as tx:
        rows = await tx.connection.fetch(_KNOWN, subscription.name)
    known = {row["topic"]: row["subjects"] for row in rows if row["topic"] in _KEPT}
    for topic, subjects in known.items():
        held = sum((await _ends(reader, [kafka.physical(topic)])).values())
        if held < subjects:
            raise TopicLost(topic, held, subjects)


async def _empty(database: Database, subscription: Subscription) -> None:
    tables = ", ".join(f'"{table}"' for table in subscription.projection_tables)
    async with database.begin(side_effects=False) as tx:
        await tx.connection.execute(f"TRUNCATE {tables}")
        for statement in _FORGET:
            await tx.connection.execute(statement, subscription.name)


async def _read(
    reader: AIOKafkaConsumer, ends: Mapping[TopicPartition, int], kafka: Kafka, subscription: Subscription
) -> AsyncIterator[list[Message]]:
    reader.assign(list(ends))
    await reader.seek_to_beginning()
    while not await _has_reached(reader, ends):
        taken: dict[TopicPartition, list[Any]] = await reader.getmany(
            timeout_ms=500, max_records=subscription.max_batch
        )
        records = [record for place, batch in taken.items() for record in batch if record.offset < ends[place]]
        if records:
            yield [
                from_headers(
                    record.headers,
                    key=record.key,
                    body=record.value,
                    topic=kafka.logical(record.topic),
                    partition=record.partition,
                    offset=record.offset,
                )
                for record in records
            ]


async def _ends(reader: AIOKafkaConsumer, topics: list[str]) -> dict[TopicPartition, int]:
    places = [
        TopicPartition(topic, partition)
        for topic in topics
        for partition in await reader._client._wait_on_metadata(topic)  # noqa: SLF001  asks the broker; the public
        # call knows only the topics of a subscription.
    ]
    ends: dict[TopicPartition, int] = await reader.end_offsets(places)
    return ends


async def _has_reached(reader: AIOKafkaConsumer, ends: Mapping[TopicPartition, int]) -> bool:
    return all([await reader.position(place) >= end for place, end in ends.items()])
