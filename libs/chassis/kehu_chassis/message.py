"""A message as it came from the broker: a CloudEvent in Kafka's binary mode."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final
from uuid import NAMESPACE_URL, UUID, uuid5

from asyncpg.pgproto.pgproto import UUID as DriverUUID  # noqa: N811  a subclass of the standard one
from pydantic import ValidationError

from kehu_contracts.base import Contract, UnknownContract, parse

__all__ = ["COLUMNS", "Message", "Refused", "from_headers", "from_row"]

OURS: Final = "urn:kehu:"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Refused(Exception):
    """A message that no retry can help: it is dead-lettered at once.

    Args:
        reason: why, for the operator; without personal data.
        keep_body: False when the body itself must not be kept (it holds personal data in clear).
    """

    def __init__(self, reason: str, *, keep_body: bool = True) -> None:
        super().__init__(reason)
        self.reason = reason
        self.keep_body = keep_body


# Not frozen, and with the driver's own UUID: each is made in a third of the time, and every consumer makes millions.
@dataclass(slots=True)
class Message:
    """One message, not changed once made. `topic` is the name in the contracts; `sequence` is 0 where none was given."""

    id: UUID
    type: str
    source: str
    subject: str
    time: datetime
    sequence: int
    key: str
    body: bytes
    topic: str
    partition: int = 0
    offset: int = 0
    traceparent: str | None = None
    problem: str | None = None
    """Why the message is no CloudEvent, when it is none."""
    _parsed: list[Contract] = field(default_factory=list, init=False, repr=False, compare=False)

    @property
    def is_sequenced(self) -> bool:
        """Whether its sender promises a sequence without gaps: every Kehu service does."""
        return self.sequence > 0 and self.source.startswith(OURS)

    def parse(self) -> Contract:
        """The body as its contract, checked once and remembered.

        Raises:
            Refused: no contract has this type, or the body does not fit it. The reason quotes no value.
        """
        if not self._parsed:
            try:
                self._parsed.append(parse(self.type, self.body))
            except UnknownContract:
                raise Refused(f"no contract has the type {self.type}") from None
            except ValidationError as error:
                first = error.errors(include_url=False, include_context=False, include_input=False)[0]
                place = "/".join(str(step) for step in first["loc"])
                raise Refused(f"body does not fit {self.type}: /{place}: {first['type']}") from None
        return self._parsed[0]


COLUMNS: Final = (
    "id",
    "type",
    "source",
    "subject",
    "time",
    "sequence",
    "key",
    "body",
    "topic",
    "partition",
    "offset",
    "traceparent",
)
"""The columns in which tables keep a message, by the names of its fields."""


def from_row(row: Mapping[str, Any]) -> Message:
    """A message that was kept in a table."""
    return Message(*(row[name] for name in COLUMNS))


def from_headers(  # noqa: PLR0913  what the broker gives
    headers: Sequence[tuple[str, bytes]],
    *,
    key: bytes | None,
    body: bytes | None,
    topic: str,
    partition: int,
    offset: int,
) -> Message:
    """Read a CloudEvent in Kafka's binary mode; what is none comes back with its `problem` stated."""
    given = dict(headers)
    try:
        source = given["ce_source"].decode()
        subject = given["ce_subject"].decode()
        traceparent = given.get("traceparent")
        return Message(
            _identity(given["ce_id"].decode(), source),
            given["ce_type"].decode(),
            source,
            subject,
            _instant(given["ce_time"].decode()),
            int(given.get("ce_sequence", b"0")),
            key.decode() if key else subject,
            body or b"",
            topic,
            partition,
            offset,
            traceparent.decode() if traceparent else None,
        )
    except KeyError as missing:
        problem = f"header {missing.args[0]} is missing"
    except UnicodeDecodeError:
        problem = "a header or the key is not UTF-8"
    except ValueError:
        problem = "header ce_time or ce_sequence cannot be read"
    place = f"{topic}/{partition}/{offset}"
    name = key.decode(errors="replace") if key else place
    identity = uuid5(NAMESPACE_URL, place)
    return Message(identity, "", "", "", _EPOCH, 0, name, body or b"", topic, partition, offset, None, problem)


def _identity(given: str, source: str) -> UUID:
    try:
        identity: UUID = DriverUUID(given)
    except ValueError:
        # CloudEvents asks for no more than that source and id together name the event.
        return uuid5(NAMESPACE_URL, f"{source}#{given}")
    return identity


def _instant(given: str) -> datetime:
    moment = datetime.fromisoformat(given)
    if moment.tzinfo is None:
        raise ValueError("an instant needs a zone")
    return moment
