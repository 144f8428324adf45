"""What a caller states about a party, by HTTP or from a source system; plain values, checked by `rules.check_draft`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Literal
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


@dataclass(frozen=True, slots=True)
class ContactDraft:
    """A way to reach the party."""

    type: ContactType
    value: str
    division_code: str | None = None
    verified: bool = False


@dataclass(frozen=True, slots=True)
class DocumentDraft:
    """An identity document. `long_term` is 长期: it does not expire, and `valid_until` is empty."""

    type: DocumentType
    number: str
    issuer: str | None = None
    valid_from: date | None = None
    valid_until: date | None = None
    long_term: bool = False
    verified: bool = False


@dataclass(frozen=True, slots=True)
class PartyDraft:
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


@dataclass(frozen=True, slots=True)
class RegisteredParty:
    """What registration gave."""

    customer_id: UUID
    customer_number: str
    unit_id: UUID | None
    primary_rm_id: UUID | None
    version: int
