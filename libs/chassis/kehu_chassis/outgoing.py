"""Events on their way out: the rows of the outbox, written just before the commit of the transaction that tells them.

Each event gets the next `ce_sequence` of its topic and subject under a row lock that is held until the commit, so that the
sequence has no gap and the events of one subject commit in its order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from kehu_chassis import metrics

__all__ = ["MANY", "Outgoing", "write"]


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


# Subjects are locked in one order, so that two transactions with several subjects each cannot wait for one another.
_WRITE: Final = """
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
_WRITE_ONE: Final = """
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


async def write(connection: Any, added: Sequence[Outgoing]) -> None:
    """Write what a transaction has added, on its connection: a few in one statement, many by COPY.

    Called by `Database.begin` before its commit, and by nobody else.
    """
    if len(added) == 1:
        await connection.execute(_WRITE_ONE, *added[0])
    elif len(added) < MANY:
        await connection.execute(_WRITE, *zip(*added, strict=True))
    else:
        await _copy(connection, added)
    metrics.OUTBOX_ADDED.inc(len(added))


async def _copy(connection: Any, added: Sequence[Outgoing]) -> None:
    numbers = Counter((event.topic, event.subject) for event in added)
    topics, subjects = zip(*numbers, strict=True)
    rows = await connection.fetch(_COUNT, topics, subjects, list(numbers.values()))
    last = {(row["topic"], row["subject"]): row["sequence"] for row in rows}
    before = {place: last[place] - number for place, number in numbers.items()}
    records = []
    for event in added:
        place = event.topic, event.subject
        before[place] += 1
        records.append((*event, before[place]))
    await connection.copy_records_to_table("outbox", columns=_COPIED, records=records)
