"""Erases a party: its key is destroyed, and everything by which it could be found or that was sealed.

What remains is what others refer to: ids, the customer number, consents given and withdrawn, movements. None of it tells
who the person was. The ledger is told, since a backup made before does not know of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from kehu_chassis import audit, outbox, timers
from kehu_chassis.database import Transaction
from kehu_chassis.ledger import Ledger
from kehu_chassis.timers import PreparedTimer
from kehu_contracts.customer import CustomerProfileChanged
from kehu_customer.deeds import Deed
from kehu_customer.erasures.problems import MergedElsewhere, retained
from kehu_customer.erasures.rules import Relationship, kept_until
from kehu_customer.kinship import party_ids
from kehu_customer.parties.queries import lock_customer
from kehu_customer.parties.state import emit_state

__all__ = ["ERASED", "NOTE", "destroy", "erase_customer", "noter"]

ERASED: Final = "customer.erased"
NOTE: Final = "erasures.note"

_RELATIONSHIP: Final = """
SELECT coalesce(bool_or(a.closed_on IS NULL), false) AS has_open_accounts, max(a.closed_on) AS last_closed_on
FROM account_holders h JOIN accounts a ON a.id = h.account_id WHERE h.customer_id = ANY ($1::uuid[])
"""
# One that was erased before stays as it is: a repeated list changes nothing.
_DESTROY: Final = """
UPDATE customers
SET key_id = 'erased', wrapped_key = '', name_sealed = '', birth_date_sealed = NULL, employer_sealed = NULL,
    birth_year = NULL, gender = 'unknown', nationality = NULL, industry = NULL, occupation = NULL,
    status = 'closed', version = version + 1, updated_at = $2
WHERE id = ANY ($1::uuid[]) AND wrapped_key <> ''
RETURNING id
"""
_FORGET: Final = (
    "DELETE FROM party_names WHERE customer_id = ANY ($1::uuid[])",
    "DELETE FROM contact_points WHERE customer_id = ANY ($1::uuid[])",
    "DELETE FROM documents WHERE customer_id = ANY ($1::uuid[])",
    "UPDATE interactions SET note_sealed = NULL WHERE customer_id = ANY ($1::uuid[])",
    "DELETE FROM source_records WHERE customer_id = ANY ($1::uuid[])",
)
_LIST: Final = """
INSERT INTO erasures (customer_id, erased_by, erased_at) SELECT id, $2, $3 FROM unnest($1::uuid[]) AS id
ON CONFLICT DO NOTHING
"""


async def erase_customer(tx: Transaction, deed: Deed, customer_id: UUID, *, reason: str) -> list[UUID]:
    """Erase a customer with all that were merged into it; tells whom.

    Raises:
        NotFound: it is not in the caller's scope, or was erased.
        MergedElsewhere: another customer stands for it.
        ErasureRefused: a law asks the bank to keep the data.
    """
    row = await lock_customer(tx, customer_id)
    if row["survivor_id"] != row["id"]:
        raise MergedElsewhere
    party = await party_ids(tx, customer_id)
    tied = await tx.connection.fetchrow(_RELATIONSHIP, party)
    until = kept_until(Relationship(tied["has_open_accounts"], tied["last_closed_on"]))
    if until is not None and until > deed.on:
        raise retained(until)
    return await destroy(tx, party, actor=deed.actor_name, at=deed.at, reason=reason)


async def destroy(
    tx: Transaction, customer_ids: Sequence[UUID], *, actor: str, at: datetime, reason: str
) -> list[UUID]:
    """Erase these customers whatever the reason, with audit, events and the list; tells those that were not yet."""
    rows = await tx.connection.fetch(_DESTROY, list(customer_ids), at)
    erased: list[UUID] = [row["id"] for row in rows]
    for statement in _FORGET:
        await tx.connection.execute(statement, erased)
    await tx.connection.execute(_LIST, erased, actor, at)
    for customer_id in erased:
        outbox.add(tx, CustomerProfileChanged(customer_id=customer_id, changed=("erased",), changed_at=at), at=at)
        resource = ("customer", customer_id)
        await audit.record(tx, actor=actor, action=ERASED, resource=resource, at=at, reason=reason)
        await timers.schedule(tx, due_at=at, kind=NOTE, key=str(customer_id))
    await emit_state(tx, erased, at=at)
    return erased


def noter(ledger: Ledger) -> PreparedTimer:
    """Tells the ledger of an erasure, once it is committed; again after a crash in between, which does no harm."""

    async def note(due_at: datetime, key: str, _payload: dict[str, Any]) -> None:
        ledger.note(ERASED, customer_id=key, erased_at=due_at.isoformat())

    async def done(_tx: Transaction, _due_at: datetime, _key: str, _payload: dict[str, Any], _noted: Any) -> None:
        """The note is on the disk: the timer has had its effect."""

    return PreparedTimer(note, done)
