"""A checked draft as the sealed rows that are stored, and rows as what may be shown of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final
from uuid import UUID

from kehu_chassis.columns import new_id
from kehu_chassis.crypto import DataKey
from kehu_customer.deeds import Deed
from kehu_customer.parties.drafts import ContactDraft, DocumentDraft, NameType, PartyDraft
from kehu_customer.vault import Vault

__all__ = [
    "BIRTH_DATE",
    "CONTACT",
    "CUSTOMER_NAME",
    "DOCUMENT",
    "EMPLOYER",
    "NAME",
    "PartyRows",
    "contact_row",
    "document_row",
    "name_row",
    "seal_party",
]

# Places that sealed values are bound to.
CUSTOMER_NAME: Final = "customers.name"
BIRTH_DATE: Final = "customers.birth_date"
EMPLOYER: Final = "customers.employer"
NAME: Final = "party_names.name"
CONTACT: Final = "contact_points.value"
DOCUMENT: Final = "documents.number"


@dataclass(slots=True)
class PartyRows:
    """Rows for the registration statement, column by column as `service.REGISTER` takes them."""

    customers: list[Sequence[Any]] = field(default_factory=list)
    names: list[Sequence[Any]] = field(default_factory=list)
    contacts: list[Sequence[Any]] = field(default_factory=list)
    documents: list[Sequence[Any]] = field(default_factory=list)


def name_row(vault: Vault, key: DataKey, customer_id: UUID, name_type: NameType, name: str) -> Sequence[Any]:
    """(id, customer_id, type, name_sealed, tokens, index_version)."""
    name_id = new_id()
    tokens = vault.name_tokens(name)
    return (name_id, customer_id, name_type, vault.seal(key, name, NAME, name_id), tokens, vault.index_version)


def contact_row(
    deed: Deed, key: DataKey, customer_id: UUID, contact: ContactDraft, *, is_primary: bool
) -> Sequence[Any]:
    """(id, customer_id, type, value_sealed, value_index, index_version, division_code, is_primary, verified_at)."""
    vault = deed.vault
    contact_id = new_id()
    return (
        contact_id,
        customer_id,
        contact.type,
        vault.seal(key, contact.value, CONTACT, contact_id),
        vault.contact_index(contact.type, contact.value),
        vault.index_version,
        contact.division_code,
        is_primary,
        deed.at if contact.verified else None,
    )


def document_row(deed: Deed, key: DataKey, customer_id: UUID, document: DocumentDraft) -> Sequence[Any]:
    """(id, customer_id, type, number_sealed, number_index, index_version, issuer, validity…, verified_at, verified_by)."""
    vault = deed.vault
    document_id = new_id()
    return (
        document_id,
        customer_id,
        document.type,
        vault.seal(key, document.number, DOCUMENT, document_id),
        vault.document_index(document.number),
        vault.index_version,
        document.issuer,
        document.valid_from,
        document.valid_until,
        document.long_term,
        deed.at if document.verified else None,
        deed.actor_name if document.verified else None,
    )


def seal_party(deed: Deed, draft: PartyDraft, rows: PartyRows) -> UUID:
    """Add the rows of one party, under a key of its own, and tell its id."""
    vault = deed.vault
    customer_id = draft.customer_id or new_id()
    wrapped, key = vault.new_key()
    rows.customers.append(
        (
            customer_id,
            draft.kind,
            draft.status,
            draft.gender,
            draft.birth_date.year if draft.birth_date else None,
            draft.nationality,
            draft.industry,
            draft.occupation,
            draft.language,
            draft.unit_id,
            draft.primary_rm_id,
            draft.customer_since,
            wrapped.key_id,
            wrapped.wrapped,
            vault.seal(key, draft.name, CUSTOMER_NAME, customer_id),
            vault.seal_optional(key, _iso(draft.birth_date), BIRTH_DATE, customer_id),
            vault.seal_optional(key, draft.employer, EMPLOYER, customer_id),
        )
    )
    names: tuple[tuple[NameType, str | None], ...] = (
        ("primary", draft.name),
        ("latin", draft.latin_name),
        ("former", draft.former_name),
    )
    rows.names.extend(name_row(vault, key, customer_id, kind, name) for kind, name in names if name is not None)
    first_of_type: set[str] = set()
    for contact in draft.contacts:
        is_primary = contact.type not in first_of_type
        first_of_type.add(contact.type)
        rows.contacts.append(contact_row(deed, key, customer_id, contact, is_primary=is_primary))
    rows.documents.extend(document_row(deed, key, customer_id, document) for document in draft.documents)
    return customer_id


def _iso(day: date | None) -> str | None:
    return day.isoformat() if day else None
