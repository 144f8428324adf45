"""Rebuilds a projection from the start of its topics: the tables are emptied and every message is applied again.

No event leaves and no timer is set meanwhile, and the live consumer waits until the rebuild has ended; what came in the
meantime it then takes as usual. Readers see the projection grow. A rebuild that raises leaves it incomplete, and is run
again. Messages that an operator has skipped, or that are still dead, stay out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition

from kehu_chassis.clock import SystemClock
from kehu_chassis.database import Database
from kehu_chassis.delivery import Delivery
from kehu_chassis.kafka import Kafka
from kehu_chassis.message import Message, from_headers
from kehu_chassis.subscription import Subscription

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

__all__ = ["NotReplayable", "rebuild"]

log = structlog.get_logger(__name__)

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


async def rebuild(database: Database, subscription: Subscription, kafka: Kafka) -> int:
    """Empty the projection tables and fill them from the topics as they stand; tell how many messages were read.

    Raises:
        NotReplayable: the subscription has no projection tables.
        kehu_chassis.message.Refused: or whatever else the handler raises: nothing is buried in a rebuild.
    """
    if not subscription.projection_tables:
        raise NotReplayable(subscription.name)
    delivery = Delivery(database, subscription, SystemClock(), side_effects=False)
    lock = await database.dedicated()
    try:
        await lock.execute(_ALONE, subscription.name, timeout=None)
        await _empty(database, subscription)
        count = 0
        async for messages in _read(kafka, subscription):
            # The lock keeps the live consumer out; without it the rebuild must not go on.
            await lock.execute("SELECT 1")
            await delivery.batch(messages)
            count += len(messages)
    finally:
        await lock.close()
    log.info("replay.rebuilt", subscription=subscription.name, messages=count)
    return count


async def _empty(database: Database, subscription: Subscription) -> None:
    tables = ", ".join(f'"{table}"' for table in subscription.projection_tables)
    async with database.begin(side_effects=False) as tx:
        await tx.connection.execute(f"TRUNCATE {tables}")
        for statement in _FORGET:
            await tx.connection.execute(statement, subscription.name)


async def _read(kafka: Kafka, subscription: Subscription) -> AsyncIterator[list[Message]]:
    reader = kafka.reader()
    await reader.start()
    try:
        ends = await _ends(reader, [kafka.physical(topic) for topic in subscription.topics])
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
    finally:
        await reader.stop()


async def _ends(reader: AIOKafkaConsumer, topics: list[str]) -> dict[TopicPartition, int]:
    places = [
        TopicPartition(topic, partition)
        for topic in topics
        for partition in await reader._client._wait_on_metadata(topic)  # noqa: SLF001  asks the broker; the public
        # call knows only the topics of a subscription.
    ]
    ends: dict[TopicPartition, int] = await reader.end_offsets(places)
    return ends


async def _has_reached(reader: AIOKafkaConsumer, ends: dict[TopicPartition, int]) -> bool:
    return all([await reader.position(place) >= end for place, end in ends.items()])
