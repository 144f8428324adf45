"""Clients of the broker with the settings that our guarantees need."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import aiokafka.conn
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.conn import AIOKafkaConnection, CloseReason
from aiokafka.errors import KafkaConnectionError, KafkaError, TopicAlreadyExistsError, for_code

from kehu_contracts.topics import FOREVER, Topic

__all__ = ["GroupConsumer", "Kafka", "create_topics", "set_positions"]


class _Connection(AIOKafkaConnection):  # type: ignore[misc]  # The client is not typed.
    """Takes a connection that the broker has closed for what it is, under uvloop too.

    There a write to it raises RuntimeError, where the client expects OSError: what it was doing then ends for good
    (https://github.com/aio-libs/aiokafka/issues/1038).
    """

    def send(self, request: Any, expect_response: bool = True) -> Any:  # noqa: FBT001, FBT002  the client's signature
        try:
            return super().send(request, expect_response)
        except RuntimeError as error:
            self.close(reason=CloseReason.CONNECTION_BROKEN)
            raise KafkaConnectionError(f"Connection at {self.host}:{self.port} broken: {error}") from error


# The client offers no place to hand in a class of connections; it makes them by this name.
aiokafka.conn.AIOKafkaConnection = _Connection


class GroupConsumer(AIOKafkaConsumer):  # type: ignore[misc]  # The client is not typed.
    """A member of a group that tells when it has stopped fetching."""

    async def getmany(
        self, *partitions: TopicPartition, timeout_ms: int = 0, max_records: int | None = None
    ) -> dict[TopicPartition, list[ConsumerRecord]]:
        """Messages as they come.

        Raises:
            KafkaError: nothing will come any more: the client's loop that fetches has ended by an error of its own. By
                itself the client tells of that when it is closed, and is silent until then.
        """
        taken: dict[TopicPartition, list[ConsumerRecord]] = await super().getmany(
            *partitions, timeout_ms=timeout_ms, max_records=max_records
        )
        if not taken and self._fetcher.error_future.done():
            raise KafkaError("the client fetches no more")
        return taken

    async def stop(self) -> None:
        """Leave the group and close the connections.

        Raises:
            KafkaError: what the loop that fetches has ended by; the client would leave its connections open then.
        """
        try:
            await super().stop()
        finally:
            await self._client.close()


@dataclass(frozen=True, slots=True)
class Kafka:
    """Where the broker is. `prefix` stands before every topic and group on it: tests that share a broker differ by it."""

    bootstrap: str
    client_id: str = "kehu"
    prefix: str = ""
    session_timeout: float = 15.0
    """Seconds after which a member of a group that is not heard from loses its partitions to the others."""

    def physical(self, topic: str) -> str:
        """The topic's name on the broker."""
        return self.prefix + topic

    def logical(self, topic: str) -> str:
        """The topic's name in the contracts."""
        return topic.removeprefix(self.prefix)

    def producer(self) -> AIOKafkaProducer:
        """Idempotent, acknowledged by all replicas, without waiting for more to send. Batches hold up to a mebibyte."""
        return AIOKafkaProducer(
            bootstrap_servers=self.bootstrap,
            client_id=self.client_id,
            enable_idempotence=True,
            acks="all",
            linger_ms=0,
            max_batch_size=1_000_000,
            request_timeout_ms=15_000,
            retry_backoff_ms=50,
        )

    def consumer(self, group: str, topics: Sequence[str], *, max_batch: int) -> GroupConsumer:
        """Takes part in a group and commits by hand. Polls are long, so that an idle consumer costs next to nothing."""
        return GroupConsumer(
            *(self.physical(topic) for topic in topics),
            bootstrap_servers=self.bootstrap,
            client_id=self.client_id,
            group_id=self.prefix + group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_poll_records=max_batch,
            fetch_max_wait_ms=2_000,
            # How often the client looks over all its partitions although nothing has happened.
            consumer_timeout_ms=1_000,
            session_timeout_ms=int(self.session_timeout * 1000),
            heartbeat_interval_ms=int(self.session_timeout * 200),
            metadata_max_age_ms=60_000,
            retry_backoff_ms=50,
        )

    def reader(self) -> AIOKafkaConsumer:
        """Reads partitions that are assigned by hand and belongs to no group: for replay and inspection."""
        return AIOKafkaConsumer(
            bootstrap_servers=self.bootstrap, client_id=self.client_id, enable_auto_commit=False, fetch_max_wait_ms=200
        )

    def admin(self) -> AIOKafkaAdminClient:
        """Creates and describes topics."""
        return AIOKafkaAdminClient(bootstrap_servers=self.bootstrap, client_id=self.client_id)


async def create_topics(kafka: Kafka, topics: Iterable[Topic], *, replication: int = 1) -> list[str]:
    """Create the topics that are not there yet, as the topic file describes them, and tell which were new."""
    admin = kafka.admin()
    await admin.start()
    try:
        response = await admin.create_topics([_described(kafka, topic, replication) for topic in topics])
    finally:
        await admin.close()
    new: list[str] = []
    for name, code, *_ in response.topic_errors:
        error = for_code(code)
        if code == 0:
            new.append(kafka.logical(name))
        elif error is not TopicAlreadyExistsError:
            raise error(f"topic {name}")
    return new


async def set_positions(kafka: Kafka, group: str, stands: Mapping[TopicPartition, int]) -> None:
    """State where a group without members stands, by physical topic.

    Raises:
        KafkaError: a member is at work.
    """
    if not stands:
        return
    member = AIOKafkaConsumer(
        bootstrap_servers=kafka.bootstrap,
        client_id=kafka.client_id,
        group_id=kafka.physical(group),
        enable_auto_commit=False,
    )
    await member.start()
    try:
        member.assign(list(stands))
        await member.commit(dict(stands))
    finally:
        await member.stop()


def _described(kafka: Kafka, topic: Topic, replication: int) -> NewTopic:
    forever = topic.retention_hours == FOREVER
    return NewTopic(
        kafka.physical(topic.name),
        topic.partitions,
        replication,
        topic_configs={
            "cleanup.policy": topic.cleanup,
            "retention.ms": "-1" if forever else str(topic.retention_hours * 3_600_000),
        },
    )
