"""The customers that are one party: a merge links them and moves no row, so a read asks for all of them."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from sqlalchemy import Uuid, bindparam, select

from kehu_chassis.database import Transaction
from kehu_chassis.problems import NotFound
from kehu_chassis.scope import scope_subjects, within_scope_subject

__all__ = ["party_ids"]

_asked = scope_subjects.alias("asked")
_kin = scope_subjects.alias("kin")
_PARTY: Final = (
    select(_kin.c.subject_id)
    .join(_asked, _asked.c.survivor_id == _kin.c.survivor_id)
    .where(_asked.c.subject_id == bindparam("customer_id", type_=Uuid), within_scope_subject(_asked.c.subject_id))
    .order_by(_kin.c.subject_id)
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
