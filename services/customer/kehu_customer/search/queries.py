"""Candidates for what was typed, in the caller's scope."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import select

from kehu_chassis.database import Record, Transaction
from kehu_chassis.scope import within_scope_subject
from kehu_customer.identity.tables import documents
from kehu_customer.parties.queries import CustomerFilter, is_known, units_below
from kehu_customer.parties.tables import contact_points, customers

__all__ = ["by_contact", "by_document", "by_number", "name_candidates"]

MOST_CANDIDATES: Final = 500
MOST_MATCHES: Final = 50

# The function works within the caller's scope; it stands in a migration, where its reason is told.
NAME_CANDIDATES: Final = "SELECT * FROM name_candidates($1, $2, $3, $4, $5, $6, $7)"


async def name_candidates(
    tx: Transaction, tokens: Sequence[list[int]], wanted: CustomerFilter, *, all_of: bool
) -> list[Any]:
    """Names that hold the tokens of one key version or another, sealed, with the key of their party and its survivor."""
    units = [row["unit_id"] for row in await tx.all(units_below(wanted.unit_id))] if wanted.unit_id else None
    found: list[Any] = []
    for each in tokens:
        found += await tx.connection.fetch(
            NAME_CANDIDATES, each, all_of, MOST_CANDIDATES, wanted.kind, wanted.status, wanted.primary_rm_id, units
        )
    return found


async def by_number(tx: Transaction, customer_number: str) -> list[Record]:
    """The customer with this number."""
    found = customers.c.customer_number == customer_number, is_known, within_scope_subject(customers.c.id)
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
