"""Business actions on merges. A merge links two customers and moves no row, so undoing it changes the link only."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import insert, update

from kehu_chassis import audit, outbox
from kehu_chassis.database import Record, Transaction
from kehu_chassis.scope_facts import ScopeSubject, put_subjects
from kehu_contracts.codes import PartyKind
from kehu_contracts.customer import CustomerMerged, CustomerUnmerged
from kehu_customer.deeds import Deed
from kehu_customer.kinship import party_ids
from kehu_customer.merges import queries
from kehu_customer.merges.problems import MergeUndone, merge_problem
from kehu_customer.merges.rules import MergeCandidate, MergeConflict, check_merge
from kehu_customer.merges.tables import merges
from kehu_customer.parties.state import emit_state
from kehu_customer.parties.tables import customers

__all__ = ["merge_customers", "undo_merge"]


async def merge_customers(tx: Transaction, deed: Deed, customer_id: UUID, survivor_id: UUID, *, reason: str) -> Record:
    """Link a customer to the one that it turned out to be.

    Raises:
        NotFound: one of them is not in the caller's scope.
        MergeRefused: the two may not be linked.
    """
    rows = await queries.lock_pair(tx, customer_id, survivor_id)
    keys = await queries.identity_keys(tx, list(rows))
    absorbed = await queries.absorbed_by(tx, customer_id)
    candidates = {
        row["id"]: MergeCandidate(
            row["id"],
            row["survivor_id"],
            PartyKind(row["kind"]),
            absorbed if row["id"] == customer_id else 0,
            keys[row["id"]],
        )
        for row in rows.values()
    }
    try:
        check_merge(candidates[customer_id], candidates[survivor_id])
    except MergeConflict as conflict:
        raise merge_problem(conflict) from None
    written = await tx.one(
        insert(merges)
        .values(
            customer_id=customer_id,
            survivor_id=survivor_id,
            reason=reason,
            merged_by=deed.actor_name,
            merged_at=deed.at,
        )
        .returning(merges)
    )
    await _link(tx, deed, rows[customer_id], survivor_id)
    event = CustomerMerged(customer_id=customer_id, merge_id=written["id"], survivor_id=survivor_id, merged_at=deed.at)
    outbox.add(tx, event, at=deed.at)
    await emit_state(tx, await party_ids(tx, survivor_id), at=deed.at)
    await _audit(tx, deed, "customer.merged", customer_id, written, reason)
    return written


async def undo_merge(tx: Transaction, deed: Deed, merge_id: UUID, *, reason: str) -> Record:
    """Take a link back: the customer stands for itself again, with all that was its own.

    Raises:
        NotFound: there is no such merge in the caller's scope.
        MergeUndone: it has been undone before.
    """
    merge = await queries.lock_merge(tx, merge_id)
    if merge["undone_at"] is not None:
        raise MergeUndone
    customer_id, survivor_id = merge["customer_id"], merge["survivor_id"]
    rows = await queries.lock_pair(tx, customer_id, survivor_id)
    undone = await tx.one(
        update(merges)
        .where(merges.c.id == merge_id)
        .values(undo_reason=reason, undone_by=deed.actor_name, undone_at=deed.at, version=merges.c.version + 1)
        .returning(merges)
    )
    await _link(tx, deed, rows[customer_id], customer_id)
    event = CustomerUnmerged(customer_id=customer_id, merge_id=merge_id, survivor_id=survivor_id, unmerged_at=deed.at)
    outbox.add(tx, event, at=deed.at)
    await emit_state(tx, [customer_id, *await party_ids(tx, survivor_id)], at=deed.at)
    await _audit(tx, deed, "customer.unmerged", customer_id, undone, reason)
    return undone


async def _link(tx: Transaction, deed: Deed, row: Any, survivor_id: UUID) -> None:
    await tx.execute(
        update(customers)
        .where(customers.c.id == row["id"])
        .values(survivor_id=survivor_id, version=customers.c.version + 1, updated_at=deed.at)
    )
    await put_subjects(tx, [ScopeSubject(row["id"], survivor_id, row["unit_id"], row["primary_rm_id"])])


async def _audit(  # noqa: PLR0913, PLR0917  what there is to tell of a merge
    tx: Transaction, deed: Deed, action: str, customer_id: UUID, merge: Any, reason: str
) -> None:
    await audit.record(
        tx,
        actor=deed.actor,
        action=action,
        resource=("customer", customer_id),
        at=deed.at,
        details={"merge_id": str(merge["id"]), "survivor_id": str(merge["survivor_id"])},
        reason=reason,
    )
