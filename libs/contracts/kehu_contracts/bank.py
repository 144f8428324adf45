"""Inbound contracts: what the bank's own systems tell Kehu, as CloudEvents on the `bank.*` topics.

`ce_sequence` rises per `ce_subject` (the `source_id` of the thing); a state message with a lower sequence than the last one is
ignored. `ce_time` is the business time of the fact. What identifies a person travels as one JWE string (RFC 7516, `dir` with
A256GCM, `kid` naming the key that bank and Kehu share); its plaintext is the JSON of `PartyIdentity`.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import Field, WithJsonSchema

from kehu_contracts.base import Contract, Currency, Inbound, Instant, Money
from kehu_contracts.codes import CustomerStatus, Gender, HolderRole, PartyKind, ProductClass, TransactionKind, UnitKind

__all__ = [
    "BankAccount",
    "BankBalance",
    "BankHolder",
    "BankParty",
    "BankProductOpened",
    "BankStaff",
    "BankTransaction",
    "BankUnit",
    "IdentityContact",
    "IdentityDocument",
    "PartyIdentity",
]

SourceId = Annotated[str, Field(min_length=1, max_length=64)]


class IdentityDocument(Contract):
    """An identity document; `number` is checked against GB 11643 or GB 32100 where `type` says so."""

    type: Literal["resident_id", "passport", "permit", "uscc", "foreign_id"]
    number: Annotated[str, Field(min_length=1, max_length=40)]
    issuer: str | None = None
    valid_from: date | None = None
    valid_until: date | None = None


class IdentityContact(Contract):
    """A way to reach the party."""

    type: Literal["phone", "email", "wechat", "address"]
    value: Annotated[str, Field(min_length=1, max_length=300)]
    division_code: Annotated[str, Field(pattern=r"^\d{6}$")] | None = None


class PartyIdentity(Contract):
    """Plaintext of `BankParty.identity`: who the party is."""

    name: Annotated[str, Field(min_length=1, max_length=200)]
    latin_name: str | None = None
    former_name: str | None = None
    birth_date: date | None = None
    documents: tuple[IdentityDocument, ...] = ()
    contacts: tuple[IdentityContact, ...] = ()


class BankParty(Inbound):
    """A party as a source system knows it."""

    event_type: ClassVar[str] = "bank.party.stated"
    topic: ClassVar[str] = "bank.party.v1"

    kind: PartyKind
    gender: Gender = Gender.UNKNOWN
    status: CustomerStatus = CustomerStatus.ACTIVE
    nationality: Annotated[str, Field(pattern=r"^[A-Z]{2}$")] | None = None
    industry: str | None = None
    occupation: str | None = None
    customer_since: date
    unit_code: str
    """Code of the owning unit in the bank's organisation."""
    rm_staff_number: str | None = None
    identity: str
    """Compact JWE of a `PartyIdentity`."""


class BankHolder(Contract):
    """A party's part in an account."""

    party_source_id: SourceId
    role: HolderRole


class BankAccount(Inbound):
    """An account, card, loan or standing order as the core states it."""

    event_type: ClassVar[str] = "bank.account.stated"
    topic: ClassVar[str] = "bank.account.v1"

    product_class: ProductClass
    product_code: str
    currency: Currency
    holders: Annotated[tuple[BankHolder, ...], Field(min_length=1)]
    parent_source_id: SourceId | None = None
    """The account that a card, loan or standing order hangs on."""
    unit_code: str
    opened_on: date
    closed_on: date | None = None
    amount: Money | None = None
    """Loan principal, standing-order amount or card limit."""
    term_months: int | None = None
    status_code: str | None = None


class BankBalance(Inbound):
    """The balance of an account at the end of a business date; `source_id` is the account's."""

    event_type: ClassVar[str] = "bank.balance.stated"
    topic: ClassVar[str] = "bank.account.v1"

    balance: Money
    currency: Currency
    business_date: date


class BankProductOpened(Inbound):
    """A customer opened a product; `source_id` names the opening, the account follows or has arrived."""

    event_type: ClassVar[str] = "bank.product.opened"
    topic: ClassVar[str] = "bank.account.v1"

    party_source_id: SourceId
    account_source_id: SourceId
    product_class: ProductClass
    product_code: str
    amount: Money | None = None
    currency: Currency
    opened_at: Instant


class BankTransaction(Inbound):
    """A posted movement; `source_id` names the movement. Messages of one account are keyed by it."""

    event_type: ClassVar[str] = "bank.transaction.posted"
    topic: ClassVar[str] = "bank.transaction.v1"

    account_source_id: SourceId
    kind: TransactionKind
    amount: Annotated[
        Money, Field(ge=0), WithJsonSchema({"type": "string", "pattern": r"^[0-9]{1,16}(\.[0-9]{1,4})?$"})
    ]
    currency: Currency
    balance_after: Money | None = None
    business_date: date
    booked_at: Instant
    position: Annotated[int, Field(ge=0)] = 0
    """Order within the business date: the last movement's balance is the day's."""
    purpose_code: str | None = None
    counterparty_bank: str | None = None


class BankUnit(Inbound):
    """A unit of the bank; `source_id` is its code."""

    event_type: ClassVar[str] = "bank.organization.unit_stated"
    topic: ClassVar[str] = "bank.organization.v1"

    name: str
    kind: UnitKind
    parent_code: str | None = None
    division_code: str | None = None
    active: bool = True


class BankStaff(Inbound):
    """A member of staff; `source_id` is the staff number."""

    event_type: ClassVar[str] = "bank.organization.staff_stated"
    topic: ClassVar[str] = "bank.organization.v1"

    staff_id: UUID | None = None
    """Set where log-ins are bound to a known id; else Kehu gives one."""
    name: str
    unit_code: str
    roles: tuple[str, ...]
    active: bool = True
