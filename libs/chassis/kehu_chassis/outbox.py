"""Events leave in the transaction of the change that they tell.

`add` puts an event on the transaction; `Database.begin` writes all of them before the commit, a few in one statement and
many by COPY. It gives each event the next `ce_sequence` of its topic and subject under a row lock that is held until the
commit, so that the sequence has no gap and the events of one subject commit in its order. The relay sends them afterwards.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final, NamedTuple
from uuid import UUID

from kehu_chassis import metrics
from kehu_chassis.columns import new_id
from kehu_chassis.tracing import current_traceparent
from kehu_contracts.base import Event

if TYPE_CHECKING:
    from kehu_chassis.consumer import Message
    from kehu_chassis.database import Transaction

__all__ = ["EventTooLarge", "Outgoing", "add", "flush"]

LARGEST_BODY: Final = 900_000
"""Bytes; Kafka's own default limit is a mebibyte with headers."""


class EventTooLarge(ValueError):
    """An event that the broker would refuse would block all events behind it."""


class Outgoing(NamedTuple):
    """An event that waits for its transaction's commit."""

    id: UUID
    type: str
    topic: str
    key: str
    subject: str
    schema: str
    time: datetime
    traceparent: str | None
    body: bytes


def add(tx: Transaction, event: Event, *, at: datetime, cause: Message | None = None) -> None:
    """State an event when the transaction commits; nothing while a projection is rebuilt.

    Lock the aggregate's row before deciding, so that its events are added in the order of its changes. `at` is the
    business time (`ce_time`). `cause` is the message that led to the event, when a batch handler knows it: its trace
    goes on; otherwise the current one does.

    Raises:
        EventTooLarge: the body has more than 900,000 bytes.
    """
    if not tx.side_effects:
        return
    body = event.__pydantic_serializer__.to_json(event)
    if len(body) > LARGEST_BODY:
        raise EventTooLarge(f"{event.event_type} with {len(body)} bytes")
    tx.outgoing.append(
        Outgoing(
            id=new_id(),
            type=event.event_type,
            topic=event.topic,
            key=str(event.key_id()),
            subject=str(event.subject_id()),
            schema=event.dataschema(),
            time=at,
            traceparent=cause.traceparent if cause is not None else current_traceparent(),
            body=body,
        )
    )


# Subjects are locked in one order, so that two transactions with several subjects each cannot wait for one another.
_FLUSH: Final = """
WITH added AS (
    SELECT *, row_number() OVER (PARTITION BY topic, subject ORDER BY place) AS rank
    FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::timestamptz[], $8::text[],
                $9::bytea[])
         WITH ORDINALITY AS a (id, type, topic, key, subject, schema, time, traceparent, body, place)
), counted AS (
    INSERT INTO outbox_subjects AS s (topic, subject, sequence)
    SELECT topic, subject, count(*) FROM added GROUP BY topic, subject ORDER BY topic, subject
    ON CONFLICT (topic, subject) DO UPDATE SET sequence = s.sequence + EXCLUDED.sequence
    RETURNING s.topic, s.subject, s.sequence, COALESCE(OLD.sequence, 0) AS before
)
INSERT INTO outbox (id, type, topic, key, subject, sequence, schema, time, traceparent, body)
SELECT id, type, topic, key, subject, before + rank, schema, time, traceparent, body
FROM added JOIN counted USING (topic, subject)
ORDER BY place
"""


# The same for the one event that most transactions state, at two thirds of the cost.
_FLUSH_ONE: Final = """
WITH counted AS (
    INSERT INTO outbox_subjects AS s (topic, subject, sequence) VALUES ($3, $5, 1)
    ON CONFLICT (topic, subject) DO UPDATE SET sequence = s.sequence + 1
    RETURNING s.sequence
)
INSERT INTO outbox (id, type, topic, key, subject, sequence, schema, time, traceparent, body)
SELECT $1, $2, $3, $4, $5, sequence, $6, $7, $8, $9 FROM counted
"""


# The same for a batch: COPY takes events at less cost than arrays that are joined and ranked, for one round trip more.
_COUNT: Final = """
INSERT INTO outbox_subjects AS s (topic, subject, sequence)
SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[]) AS added (topic, subject, number) ORDER BY topic, subject
ON CONFLICT (topic, subject) DO UPDATE SET sequence = s.sequence + EXCLUDED.sequence
RETURNING topic, subject, sequence
"""
_COPIED: Final = (*Outgoing._fields, "sequence")

MANY: Final = 50
"""From so many events on they are copied."""


async def flush(tx: Transaction) -> None:
    """Write what the transaction has added. Called by `Database.begin` before its commit, and by nobody else."""
    added = tx.outgoing
    if len(added) == 1:
        await tx.connection.execute(_FLUSH_ONE, *added[0])
    elif len(added) < MANY:
        await tx.connection.execute(_FLUSH, *zip(*added, strict=True))
    else:
        await _copy(tx, added)
    metrics.OUTBOX_ADDED.inc(len(added))


async def _copy(tx: Transaction, added: Sequence[Outgoing]) -> None:
    numbers = Counter((event.topic, event.subject) for event in added)
    topics, subjects = zip(*numbers, strict=True)
    rows = await tx.connection.fetch(_COUNT, topics, subjects, list(numbers.values()))
    last = {(row["topic"], row["subject"]): row["sequence"] for row in rows}
    before = {place: last[place] - number for place, number in numbers.items()}
    records = []
    for event in added:
        place = event.topic, event.subject
        before[place] += 1
        records.append((*event, before[place]))
    await tx.connection.copy_records_to_table("outbox", columns=_COPIED, records=records)
