"""Business actions on identity documents. The customer is locked by the caller or here; nothing is ever deleted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import insert, update

from kehu_chassis.database import Record, Transaction
from kehu_contracts.codes import Gender, PartyKind
from kehu_customer.deeds import Deed
from kehu_customer.identity.problems import DocumentKnown
from kehu_customer.identity.queries import list_documents
from kehu_customer.identity.rules import DocumentRefused, read_resident_id
from kehu_customer.identity.tables import documents
from kehu_customer.parties.attributes import standing_attributes, write_attributes
from kehu_customer.parties.changes import touch
from kehu_customer.parties.drafts import DocumentDraft
from kehu_customer.parties.queries import lock_customer
from kehu_customer.parties.rules import PERSONS
from kehu_customer.parties.sealing import DOCUMENT, document_row
from kehu_customer.parties.state import emit_state
from kehu_customer.vault import Vault

__all__ = ["add_document", "insert_document", "known_document", "resident_id_of", "restate_documents"]

_insert_document = insert(documents).returning(documents)
_COLUMNS: Final = (
    "id", "customer_id", "type", "number_sealed", "number_index", "index_version", "issuer", "valid_from", "valid_until",
    "long_term", "verified_at", "verified_by",
)  # fmt: skip
_VALIDITY: Final = ("issuer", "valid_from", "valid_until", "long_term")


async def add_document(tx: Transaction, deed: Deed, customer_id: UUID, document: DocumentDraft) -> Record:
    """Add a checked document.

    Raises:
        NotFound: there is no such customer in the caller's scope.
        DocumentKnown: the customer has it already.
        DocumentRefused: it contradicts what is known of the customer.
    """
    row: Any = await lock_customer(tx, customer_id)
    held = await list_documents(tx, customer_id)
    if known_document(deed.vault, held, document) is not None:
        raise DocumentKnown
    facts = _facts(deed, row, held, document)
    added = await insert_document(tx, deed, row, document)
    if facts:
        await write_attributes(tx, deed, row, facts)
    changed = (*sorted(facts), "documents")
    await touch(tx, deed, customer_id, changed, action="customer.document_added")
    if facts:
        await emit_state(tx, [customer_id], at=deed.at)
    return added


def _facts(deed: Deed, row: Any, held: Sequence[Any], document: DocumentDraft) -> dict[str, Any]:
    """Birth date and gender that a resident ID tells and that were not known; refuses what cannot be the customer's."""
    kind = PartyKind(row["kind"])
    if document.type == "uscc" and kind is PartyKind.INDIVIDUAL:
        raise DocumentRefused("document.kind", "An individual has no credit code.", "type")
    if document.type != "resident_id":
        return {}
    if kind not in PERSONS:
        raise DocumentRefused("document.kind", "Only a person has a resident ID.", "type")
    if any(paper["type"] == "resident_id" for paper in held):
        raise DocumentRefused("document.second_resident_id", "A person has one resident ID number.", "type")
    told, standing = read_resident_id(document.number, deed.on), standing_attributes(deed.vault, row)
    if standing["birth_date"] not in {None, told.birth_date}:
        raise DocumentRefused("party.birth_date_differs", "The customer's birth date is another.")
    if standing["gender"] not in {Gender.UNKNOWN, told.gender}:
        raise DocumentRefused("party.gender_differs", "The customer's gender is another.")
    facts = {"birth_date": told.birth_date, "gender": told.gender}
    return {name: value for name, value in facts.items() if standing[name] != value}


async def insert_document(tx: Transaction, deed: Deed, row: Record, document: DocumentDraft) -> Record:
    """Add a checked document to a locked customer."""
    sealed = document_row(deed, deed.vault.key_of(row), row["id"], document)
    return await tx.one(_insert_document, {**dict(zip(_COLUMNS, sealed, strict=True)), "created_at": deed.at})


def known_document(vault: Vault, held: Sequence[Record], document: DocumentDraft) -> Record | None:
    """The row of the same document, when the customer has it already."""
    numbers = vault.document_probes(document.number)
    same = (row for row in held if row["type"] == document.type and row["number_index"] in numbers)
    return next(same, None)


async def resident_id_of(tx: Transaction, vault: Vault, row: Record) -> str | None:
    """The resident ID number of a locked customer, in clear, for a check."""
    for paper in await list_documents(tx, row["id"]):
        if paper["type"] == "resident_id":
            return vault.open(vault.key_of(row), paper["number_sealed"], DOCUMENT, paper["id"])
    return None


async def restate_documents(tx: Transaction, deed: Deed, row: Record, stated: Sequence[DocumentDraft]) -> bool:
    """Add stated documents that are new and renew the validity of those that are known; tells whether any changed."""
    if not stated:
        return False
    held = await list_documents(tx, row["id"])
    changed = False
    for document in stated:
        known = known_document(deed.vault, held, document)
        if known is None:
            await insert_document(tx, deed, row, document)
            changed = True
            continue
        values: dict[str, Any] = {
            name: getattr(document, name) for name in _VALIDITY if getattr(document, name) != known[name]
        }
        if values:
            values["version"] = documents.c.version + 1
            await tx.execute(update(documents).where(documents.c.id == known["id"]).values(values))
            changed = True
    return changed
