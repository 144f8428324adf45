"""Business actions on the timeline: write down a contact by hand, and project everybody's events."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final, Literal
from uuid import UUID

from sqlalchemy import ARRAY, Date, DateTime, Uuid, bindparam, func, select
from sqlalchemy.dialects.postgresql import JSONB, insert

from kehu_chassis import outbox
from kehu_chassis.auth import Principal
from kehu_chassis.columns import Text, new_id
from kehu_chassis.database import Record, Transaction
from kehu_chassis.message import Message
from kehu_chassis.problems import FieldProblem, ValidationProblem
from kehu_contracts.codes import Channel
from kehu_contracts.customer import InteractionRecorded
from kehu_customer.rows import arrays, given
from kehu_customer.timeline import queries
from kehu_customer.timeline.rules import Entry, entry_of
from kehu_customer.timeline.tables import interactions, timeline_entries
from kehu_customer.vault import Vault

__all__ = ["NOTE_PLACE", "Contact", "project_events", "record_interaction"]

NOTE_PLACE: Final = "interactions.note"

_COLUMNS: Final = ("customer_id", "occurred_at", "entry_id", "type", "channel", "reference_id", "attributes")
_entries = given(
    "given",
    customer_id=Uuid,
    occurred_at=DateTime(timezone=True),
    entry_id=Uuid,
    type=Text,
    channel=Text,
    reference_id=Uuid,
    attributes=JSONB,
)
_PUT_ENTRIES: Final = (
    insert(timeline_entries)
    .from_select(list(_COLUMNS), select(*(_entries.c[name] for name in _COLUMNS)))
    .on_conflict_do_nothing()
)
_ENSURE: Final = select(func.ensure_timeline_years(bindparam("years", type_=ARRAY(Date))))

_PUT_INTERACTION: Final = (
    insert(interactions)
    .values({column.name: bindparam(column.name, type_=column.type) for column in interactions.columns})
    .returning(interactions)
)


_IN_THE_FUTURE: Final[FieldProblem] = {
    "pointer": "/occurred_at",
    "code": "interaction.in_the_future",
    "detail": "A contact that has not happened cannot be written down",
    "detail_zh": "不能登记尚未发生的接触",
}


@dataclass(frozen=True, slots=True)
class Contact:
    """A contact with a customer as somebody of the bank writes it down."""

    kind: str
    channel: Channel
    direction: Literal["inbound", "outbound"]
    occurred_at: datetime
    note: str | None


async def project_events(tx: Transaction, messages: Sequence[Message]) -> None:
    """Put events of all services on the timelines of their customers."""
    await _put_entries(tx, (entry_of(message.parse(), message.id) for message in messages))


async def _put_entries(tx: Transaction, entries: Iterable[Entry | None]) -> None:
    found = [entry for entry in entries if entry is not None]
    rows = [
        (
            entry.customer_id,
            entry.occurred_at,
            entry.entry_id,
            entry.type,
            entry.channel,
            entry.reference_id,
            dict(entry.attributes),
        )
        for entry in found
    ]
    if rows:
        years = sorted({entry.occurred_at.astimezone(UTC).year for entry in found})
        await tx.scalar(_ENSURE, {"years": [date(year, 1, 1) for year in years]})
        await tx.execute(_PUT_ENTRIES, arrays(_COLUMNS, rows))


async def record_interaction(  # noqa: PLR0913  who did what to whom, when and why
    tx: Transaction, vault: Vault, customer_id: UUID, contact: Contact, *, actor: Principal, at: datetime
) -> Record:
    """Write down a contact; its note is sealed under the customer's own key.

    Raises:
        NotFound: there is no such customer in the caller's reach.
        ValidationProblem: the contact lies in the future.
    """
    if contact.occurred_at > at:
        raise ValidationProblem(errors=[_IN_THE_FUTURE])
    customer = await queries.customer_with_key(tx, customer_id)
    interaction_id = new_id()
    row = await tx.one(
        _PUT_INTERACTION,
        {
            "id": interaction_id,
            "customer_id": customer_id,
            "kind": contact.kind,
            "channel": contact.channel,
            "direction": contact.direction,
            "note_sealed": vault.seal_optional(vault.key_of(customer), contact.note, NOTE_PLACE, interaction_id),
            "staff_id": actor.staff_id,
            "actor": actor.subject,
            "occurred_at": contact.occurred_at,
            "recorded_at": at,
        },
    )
    event = InteractionRecorded(
        customer_id=customer_id,
        interaction_id=interaction_id,
        channel=contact.channel,
        direction=contact.direction,
        occurred_at=contact.occurred_at,
    )
    # The writer reads the timeline next: the entry stands at once, and is the same when the event comes back.
    await _put_entries(tx, [entry_of(event, interaction_id)])
    outbox.add(tx, event, at=at)
    return row
