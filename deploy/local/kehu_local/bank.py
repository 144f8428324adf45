"""Speak to Kehu as a core banking system would: CloudEvents on the `bank.*` topics, identities encrypted."""

from __future__ import annotations

import asyncio
from collections import deque
from datetime import UTC, datetime
from types import TracebackType
from typing import Final, NamedTuple, Self
from uuid import NAMESPACE_URL, uuid5

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from joserfc import jwe
from joserfc.jwk import OctKey

from kehu_contracts.bank import PartyIdentity
from kehu_contracts.base import Inbound
from kehu_local.failures import Failed

__all__ = ["BankDoor", "BankMessage", "as_message", "seal_identity"]

MOST_UNDER_WAY: Final = 5_000


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
    identity = uuid5(NAMESPACE_URL, f"{source}/{statement.event_type}/{statement.source_id}/{sequence}")
    headers = [
        ("ce_specversion", b"1.0"),
        ("ce_id", str(identity).encode()),
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


class BankDoor:
    """Sends inbound messages in the order they are given, many under way at once."""

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap
        self._under_way: deque[asyncio.Future[object]] = deque()
        self.sent = 0

    async def __aenter__(self) -> Self:
        self._producer = AIOKafkaProducer(
            bootstrap_servers=self._bootstrap,
            client_id="core-banking",
            enable_idempotence=True,
            linger_ms=5,
            max_batch_size=262_144,
        )
        try:
            await self._producer.start()
        except KafkaError as error:
            await self._producer.stop()
            raise Failed(f"Kafka at {self._bootstrap} does not answer: {error}", "See that the suite runs.") from error
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
        if len(self._under_way) >= MOST_UNDER_WAY:
            await self._settle(MOST_UNDER_WAY // 2)
        sent = await self._producer.send(
            message.topic, message.body, key=message.key, headers=message.headers, partition=partition
        )
        self._under_way.append(sent)
        self.sent += 1

    async def flush(self) -> None:
        """Wait until the broker has acknowledged everything."""
        await self._settle(len(self._under_way))

    async def _settle(self, count: int) -> None:
        for _ in range(count):
            try:
                await self._under_way.popleft()
            except KafkaError as error:
                raise Failed(f"Kafka refused a message: {error}", "See the broker's log.") from error
