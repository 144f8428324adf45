"""Requests and answers about parties."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal, get_args
from uuid import UUID

from pydantic import AfterValidator, Field, StringConstraints, field_validator
from pydantic_core import PydanticCustomError

from kehu_chassis.schemas import Day, Id, In, Line, Out, refuse_repeats
from kehu_contracts.codes import CustomerStatus, Gender, PartyKind
from kehu_contracts.customer import StandingConsent
from kehu_customer.identity.rules import DocumentStanding
from kehu_customer.parties.drafts import ContactDraft, ContactType, DocumentDraft, DocumentType, NameType, PartyDraft

__all__ = [
    "ContactPointChangeIn",
    "ContactPointIn",
    "ContactPointOut",
    "CustomerChangeIn",
    "CustomerIn",
    "CustomerOut",
    "CustomerSummary",
    "DocumentIn",
    "DocumentOut",
    "NameIn",
    "NameOut",
    "ProfileOut",
    "RevealIn",
    "RevealOut",
]

Country = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")]
Code = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._\-]{0,19}$")]
Language = Literal["zh", "en"]
RevealedField = Literal["name", "birth_date", "employer", "names", "contact_points", "documents"]


class ContactPointIn(In):
    """A way to reach the customer. Phones may be given as people write them; they are kept in E.164."""

    type: ContactType
    value: Annotated[str, StringConstraints(min_length=1, max_length=300)]
    division_code: Annotated[str, StringConstraints(pattern=r"^[0-9]{6}$")] | None = Field(
        default=None, description="GB/T 2260 code of an address"
    )
    verified: bool = False

    def draft(self) -> ContactDraft:
        """The contact point as rules take it."""
        return ContactDraft(self.type, self.value, self.division_code, self.verified)


class DocumentIn(In):
    """An identity document. `long_term` is 长期: it does not expire."""

    type: DocumentType
    number: Annotated[str, StringConstraints(min_length=1, max_length=40)]
    issuer: Line | None = None
    valid_from: Day | None = None
    valid_until: Day | None = None
    long_term: bool = False
    verified: bool = Field(default=False, description="Seen by the caller, in the original")

    def draft(self) -> DocumentDraft:
        """The document as rules take it."""
        return DocumentDraft(
            self.type, self.number, self.issuer, self.valid_from, self.valid_until, self.long_term, self.verified
        )


class CustomerIn(In):
    """A party that becomes a customer. Birth date and gender follow from a resident ID where they are not given."""

    kind: PartyKind
    name: Line
    latin_name: Line | None = None
    former_name: Line | None = None
    gender: Gender = Gender.UNKNOWN
    birth_date: Day | None = Field(default=None, description="Of a company or institution, the day of its registration")
    nationality: Country | None = Field(default=None, description="ISO 3166-1")
    industry: Code | None = Field(default=None, description="GB/T 4754")
    occupation: Code | None = Field(default=None, description="GB/T 6565")
    employer: Line | None = None
    language: Language = "zh"
    customer_since: Day | None = Field(default=None, description="Today unless given")
    unit_id: UUID | None = Field(default=None, description="The owning unit; the caller's own unless given")
    primary_rm_id: UUID | None = None
    contact_points: Annotated[tuple[ContactPointIn, ...], Field(max_length=20)] = ()
    documents: Annotated[tuple[DocumentIn, ...], Field(max_length=20)] = ()

    def draft(self, on: date) -> PartyDraft:
        """The party as rules take it."""
        plain = self.model_dump(exclude={"contact_points", "documents", "customer_since"})
        return PartyDraft(
            **plain,
            customer_since=self.customer_since or on,
            contacts=tuple(point.draft() for point in self.contact_points),
            documents=tuple(document.draft() for document in self.documents),
        )


class CustomerChangeIn(In):
    """What changes; a field that is not given stays as it is."""

    status: CustomerStatus | None = None
    gender: Gender | None = None
    birth_date: Day | None = None
    nationality: Country | None = None
    industry: Code | None = None
    occupation: Code | None = None
    employer: Line | None = None
    language: Language | None = None

    @field_validator("status", "gender", "language")
    @classmethod
    def _not_null(cls, value: object) -> object:
        if value is None:
            raise PydanticCustomError("null", "This field cannot be emptied")
        return value


class NameIn(In):
    """A name. A new primary name makes the old one a former name."""

    type: NameType
    name: Line


class ContactPointChangeIn(In):
    """What changes about a contact point."""

    is_primary: bool | None = None
    verified: bool | None = None
    ended: Literal[True] | None = Field(default=None, description="It is not to be used any more")


class RevealIn(In):
    """What shall be shown in clear, and why; both are audited."""

    fields: Annotated[
        list[RevealedField],
        Field(min_length=1, max_length=len(get_args(RevealedField)), json_schema_extra={"uniqueItems": True}),
        AfterValidator(refuse_repeats),
    ]
    reason: Annotated[Line, Field(min_length=4)]


class CustomerSummary(Out):
    """A customer in a list. The name is masked unless the caller's role works with customers by name."""

    id: Id
    customer_number: str
    kind: PartyKind
    status: CustomerStatus
    name: str
    gender: Gender
    birth_year: int | None
    unit_id: Id | None
    primary_rm_id: Id | None
    survivor_id: Id
    customer_since: date
    version: int


class CustomerOut(CustomerSummary):
    """A customer. `survivor_id` is another customer's when this one is merged into it."""

    nationality: str | None
    industry: str | None
    occupation: str | None
    language: str
    created_at: datetime
    updated_at: datetime


class NameOut(Out):
    """A name of a customer, masked unless the caller's role works with customers by name."""

    id: Id
    type: NameType
    name: str
    created_at: datetime


class ContactPointOut(Out):
    """A contact point, masked."""

    id: Id
    type: ContactType
    value: str
    division_code: str | None
    is_primary: bool
    verified_at: datetime | None
    version: int
    created_at: datetime


class DocumentOut(Out):
    """An identity document, its number masked. `standing` is how it stands today at the bank."""

    id: Id
    type: DocumentType
    number: str
    issuer: str | None
    valid_from: date | None
    valid_until: date | None
    long_term: bool
    standing: DocumentStanding
    verified_at: datetime | None
    verified_by: str | None
    version: int
    created_at: datetime


class ProfileOut(Out):
    """The customer's section of the 360. Consents are those in force, of merged parties the most restrictive."""

    customer: CustomerOut
    birth_date: str | None
    employer: str | None
    names: list[NameOut]
    contact_points: list[ContactPointOut]
    documents: list[DocumentOut]
    consents: list[StandingConsent]
    merged_ids: list[Id]


class RevealedContactPoint(Out):
    """A contact point in clear."""

    id: Id
    type: ContactType
    value: str


class RevealedDocument(Out):
    """A document number in clear."""

    id: Id
    type: DocumentType
    number: str


class RevealedName(Out):
    """A name in clear."""

    id: Id
    type: NameType
    name: str


class RevealOut(Out):
    """What was asked for, in clear; null for what was not."""

    name: str | None
    birth_date: date | None
    employer: str | None
    names: list[RevealedName] | None
    contact_points: list[RevealedContactPoint] | None
    documents: list[RevealedDocument] | None
