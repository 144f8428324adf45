"""SELECTs on extensions. The caller has found or locked the case in its scope before."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from sqlalchemy import bindparam, select

from kehu_chassis.database import Record, Transaction
from kehu_complaints.extensions.tables import extensions

__all__ = ["extension_of", "extensions_of"]

_ALL: Final = (
    select(extensions)
    .where(extensions.c.complaint_id == bindparam("complaint_id"))
    .order_by(extensions.c.requested_at, extensions.c.extension_id)
)
_ONE: Final = select(extensions).where(
    extensions.c.complaint_id == bindparam("complaint_id"), extensions.c.extension_id == bindparam("extension_id")
)


async def extensions_of(tx: Transaction, complaint_id: UUID) -> list[Record]:
    """All extensions of a case, oldest first."""
    return await tx.all(_ALL, {"complaint_id": complaint_id})


async def extension_of(tx: Transaction, complaint_id: UUID, extension_id: UUID) -> Record | None:
    """One extension of a case."""
    return await tx.first(_ONE, {"complaint_id": complaint_id, "extension_id": extension_id})
