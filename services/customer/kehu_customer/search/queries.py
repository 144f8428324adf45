"""Candidates for what was typed, in the caller's scope."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import or_, select

from kehu_chassis.database import Record, Transaction
from kehu_chassis.scope import within_scope_subject
from kehu_customer.identity.tables import documents
from kehu_customer.parties.queries import CustomerFilter
from kehu_customer.parties.tables import contact_points, customers, party_names

__all__ = ["by_contact", "by_document", "by_number", "name_candidates"]

MOST_CANDIDATES: Final = 500
MOST_MATCHES: Final = 50

_survivors = customers.alias("survivors")


async def name_candidates(
    tx: Transaction, tokens: Sequence[list[int]], wanted: CustomerFilter, *, all_of: bool
) -> list[Record]:
    """Names that hold the tokens, with the key of their party and the customer who now stands for it."""
    held = [party_names.c.tokens.contains(each) if all_of else party_names.c.tokens.overlap(each) for each in tokens]
    statement = (
        select(
            party_names.c.id,
            party_names.c.type,
            party_names.c.name_sealed,
            customers.c.id.label("customer_id"),
            customers.c.survivor_id,
            customers.c.key_id,
            customers.c.wrapped_key,
        )
        .join(customers, customers.c.id == party_names.c.customer_id)
        .join(_survivors, _survivors.c.id == customers.c.survivor_id)
        .where(
            or_(*held),
            party_names.c.ended_at.is_(None),
            within_scope_subject(customers.c.id),
            *wanted.conditions(_survivors),
        )
        .limit(MOST_CANDIDATES)
    )
    return await tx.all(statement)


async def by_number(tx: Transaction, customer_number: str) -> list[Record]:
    """The customer with this number."""
    found = customers.c.customer_number == customer_number, within_scope_subject(customers.c.id)
    return await tx.all(select(customers).where(*found))


async def by_contact(tx: Transaction, contact_type: str, probes: Sequence[bytes]) -> list[Record]:
    """Customers who are reached by this contact point, at most 50."""
    return await _by(tx, contact_points, contact_points.c.value_index, probes, contact_points.c.type == contact_type)


async def by_document(tx: Transaction, probes: Sequence[bytes]) -> list[Record]:
    """Customers who hold a document with this number, at most 50."""
    return await _by(tx, documents, documents.c.number_index, probes)


async def _by(tx: Transaction, table: Any, index: Any, probes: Sequence[bytes], *more: Any) -> list[Record]:
    holders = select(table.c.customer_id).where(index.in_(list(probes)), *more)
    statement = (
        select(customers)
        .where(customers.c.id.in_(holders), within_scope_subject(customers.c.id))
        .order_by(customers.c.id)
        .limit(MOST_MATCHES)
    )
    return await tx.all(statement)
