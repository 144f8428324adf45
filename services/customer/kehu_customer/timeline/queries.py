"""What is asked about timelines, in the caller's scope."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ARRAY, Uuid, bindparam, column, func, select, true

from kehu_chassis.database import Record, Transaction
from kehu_chassis.paging import PageQuery, PageRows, keyset, page_rows
from kehu_chassis.problems import NotFound
from kehu_chassis.scope import within_scope_subject
from kehu_customer.kinship import party_ids
from kehu_customer.parties.queries import is_known
from kehu_customer.parties.tables import customers
from kehu_customer.timeline.tables import interactions, timeline_entries

__all__ = ["customer_with_key", "notes_of", "timeline"]

_WITH_KEY: Final = select(customers.c.id, customers.c.key_id, customers.c.wrapped_key).where(
    customers.c.id == bindparam("customer_id", type_=Uuid), is_known, within_scope_subject(customers.c.id)
)

_NOTES: Final = (
    select(
        interactions.c.id,
        interactions.c.kind,
        interactions.c.note_sealed,
        interactions.c.staff_id,
        customers.c.key_id,
        customers.c.wrapped_key,
    )
    .join(customers, customers.c.id == interactions.c.customer_id)
    .where(
        interactions.c.id == bindparam("ids", type_=ARRAY(Uuid)).any_(),
        within_scope_subject(interactions.c.customer_id),
    )
)


async def customer_with_key(tx: Transaction, customer_id: UUID) -> Record:
    """A customer with the wrapped key under which what identifies them is sealed.

    Raises:
        NotFound: there is no such customer in the caller's reach.
    """
    row = await tx.first(_WITH_KEY, {"customer_id": customer_id})
    if row is None:
        raise NotFound
    return row


async def timeline(
    tx: Transaction, customer_id: UUID, page: PageQuery, *, types: Collection[str], channels: Collection[str]
) -> PageRows:
    """A page of everything that happened around a party, newest first; of merged customers, the union.

    Raises:
        NotFound: there is no such customer in the caller's reach.
    """
    ids = await party_ids(tx, customer_id)
    kin = (
        func.unnest(bindparam("ids", ids, type_=ARRAY(Uuid), unique=True))
        .table_valued(column("customer_id", Uuid), name="kin")
        .render_derived()
    )
    entries = timeline_entries.c
    own = select(timeline_entries).where(
        entries.customer_id == kin.c.customer_id, within_scope_subject(entries.customer_id)
    )
    if types:
        own = own.where(entries.type.in_(types))
    if channels:
        own = own.where(entries.channel.in_(channels))
    # Each customer's newest are read from the index's end; only those few are brought into one order.
    newest = keyset(own, (entries.occurred_at, entries.entry_id), page, descending=True).lateral("newest")
    statement = select(newest).select_from(kin.join(newest, true()))
    rows: Sequence[Any] = await tx.all(
        keyset(statement, (newest.c.occurred_at, newest.c.entry_id), page, descending=True)
    )
    return page_rows(rows, page, ("occurred_at", "entry_id"))


async def notes_of(tx: Transaction, interaction_ids: Collection[UUID]) -> dict[UUID, Record]:
    """The manual interactions behind entries, with the keys that open their notes."""
    if not interaction_ids:
        return {}
    rows = await tx.all(_NOTES, {"ids": list(interaction_ids)})
    return {row["id"]: row for row in rows}
