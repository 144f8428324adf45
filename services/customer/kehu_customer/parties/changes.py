"""A change of a customer, counted, told and audited."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import bindparam, update

from kehu_chassis import audit, outbox
from kehu_chassis.database import Record, Transaction
from kehu_contracts.customer import CustomerProfileChanged
from kehu_customer.deeds import Deed
from kehu_customer.parties.tables import customers

__all__ = ["touch"]

_touch = (
    update(customers)
    .where(customers.c.id == bindparam("customer_id"))
    .values(version=customers.c.version + 1, updated_at=bindparam("at"))
    .returning(customers)
)


async def touch(tx: Transaction, deed: Deed, customer_id: UUID, changed: tuple[str, ...], *, action: str) -> Record:
    """Count a change of the customer, tell it and leave its audit row; gives the row as it now stands."""
    row = await tx.one(_touch, {"customer_id": customer_id, "at": deed.at})
    event = CustomerProfileChanged(customer_id=customer_id, changed=changed, changed_at=deed.at)
    outbox.add(tx, event, at=deed.at)
    resource, details = ("customer", customer_id), {"fields": list(changed)}
    await audit.record(tx, actor=deed.actor, action=action, resource=resource, at=deed.at, details=details)
    return row
