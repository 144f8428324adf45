"""Business actions on parties that are known: what they are called, how they are reached, what they are.

Registration stands in `registration.py`. Every change locks the customer, writes rows, tells its events and leaves an
audit row, in the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import insert, update

from kehu_chassis import audit
from kehu_chassis.auth import Principal
from kehu_chassis.database import Record, Transaction
from kehu_chassis.http import check_version
from kehu_chassis.problems import FieldProblem, NotFound, ValidationProblem
from kehu_chassis.scope import Reach
from kehu_contracts.codes import Gender, PartyKind
from kehu_customer.deeds import Deed
from kehu_customer.identity.service import resident_id_of, restate_documents
from kehu_customer.ownership.queries import check_owner
from kehu_customer.parties import queries
from kehu_customer.parties.attributes import standing_attributes, write_attributes
from kehu_customer.parties.changes import touch
from kehu_customer.parties.drafts import ContactDraft, NameType, PartyDraft, RegisteredParty
from kehu_customer.parties.registration import register_parties, register_party
from kehu_customer.parties.rules import check_attributes
from kehu_customer.parties.sealing import CUSTOMER_NAME, NAME, contact_row, name_row
from kehu_customer.parties.state import emit_state
from kehu_customer.parties.tables import contact_points, customers, party_names
from kehu_customer.vault import Vault

__all__ = [
    "ContactPointChange",
    "add_contact_point",
    "add_name",
    "change_contact_point",
    "change_customer",
    "open_customer",
    "register_parties",
    "register_party",
    "restate_party",
]

_insert_name = insert(party_names).returning(party_names)
_insert_contact = insert(contact_points).returning(contact_points)
_NO_UNIT: Final[FieldProblem] = {
    "pointer": "/unit_id",
    "code": "customer.unit_required",
    "detail": "Name the unit that shall own the customer.",
    "detail_zh": "请指明客户的归属机构。",
}
_NAME_COLUMNS: Final = ("id", "customer_id", "type", "name_sealed", "tokens", "index_version")
_CONTACT_COLUMNS: Final = (
    "id", "customer_id", "type", "value_sealed", "value_index", "index_version", "division_code", "is_primary", "verified_at",
)  # fmt: skip


async def open_customer(tx: Transaction, deed: Deed, draft: PartyDraft, principal: Principal) -> RegisteredParty:
    """Register a checked party on behalf of a person; its owner is the unit stated, else the person's own.

    Raises:
        ValidationProblem: the unit or the manager cannot own the customer.
    """
    unit_was_named = draft.unit_id is not None
    if not unit_was_named and principal.staff_id is not None:
        draft = draft._replace(unit_id=await queries.unit_of_staff(tx, principal.staff_id))
    if draft.unit_id is None and (principal.scope.kind is not Reach.ALL or draft.primary_rm_id is not None):
        raise ValidationProblem(errors=[_NO_UNIT])
    if draft.unit_id is not None and (unit_was_named or draft.primary_rm_id is not None):
        await check_owner(tx, draft.unit_id, draft.primary_rm_id)
    registered = await register_party(tx, deed.vault, draft, actor=deed.actor_name, at=deed.at)
    resource = ("customer", registered.customer_id)
    await audit.record(tx, actor=principal, action="customer.registered", resource=resource, at=deed.at)
    return registered


async def change_customer(
    tx: Transaction, deed: Deed, customer_id: UUID, values: Mapping[str, Any], *, expected_version: int
) -> Record:
    """Change attributes of a customer. What stands already changes nothing and tells nothing.

    Raises:
        NotFound: there is none in the caller's scope.
        PreconditionFailed: somebody else changed it in between.
        PartyRefused: an attribute cannot be right.
    """
    row = await queries.lock_customer(tx, customer_id)
    check_version(row["version"], expected_version)
    standing = standing_attributes(deed.vault, row)
    news = {name: value for name, value in values.items() if standing[name] != value}
    if not news:
        return row
    number = await resident_id_of(tx, deed.vault, row)
    check_attributes({**news, "kind": PartyKind(row["kind"])}, number, deed.on)
    await write_attributes(tx, deed, row, news)
    changed = await touch(tx, deed, customer_id, tuple(sorted(news)), action="customer.changed")
    await emit_state(tx, [customer_id], at=deed.at)
    return changed


async def add_name(tx: Transaction, deed: Deed, customer_id: UUID, name_type: NameType, name: str) -> Record:
    """Add a checked name. A new primary name makes the old one a former name, by which the customer is still found.

    Raises:
        NotFound: there is no such customer in the caller's scope.
    """
    row = await queries.lock_customer(tx, customer_id)
    added = await _add_name(tx, deed, row, name_type, name)
    await touch(tx, deed, customer_id, ("names",), action="customer.name_added")
    return added


async def _add_name(tx: Transaction, deed: Deed, row: Record, name_type: NameType, name: str) -> Record:
    key = deed.vault.key_of(row)
    if name_type == "primary":
        former = party_names.c.customer_id == row["id"], party_names.c.type == "primary"
        await tx.execute(update(party_names).where(*former).values(type="former"))
        sealed = deed.vault.seal(key, name, CUSTOMER_NAME, row["id"])
        await tx.execute(update(customers).where(customers.c.id == row["id"]).values(name_sealed=sealed))
    values = dict(zip(_NAME_COLUMNS, name_row(deed.vault, key, row["id"], name_type, name), strict=True))
    return await tx.one(_insert_name, {**values, "created_at": deed.at})


async def add_contact_point(tx: Transaction, deed: Deed, customer_id: UUID, contact: ContactDraft) -> Record:
    """Add a checked contact point; one that is there already is given back unchanged.

    Raises:
        NotFound: there is no such customer in the caller's scope.
    """
    row = await queries.lock_customer(tx, customer_id)
    standing = await queries.list_contact_points(tx, customer_id)
    known = deed.vault.contact_probes(contact.type, contact.value)
    same = next((point for point in standing if point["value_index"] in known), None)
    if same is not None:
        return same
    is_first = all(point["type"] != contact.type for point in standing)
    added = await _add_contact(tx, deed, row, contact, is_primary=is_first)
    await touch(tx, deed, customer_id, ("contact_points",), action="customer.contact_point_added")
    return added


async def _add_contact(tx: Transaction, deed: Deed, row: Record, contact: ContactDraft, *, is_primary: bool) -> Record:
    key = deed.vault.key_of(row)
    sealed = contact_row(deed, key, row["id"], contact, is_primary=is_primary)
    return await tx.one(_insert_contact, {**dict(zip(_CONTACT_COLUMNS, sealed, strict=True)), "created_at": deed.at})


@dataclass(frozen=True, slots=True)
class ContactPointChange:
    """What changes about a contact point; None leaves it as it is."""

    is_primary: bool | None = None
    verified: bool | None = None
    ended: bool | None = None


async def change_contact_point(
    tx: Transaction, deed: Deed, point: tuple[UUID, UUID], change: ContactPointChange, *, expected_version: int
) -> tuple[Record, Record]:
    """Make a contact point (customer's id, its own id) the primary one of its type, verify it, or end its use.

    Gives the rows of the customer and of the contact point.

    Raises:
        NotFound: there is none in use, or the customer is not in the caller's scope.
        PreconditionFailed: somebody else changed it in between.
    """
    customer_id, contact_point_id = point
    await queries.lock_customer(tx, customer_id)
    points = {row["id"]: row for row in await queries.list_contact_points(tx, customer_id)}
    standing = points.get(contact_point_id)
    if standing is None:
        raise NotFound
    check_version(standing["version"], expected_version)
    values: dict[str, Any] = {"version": contact_points.c.version + 1}
    if change.is_primary:
        others = contact_points.c.customer_id == customer_id, contact_points.c.type == standing["type"]
        await tx.execute(update(contact_points).where(*others).values(is_primary=False))
    if change.is_primary is not None:
        values["is_primary"] = change.is_primary
    if change.verified is not None:
        values["verified_at"] = deed.at if change.verified else None
    if change.ended:
        values["ended_at"] = deed.at
    one = contact_points.c.id == contact_point_id
    changed = await tx.one(update(contact_points).where(one).values(values).returning(contact_points))
    customer = await touch(tx, deed, customer_id, ("contact_points",), action="customer.contact_point_changed")
    return customer, changed


async def restate_party(  # noqa: PLR0913  what a source states, and as whom and when
    tx: Transaction, vault: Vault, customer_id: UUID, draft: PartyDraft, *, actor: str, at: datetime
) -> tuple[str, ...]:
    """Bring a customer in line with what a source now states of it, checked; tells the names of what changed.

    What the source does not state (None, no document, no contact) is left as it stands, and owners are left to the
    ownership feature. A contact point or document that the source no longer names stays: another source may know it.
    """
    deed = Deed(vault, actor, at)
    row = await queries.lock_customer(tx, customer_id)
    standing = standing_attributes(vault, row)
    stated = {name: getattr(draft, name) for name in standing if name != "language"}
    known = {name: value for name, value in stated.items() if value is not None and value is not Gender.UNKNOWN}
    news = {name: value for name, value in sorted(known.items()) if standing[name] != value}
    changed = [*news]
    if await _restate_names(tx, deed, row, draft):
        changed.append("names")
    if await _restate_contacts(tx, deed, row, draft):
        changed.append("contact_points")
    if await restate_documents(tx, deed, row, draft.documents):
        changed.append("documents")
    if not changed:
        return ()
    if news:
        await write_attributes(tx, deed, row, news)
    await touch(tx, deed, customer_id, tuple(changed), action="customer.restated")
    if news:
        await emit_state(tx, [customer_id], at=at)
    return tuple(changed)


async def _restate_names(tx: Transaction, deed: Deed, row: Record, draft: PartyDraft) -> bool:
    key = deed.vault.key_of(row)
    rows = await queries.list_names(tx, row["id"])
    standing = {(name["type"], deed.vault.open(key, name["name_sealed"], NAME, name["id"])) for name in rows}
    stated: tuple[tuple[NameType, str | None], ...] = (
        ("primary", draft.name),
        ("latin", draft.latin_name),
        ("former", draft.former_name),
    )
    news = [(kind, name) for kind, name in stated if name is not None and (kind, name) not in standing]
    for kind, name in news:
        await _add_name(tx, deed, row, kind, name)
    return bool(news)


async def _restate_contacts(tx: Transaction, deed: Deed, row: Record, draft: PartyDraft) -> bool:
    if not draft.contacts:
        return False
    standing = await queries.list_contact_points(tx, row["id"])
    held = {point["value_index"] for point in standing}
    types = {point["type"] for point in standing}
    changed = False
    for contact in draft.contacts:
        if held.isdisjoint(deed.vault.contact_probes(contact.type, contact.value)):
            await _add_contact(tx, deed, row, contact, is_primary=contact.type not in types)
            types.add(contact.type)
            changed = True
    return changed
