"""Speak to Kehu as a core banking system would: CloudEvents on the `bank.*` topics, identities encrypted."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from hashlib import sha1
from types import TracebackType
from typing import Final, NamedTuple, Self
from uuid import NAMESPACE_URL

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from aiokafka.partitioner import murmur2
from aiokafka.producer.message_accumulator import BatchBuilder
from asyncpg.pgproto.pgproto import UUID as DriverUUID  # noqa: N811  a subclass of the standard one
from joserfc import jwe
from joserfc.jwk import OctKey

from kehu_contracts.bank import PartyIdentity
from kehu_contracts.base import Inbound
from kehu_local.failures import Failed, no_broker

__all__ = ["BankDoor", "BankMessage", "as_message", "seal_identity"]

Lane = tuple[str, int]
"""Topic and partition."""

BATCH: Final = 500
"""Messages of one partition that leave together."""


def seal_identity(identity: PartyIdentity, key: bytes, kid: str) -> str:
    """A party's identity as compact JWE (RFC 7516: `dir` with A256GCM), under the key that bank and Kehu share."""
    header = {"alg": "dir", "enc": "A256GCM", "kid": kid}
    return jwe.encrypt_compact(header, identity.model_dump_json().encode(), OctKey.import_key(key))


class BankMessage(NamedTuple):
    """A statement as it goes to the broker."""

    topic: str
    key: bytes
    headers: list[tuple[str, bytes]]
    body: bytes


def as_message(statement: Inbound, *, at: datetime, sequence: int, key: str | None = None) -> BankMessage:
    """A statement as a CloudEvent in Kafka's binary mode, under its own id unless a key is told.

    The id of the event is made from what it says of itself: the same statement sent again is the same event.
    """
    source = f"urn:bank:{statement.source}"
    identity = _id_of(f"{source}/{statement.event_type}/{statement.source_id}/{sequence}")
    headers = [
        ("ce_specversion", b"1.0"),
        ("ce_id", identity.encode()),
        ("ce_type", statement.event_type.encode()),
        ("ce_source", source.encode()),
        ("ce_time", at.astimezone(UTC).isoformat().encode()),
        ("ce_subject", statement.source_id.encode()),
        ("ce_dataschema", statement.dataschema().encode()),
        ("ce_sequence", str(sequence).encode()),
        ("content-type", b"application/json"),
    ]
    body = statement.model_dump_json(exclude_none=True).encode()
    return BankMessage(statement.topic, (key or statement.source_id).encode(), headers, body)


def _id_of(name: str) -> str:
    """The UUIDv5 of a name in the namespace of URLs (RFC 9562, 5.5), in a third of the standard library's time."""
    digest = bytearray(sha1(NAMESPACE_URL.bytes + name.encode(), usedforsecurity=False).digest()[:16])
    digest[6] = digest[6] & 0x0F | 0x50
    digest[8] = digest[8] & 0x3F | 0x80
    return str(DriverUUID(bytes(digest)))


class BankDoor:
    """Sends inbound messages, those of one partition in the order they are given, in batches.

    A batch leaves when it is full or at `flush`. The batches of a partition follow one another; each arrives whole or not
    at all.
    """

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap
        self._lanes: dict[Lane, list[BankMessage]] = {}
        self._under_way: dict[Lane, asyncio.Future[object]] = {}
        self._partitions: dict[tuple[str, bytes], int] = {}
        self.sent = 0

    async def __aenter__(self) -> Self:
        self._producer = AIOKafkaProducer(
            bootstrap_servers=self._bootstrap,
            client_id="core-banking",
            enable_idempotence=True,
            max_batch_size=1_000_000,
        )
        try:
            await self._producer.start()
        except KafkaError as error:
            await self._producer.stop()
            raise no_broker(self._bootstrap, error) from error
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                await self.flush()
        finally:
            await self._producer.stop()

    async def send(
        self, statement: Inbound, *, at: datetime, sequence: int, key: str | None = None, partition: int | None = None
    ) -> None:
        """State something.

        Args:
            statement: what.
            at: the business time of the fact.
            sequence: rises with each statement about the same thing.
            key: what orders it among others, its own id unless told: a transaction goes under its account's.
            partition: the key's own unless told; statements in one partition are taken in the order they are given.
        """
        message = as_message(statement, at=at, sequence=sequence, key=key)
        if partition is None:
            partition = await self._partition(message.topic, message.key)
        lane = message.topic, partition
        waiting = self._lanes.setdefault(lane, [])
        waiting.append(message)
        self.sent += 1
        if len(waiting) >= BATCH:
            await self._send(lane)

    async def flush(self) -> None:
        """Wait until the broker has acknowledged everything."""
        for lane in self._lanes:
            await self._send(lane)
        for lane in list(self._under_way):
            await self._acknowledged(lane)

    async def _partition(self, topic: str, key: bytes) -> int:
        found = self._partitions.get((topic, key))
        if found is None:
            partitions = await self._producer.partitions_for(topic)
            # Kafka's own choice, so that a key that another producer wrote stays where it is.
            found = self._partitions[topic, key] = (murmur2(key) & 0x7FFFFFFF) % len(partitions)
        return found

    async def _send(self, lane: Lane) -> None:
        """Send what waits for a partition, once the batch before it has arrived."""
        messages, self._lanes[lane] = self._lanes[lane], []
        topic, partition = lane
        try:
            while messages:
                batch = self._producer.create_batch()
                count = 0
                while count < len(messages) and _append(batch, messages[count]):
                    count += 1
                if not count:
                    raise Failed(f"A message for {topic} is larger than a batch may be.", "State less in one message.")
                del messages[:count]
                await self._acknowledged(lane)
                self._under_way[lane] = await self._producer.send_batch(batch, topic, partition=partition)
        except KafkaError as error:
            raise _refused(error) from error

    async def _acknowledged(self, lane: Lane) -> None:
        if (sent := self._under_way.pop(lane, None)) is not None:
            try:
                await sent
            except KafkaError as error:
                raise _refused(error) from error


def _append(batch: BatchBuilder, message: BankMessage) -> bool:
    appended = batch.append(timestamp=None, key=message.key, value=message.body, headers=message.headers)
    return appended is not None


def _refused(error: KafkaError) -> Failed:
    return Failed(f"Kafka refused a message: {error}", "See the broker's log.")
