"""Kafka: everything that is streamed, into the log, in the order in which it is committed there."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from kehu_chassis.clock import technical_now
from kehu_chassis.database import Transaction
from kehu_chassis.message import Message
from kehu_chassis.subscription import Subscription
from kehu_gateway.directory.consumers import note_new_subjects
from kehu_gateway.streams.rules import PERMISSIONS_OF_TYPES, made_at, scope_subject
from kehu_gateway.webhooks.service import add_deliveries

__all__ = ["KEPT", "live_subscription"]

KEPT: Final = timedelta(hours=24)
"""How long a caller may have been away and lose nothing."""

# One writer at a time, until it commits: otherwise a reader could pass a position that is not there yet.
_IN_LINE: Final = "SELECT pg_advisory_xact_lock(hashtextextended(current_schema() || '/live', 0))"

_KEEP: Final = """
INSERT INTO live_events (event_id, type, permission, scope_subject_id, subject, sequence, at, kept_at, body)
SELECT event_id, type, permission, scope_subject_id, subject, sequence, at, $9, body
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::uuid[], $5::text[], $6::bigint[], $7::timestamptz[], $8::bytea[])
     WITH ORDINALITY AS given (event_id, type, permission, scope_subject_id, subject, sequence, at, body, place)
ORDER BY place
RETURNING position
"""


async def _keep(tx: Transaction, messages: Sequence[Message]) -> None:
    now = technical_now()
    # A gateway that is new reads the topics from their beginning: what happened before is not news.
    fresh = [message for message in messages if made_at(message.id, now) > now - KEPT]
    events = [(message, message.parse()) for message in fresh]
    if not events:
        return
    await note_new_subjects(tx, [event for _, event in events])
    await tx.connection.execute(_IN_LINE)
    rows = [
        (
            message.id,
            message.type,
            PERMISSIONS_OF_TYPES[type(event)].value,  # type: ignore[index]  # The subscription asks for these alone.
            scope_subject(event),
            message.subject,
            message.sequence,
            message.time,
            event.__pydantic_serializer__.to_json(event),
        )
        for message, event in events
    ]
    kept = await tx.connection.fetch(_KEEP, *(list(column) for column in zip(*rows, strict=True)), now)
    await add_deliveries(tx, [row["position"] for row in kept], now)


def live_subscription() -> Subscription:
    """Fills the log. A message that cannot be read is left to the operator and holds up no other."""
    return Subscription(
        name="gateway-live",
        topics=tuple(sorted({event.topic for event in PERMISSIONS_OF_TYPES})),
        types=tuple(PERMISSIONS_OF_TYPES),
        handle=_keep,
        poison="skip",
    )
