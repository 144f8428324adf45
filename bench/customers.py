"""Many customer states at once: rows of an outbox, made by PostgreSQL, that any consumer of the topic can read."""

from __future__ import annotations

from datetime import date
from typing import Any, Final
from uuid import UUID, uuid4

import asyncpg

from kehu_chassis.clock import technical_now
from kehu_chassis.message import Message
from kehu_contracts.codes import CustomerStatus, Gender, PartyKind
from kehu_contracts.customer import CustomerState

__all__ = ["STATES", "fill_outbox", "message", "state"]

STATES: Final = CustomerState.topic
_NOBODY: Final = UUID(int=0)

_FILL: Final = """
INSERT INTO customer.outbox (id, type, topic, key, subject, sequence, schema, time, traceparent, body)
SELECT uuidv7(), $1, $2, subject, subject, 1, $3, now(), NULL, convert_to(replace($4, $5, subject), 'UTF8')
FROM (SELECT gen_random_uuid()::text AS subject FROM generate_series(1, $6)) AS made
"""


def state(customer_id: UUID) -> CustomerState:
    """A customer without consents."""
    return CustomerState(
        customer_id=customer_id,
        customer_number="C00000000017",
        kind=PartyKind.INDIVIDUAL,
        status=CustomerStatus.ACTIVE,
        gender=Gender.UNKNOWN,
        birth_year=1980,
        unit_id=uuid4(),
        primary_rm_id=uuid4(),
        survivor_id=customer_id,
        customer_since=date(2020, 1, 2),
        consents=(),
    )


def message(event: CustomerState) -> Message:
    """The event as the broker would bring it, the first about its customer."""
    return Message(
        id=uuid4(),
        type=event.event_type,
        source="urn:kehu:customer",
        subject=str(event.subject_id()),
        time=technical_now(),
        sequence=1,
        key=str(event.key_id()),
        body=event.model_dump_json().encode(),
        topic=STATES,
    )


async def fill_outbox(connection: asyncpg.Connection[Any], count: int) -> None:
    """Commit so many first states of customers to the outbox of the customer service, each with a body of its own."""
    await connection.execute(
        _FILL,
        CustomerState.event_type,
        STATES,
        CustomerState.dataschema(),
        state(_NOBODY).model_dump_json(),
        str(_NOBODY),
        count,
    )
