"""What is told of one customer as a whole: the section of the 360, and the reveal."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from typing import Any
from uuid import UUID

from kehu_chassis import audit
from kehu_chassis.database import Transaction
from kehu_customer.consents.queries import consents_in_force
from kehu_customer.deeds import Deed
from kehu_customer.identity.queries import list_documents
from kehu_customer.parties import queries
from kehu_customer.parties.views import View

__all__ = ["read_profile", "reveal"]


async def read_profile(tx: Transaction, view: View, customer_id: UUID, on: date) -> dict[str, Any]:
    """The customer with names, contact points, documents and the consents in force.

    Raises:
        NotFound: there is no such customer in the caller's scope.
    """
    row = await queries.read_customer(tx, customer_id)
    names = await queries.list_names(tx, customer_id)
    points = await queries.list_contact_points(tx, customer_id)
    papers = await list_documents(tx, customer_id)
    members, consents = await consents_in_force(tx, row["survivor_id"])
    return {
        "customer": view.customer(row),
        **view.profile(row),
        "names": [view.name(row, name) for name in names],
        "contact_points": [view.contact_point(row, point) for point in points],
        "documents": [view.document(row, paper, on) for paper in papers],
        "consents": consents,
        "merged_ids": [member for member in members if member != row["survivor_id"]],
    }


async def reveal(
    tx: Transaction, deed: Deed, customer_id: UUID, fields: Collection[str], reason: str
) -> dict[str, Any]:
    """The fields that were asked for, in clear.

    Raises:
        NotFound: there is no such customer in the caller's scope.
    """
    row = await queries.read_customer(tx, customer_id)
    view = View(deed.vault, clear_names=True)
    shown: dict[str, Any] = view.clear_customer(row, fields)
    shown |= dict.fromkeys(("names", "contact_points", "documents"))
    if "names" in fields:
        shown["names"] = [view.clear_name(row, name) for name in await queries.list_names(tx, customer_id)]
    if "contact_points" in fields:
        points = await queries.list_contact_points(tx, customer_id)
        shown["contact_points"] = [view.clear_contact_point(row, point) for point in points]
    if "documents" in fields:
        shown["documents"] = [view.clear_document(row, paper) for paper in await list_documents(tx, customer_id)]
    await audit.record(
        tx,
        actor=deed.actor,
        action="customer.revealed",
        resource=("customer", customer_id),
        at=deed.at,
        details={"fields": sorted(fields)},
        reason=reason,
    )
    return shown
