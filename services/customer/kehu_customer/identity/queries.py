"""SELECTs on identity documents."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import bindparam, select

from kehu_chassis.database import Record, Transaction
from kehu_customer.identity.tables import documents

__all__ = ["list_documents"]

_documents_of = select(documents).where(documents.c.customer_id == bindparam("customer_id")).order_by(documents.c.id)


async def list_documents(tx: Transaction, customer_id: UUID) -> list[Record]:
    """The documents of a customer that the caller has been found to reach."""
    return await tx.all(_documents_of, {"customer_id": customer_id})
