"""What a caller states about a party, by HTTP or from a source system; plain values, checked by `rules.check_draft`.

Tuples, since a migration makes millions of them, and each once more in its written form.
"""

from __future__ import annotations

from datetime import date
from typing import Literal, NamedTuple
from uuid import UUID

from kehu_contracts.codes import CustomerStatus, Gender, PartyKind

__all__ = [
    "ContactDraft",
    "ContactType",
    "DocumentDraft",
    "DocumentType",
    "NameType",
    "PartyDraft",
    "RegisteredParty",
]

ContactType = Literal["phone", "email", "wechat", "address"]
DocumentType = Literal["resident_id", "passport", "permit", "uscc", "foreign_id"]
NameType = Literal["primary", "latin", "former"]


class ContactDraft(NamedTuple):
    """A way to reach the party."""

    type: ContactType
    value: str
    division_code: str | None = None
    verified: bool = False


class DocumentDraft(NamedTuple):
    """An identity document. `long_term` is 长期: it does not expire, and `valid_until` is empty."""

    type: DocumentType
    number: str
    issuer: str | None = None
    valid_from: date | None = None
    valid_until: date | None = None
    long_term: bool = False
    verified: bool = False


class PartyDraft(NamedTuple):
    """A party as its registrar states it. Birth date and gender follow from a resident ID where they are not given."""

    kind: PartyKind
    name: str
    customer_since: date
    latin_name: str | None = None
    former_name: str | None = None
    gender: Gender = Gender.UNKNOWN
    status: CustomerStatus = CustomerStatus.ACTIVE
    birth_date: date | None = None
    nationality: str | None = None
    industry: str | None = None
    occupation: str | None = None
    employer: str | None = None
    language: str = "zh"
    unit_id: UUID | None = None
    primary_rm_id: UUID | None = None
    contacts: tuple[ContactDraft, ...] = ()
    documents: tuple[DocumentDraft, ...] = ()
    customer_id: UUID | None = None
    """Given where the id was promised before the party arrived; else registration makes one."""


class RegisteredParty(NamedTuple):
    """What registration gave."""

    customer_id: UUID
    customer_number: str
    unit_id: UUID | None
    primary_rm_id: UUID | None
    version: int
