"""SELECTs on merges and on the customers that they link."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final
from uuid import UUID

from sqlalchemy import bindparam, select

from kehu_chassis.database import Record, Transaction
from kehu_chassis.problems import NotFound
from kehu_chassis.scope import within_scope_subject
from kehu_customer.identity.tables import documents
from kehu_customer.merges.tables import merges
from kehu_customer.parties.queries import is_known
from kehu_customer.parties.tables import customers

__all__ = ["absorbed_by", "identity_keys", "lock_merge", "lock_pair", "read_merge"]

IDENTITY_TYPES: Final = ("resident_id", "uscc")

_one_merge = select(merges).where(merges.c.id == bindparam("merge_id"), within_scope_subject(merges.c.customer_id))


async def lock_pair(tx: Transaction, one: UUID, other: UUID) -> dict[UUID, Any]:
    """Both customers, locked in the order of their ids, so that two merges cannot wait for one another.

    Raises:
        NotFound: one of them is not in the caller's scope.
    """
    wanted = {one, other}
    statement = (
        select(customers)
        .where(customers.c.id.in_(sorted(wanted)), is_known, within_scope_subject(customers.c.id))
        .order_by(customers.c.id)
        .with_for_update()
    )
    rows: list[Any] = await tx.all(statement)
    if len(rows) != len(wanted):
        raise NotFound
    return {row["id"]: row for row in rows}


async def absorbed_by(tx: Transaction, customer_id: UUID) -> int:
    """How many customers are merged into this one."""
    merged = customers.c.survivor_id == customer_id, customers.c.id != customer_id
    return len(await tx.all(select(customers.c.id).where(*merged)))


async def identity_keys(tx: Transaction, customer_ids: Collection[UUID]) -> dict[UUID, frozenset[bytes]]:
    """The blind indexes of the resident IDs and credit codes of these customers."""
    statement = select(documents.c.customer_id, documents.c.number_index).where(
        documents.c.customer_id.in_(list(customer_ids)), documents.c.type.in_(IDENTITY_TYPES)
    )
    found: dict[UUID, set[bytes]] = {customer_id: set() for customer_id in customer_ids}
    rows: list[Any] = await tx.all(statement)
    for row in rows:
        found[row["customer_id"]].add(row["number_index"])
    return {customer_id: frozenset(keys) for customer_id, keys in found.items()}


async def read_merge(tx: Transaction, merge_id: UUID) -> Record:
    """A merge.

    Raises:
        NotFound: there is none in the caller's scope.
    """
    row = await tx.first(_one_merge, {"merge_id": merge_id})
    if row is None:
        raise NotFound
    return row


async def lock_merge(tx: Transaction, merge_id: UUID) -> Any:
    """A merge, held until the transaction ends.

    Raises:
        NotFound: there is none in the caller's scope.
    """
    row = await tx.first(_one_merge.with_for_update(), {"merge_id": merge_id})
    if row is None:
        raise NotFound
    return row
