"""Business actions on identity documents. The customer is locked by the caller or here; nothing is ever deleted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import insert, update

from kehu_chassis.database import Record, Transaction
from kehu_customer.deeds import Deed
from kehu_customer.identity.queries import list_documents
from kehu_customer.identity.tables import documents
from kehu_customer.parties.drafts import DocumentDraft
from kehu_customer.parties.sealing import document_row
from kehu_customer.vault import Vault

__all__ = ["insert_document", "known_document", "restate_documents"]

_insert_document = insert(documents).returning(documents)
_COLUMNS: Final = (
    "id", "customer_id", "type", "number_sealed", "number_index", "index_version", "issuer", "valid_from", "valid_until",
    "long_term", "verified_at", "verified_by",
)  # fmt: skip
_VALIDITY: Final = ("issuer", "valid_from", "valid_until", "long_term")


async def insert_document(tx: Transaction, deed: Deed, row: Record, document: DocumentDraft) -> Record:
    """Add a checked document to a locked customer."""
    sealed = document_row(deed, deed.vault.key_of(row), row["id"], document)
    return await tx.one(_insert_document, {**dict(zip(_COLUMNS, sealed, strict=True)), "created_at": deed.at})


def known_document(vault: Vault, held: Sequence[Record], document: DocumentDraft) -> Record | None:
    """The row of the same document, when the customer has it already."""
    numbers = vault.document_probes(document.number)
    same = (row for row in held if row["type"] == document.type and row["number_index"] in numbers)
    return next(same, None)


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
