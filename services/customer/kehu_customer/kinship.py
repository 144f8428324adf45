"""The customers that are one party: a merge links them and moves no row, so a read asks for all of them."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from sqlalchemy import Uuid, bindparam, select, union_all

from kehu_chassis.database import Transaction
from kehu_chassis.problems import NotFound
from kehu_chassis.scope import scope_subjects, within_scope_subject

__all__ = ["party_ids"]

_asked = scope_subjects.alias("asked")
_merged = scope_subjects.alias("merged")
_survivor: Final = (
    select(_asked.c.survivor_id)
    .where(_asked.c.subject_id == bindparam("customer_id", type_=Uuid), within_scope_subject(_asked.c.subject_id))
    .cte("survivor")
)
# Two arms, since most customers are merged with nobody: only links are indexed by their survivor.
_PARTY: Final = union_all(
    select(_survivor.c.survivor_id.label("subject_id")),
    select(_merged.c.subject_id).where(
        _merged.c.survivor_id == _survivor.c.survivor_id, _merged.c.survivor_id != _merged.c.subject_id
    ),
)


async def party_ids(tx: Transaction, customer_id: UUID) -> list[UUID]:
    """The customer and all that are linked to the same survivor.

    Raises:
        NotFound: there is no such customer in the caller's reach.
    """
    rows = await tx.all(_PARTY, {"customer_id": customer_id})
    if not rows:
        raise NotFound
    return [row["subject_id"] for row in rows]
