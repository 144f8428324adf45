"""Events leave in the transaction of the change that they tell.

`add` puts an event on the transaction; `Database.begin` writes all of them before the commit (`outgoing`), and the relay
sends them afterwards.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from kehu_chassis.columns import new_id
from kehu_chassis.database import Transaction
from kehu_chassis.message import Message
from kehu_chassis.outgoing import Outgoing
from kehu_chassis.tracing import current_traceparent
from kehu_contracts.base import Event

__all__ = ["EventTooLarge", "add"]

LARGEST_BODY: Final = 900_000
"""Bytes; Kafka's own default limit is a mebibyte with headers."""


class EventTooLarge(ValueError):
    """An event that the broker would refuse would block all events behind it."""


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
