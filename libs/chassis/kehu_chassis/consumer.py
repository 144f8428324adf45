"""Takes messages of a subscription from the broker and commits named offsets after the transactions of their effects.

What a feature needs of events is here: `Subscription`, `Message`, `Refused`. The loop never stops by itself but for one
reason: too many messages died in a short time. Then it leaves the group, says so in `consumer_states`, and waits until an
operator resumes it or the worker is started anew.
"""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import Final

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError, RebalanceInProgressError

from kehu_chassis import metrics
from kehu_chassis.clock import Clock, technical_now
from kehu_chassis.columns import new_id
from kehu_chassis.database import Database
from kehu_chassis.delivery import RETRIABLE, Delivery, TooManyDeadLetters
from kehu_chassis.failures import describe, pause, until_stopped
from kehu_chassis.kafka import Kafka
from kehu_chassis.message import Message, Refused, from_headers
from kehu_chassis.subscription import Handler, Subscription

__all__ = ["Consumer", "Handler", "Message", "Refused", "Subscription"]

log = structlog.get_logger(__name__)

_OUTAGE: Final[tuple[type[Exception], ...]] = (*RETRIABLE, KafkaError)

_REPORT: Final = """
INSERT INTO consumer_states AS kept (subscription, state, reason, lag, reported_at) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (subscription) DO UPDATE
SET state = EXCLUDED.state, reason = EXCLUDED.reason, lag = EXCLUDED.lag, reported_at = EXCLUDED.reported_at
"""
_RESUMED: Final = """
UPDATE consumer_states SET resume_requested = false WHERE subscription = $1 AND resume_requested RETURNING true
"""

_REPORT_LAG: Final = """
WITH gone AS (
    DELETE FROM consumer_lags WHERE subscription = $1 AND worker <> $2 AND reported_at < $4::timestamptz - interval '1 minute'
)
INSERT INTO consumer_lags AS kept (subscription, worker, lag, reported_at) VALUES ($1, $2, $3, $4)
ON CONFLICT (subscription, worker) DO UPDATE SET lag = EXCLUDED.lag, reported_at = EXCLUDED.reported_at
"""
_NOTE_LAST: Final = """
INSERT INTO last_messages AS kept (topic, written_at) SELECT * FROM unnest($1::text[], $2::timestamptz[])
ON CONFLICT (topic) DO UPDATE SET written_at = greatest(kept.written_at, EXCLUDED.written_at)
"""

POLL: Final = 0.5
"""Seconds to wait for messages before looking at anything else."""
COMMIT_EVERY: Final = 0.2
"""Least seconds between two commits of offsets. What was taken since is taken again after a crash, and dropped."""
CARE_EVERY: Final = 2.0
"""Seconds between looks at what operators have asked for."""
REPORT_EVERY: Final = 10.0


class Consumer:
    """Consumes for one subscription. `run` until `stop`; `state` is running, retrying or stopped, with its `reason`.

    A stop waits for the database, which has the effects, but hardly for a broker that is away: offsets that are not
    committed bring messages again, and the inbox drops them.
    """

    def __init__(
        self, database: Database, kafka: Kafka, service: str, subscription: Subscription, clock: Clock
    ) -> None:
        self.subscription = subscription
        self.state = "running"
        self.reason: str | None = None
        self._database = database
        self._kafka = kafka
        self._group = f"kehu.{service}.{subscription.name}"
        self._delivery = Delivery(database, subscription, clock)
        self._stopping = asyncio.Event()
        self._reported: tuple[str, str | None, int] | None = None
        self._report_at = 0.0
        self._worker = new_id()
        self._last: dict[str, datetime] = {}
        # There from the start: what Prometheus first sees as 1 has, for it, not risen.
        metrics.GAPS.labels(subscription=subscription.name)
        metrics.EVENT_DELAY.labels(subscription=subscription.name)
        metrics.CONSUMER_STOPPED.labels(subscription=subscription.name).set(0)

    def stop(self) -> None:
        """Finish the batch under way, commit, leave the group."""
        self._stopping.set()

    async def run(self) -> None:
        """Consume until stopped; broker and database may come and go."""
        failures = 0
        while not self._stopping.is_set():
            consumer = self._kafka.consumer(
                self._group, self.subscription.topics, max_batch=self.subscription.max_batch
            )
            try:
                await until_stopped(consumer.start(), self._stopping)
                failures = 0
                self._is("running")
                await self._consume(consumer)
            except TooManyDeadLetters as error:
                await self._wait_for_operator(str(error))
            except _OUTAGE as error:
                failures += 1
                self._is("retrying", describe(error))
                log.warning("consumer.waiting", subscription=self.subscription.name, cause=self.reason)
                await pause(failures, self._stopping)
            finally:
                await self._leave(consumer)

    async def _leave(self, consumer: AIOKafkaConsumer) -> None:
        try:
            await until_stopped(consumer.stop(), self._stopping)
        except (KafkaError, TimeoutError) as error:
            # The broker, when it is back, finds out for itself that this member is gone.
            log.warning("consumer.group_not_left", subscription=self.subscription.name, cause=describe(error))

    async def _consume(self, consumer: AIOKafkaConsumer) -> None:
        care_at = commit_at = 0.0
        done: dict[TopicPartition, int] = {}
        while not self._stopping.is_set():
            patience = min(POLL, max(0.0, commit_at - time.monotonic())) if done else POLL
            taken = await consumer.getmany(timeout_ms=int(patience * 1000), max_records=self.subscription.max_batch)
            if taken:
                await self._take(taken)
                done |= {place: batch[-1].offset + 1 for place, batch in taken.items()}
            elif self._reported is not None and self._reported[2]:
                # What was told to be unread has been read.
                care_at = 0.0
            if done and time.monotonic() >= commit_at:
                await self._commit(consumer, done)
                done, commit_at = {}, time.monotonic() + COMMIT_EVERY
            if time.monotonic() >= care_at:
                await self._care(consumer)
                care_at = time.monotonic() + CARE_EVERY
        if done:
            await self._commit(consumer, done)

    async def _take(self, taken: dict[TopicPartition, list[ConsumerRecord]]) -> None:
        records = [record for batch in taken.values() for record in batch]
        await self._deliver([self._read(record) for record in records])
        metrics.EVENT_DELAY.labels(subscription=self.subscription.name).observe(
            max(0.0, time.time() - records[0].timestamp / 1000)
        )
        for place, batch in taken.items():
            topic, at = self._kafka.logical(place.topic), batch[-1].timestamp / 1000
            metrics.LAST_MESSAGE.labels(topic=topic).set(at)
            written_at = datetime.fromtimestamp(at, UTC)
            self._last[topic] = max(written_at, self._last.get(topic, written_at))

    async def _deliver(self, messages: list[Message]) -> None:
        """Apply a batch, for as long as the database needs to come back; nothing else is a reason to give up."""
        failures = 0
        while True:
            try:
                await self._delivery.batch(messages)
            except RETRIABLE as error:
                if self._stopping.is_set():
                    raise
                failures += 1
                self._is("retrying", describe(error))
                log.warning("consumer.retrying", subscription=self.subscription.name, cause=self.reason)
                await pause(failures, self._stopping)
            else:
                self._is("running")
                return

    async def _commit(self, consumer: AIOKafkaConsumer, offsets: dict[TopicPartition, int]) -> None:
        try:
            await until_stopped(consumer.commit(offsets), self._stopping)
        except (CommitFailedError, IllegalStateError, RebalanceInProgressError) as error:
            # The partition went to another member in mid-batch: it takes these messages again, and the inbox drops them.
            log.info("consumer.offset_commit_skipped", subscription=self.subscription.name, cause=type(error).__name__)

    async def _care(self, consumer: AIOKafkaConsumer | None) -> None:
        """What is to be done beside consuming: operators' wishes, gaps that do not close, the report."""
        try:
            await self._delivery.care()
            lag = await until_stopped(_lag(consumer), self._stopping) if consumer is not None else None
            await self._report(lag)
        except _OUTAGE as error:
            log.warning("consumer.care_postponed", subscription=self.subscription.name, cause=describe(error))

    async def _report(self, lag: int | None) -> None:
        if lag is not None:
            metrics.CONSUMER_LAG.labels(subscription=self.subscription.name).set(lag)
        report = self.state, self.reason, lag or 0
        if report == self._reported and time.monotonic() < self._report_at:
            return
        async with self._database.begin() as tx:
            now = technical_now()
            await tx.connection.execute(_REPORT, self.subscription.name, self.state, self.reason, lag, now)
            if lag is not None:
                await tx.connection.execute(_REPORT_LAG, self.subscription.name, self._worker, lag, now)
            if self._last:
                topics = sorted(self._last)
                await tx.connection.execute(_NOTE_LAST, topics, [self._last[topic] for topic in topics])
        self._last = {}
        self._reported, self._report_at = report, time.monotonic() + REPORT_EVERY

    async def _wait_for_operator(self, reason: str) -> None:
        log.error("consumer.stopped", subscription=self.subscription.name, reason=reason)
        self._is("stopped", reason)
        while not self._stopping.is_set():
            await self._care(None)
            try:
                async with self._database.begin() as tx:
                    if await tx.connection.fetchval(_RESUMED, self.subscription.name):
                        log.info("consumer.resumed", subscription=self.subscription.name)
                        return
            except RETRIABLE as error:
                log.warning("consumer.care_postponed", subscription=self.subscription.name, cause=describe(error))
            await pause(0, self._stopping, shortest=CARE_EVERY)

    def _is(self, state: str, reason: str | None = None) -> None:
        self.state, self.reason = state, reason
        metrics.CONSUMER_STOPPED.labels(subscription=self.subscription.name).set(state == "stopped")

    def _read(self, record: ConsumerRecord) -> Message:
        return from_headers(
            record.headers,
            key=record.key,
            body=record.value,
            topic=self._kafka.logical(record.topic),
            partition=record.partition,
            offset=record.offset,
        )


async def _lag(consumer: AIOKafkaConsumer) -> int:
    """Messages on the assigned partitions that are still to be taken, as far as the broker has told their ends."""
    behind = 0
    for place in consumer.assignment():
        end = consumer.highwater(place)
        if end is not None:
            behind += max(0, end - await consumer.position(place))
    return behind
