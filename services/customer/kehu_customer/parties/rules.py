"""Decisions about parties: what a draft must satisfy, how values are written, what is shown masked. No I/O, no clock."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import phonenumbers
from email_validator import EmailNotValidError, validate_email

from kehu_contracts.access import Role
from kehu_contracts.codes import Gender, PartyKind
from kehu_customer.identity.rules import (
    DocumentRefused,
    ResidentId,
    check_document_number,
    check_validity,
    read_resident_id,
)
from kehu_customer.parties.drafts import ContactDraft, DocumentDraft, PartyDraft

__all__ = [
    "PERSONS",
    "FieldError",
    "PartyRefused",
    "ValueRefused",
    "check_attributes",
    "check_contact",
    "check_document",
    "check_draft",
    "check_name",
    "is_customer_number",
    "mask_birth_date",
    "mask_contact",
    "mask_document_number",
    "mask_name",
    "number_check_digit",
    "sees_names",
]

PERSONS: Final = frozenset({PartyKind.INDIVIDUAL, PartyKind.SOLE_PROPRIETOR})
CUSTOMER_NUMBER: Final = re.compile(r"C[0-9]{11}", re.ASCII)
CODE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._\-]{0,19}", re.ASCII)
NAME_LIMIT: Final = 200
MAINLAND_MOBILE: Final = re.compile(r"(?:\+?86)?(1[3-9][0-9]{9})", re.ASCII)
PHONE_PUNCTUATION: Final = str.maketrans("", "", " -()")
PLAIN_EMAIL: Final = re.compile(
    r"[a-z0-9_+\-]{1,64}(?:\.[a-z0-9_+\-]{1,64}){0,3}@(?:[a-z0-9](?:[a-z0-9\-]{0,40}[a-z0-9])?\.){1,4}[a-z]{2,20}",
    re.ASCII | re.IGNORECASE,
)

# Who works with customers by name. Everybody else reads the surname; contact points and numbers take a reveal.
_NAMES_IN_CLEAR: Final = frozenset(
    {Role.RELATIONSHIP_MANAGER, Role.BRANCH_HEAD, Role.COMPLAINT_HANDLER, Role.COMPLIANCE, Role.SYSTEM}
)


@dataclass(frozen=True, slots=True)
class FieldError:
    """One thing that is wrong: where (a JSON pointer into the draft), a stable code, and words."""

    pointer: str
    code: str
    detail: str


class PartyRefused(ValueError):
    """A draft cannot be taken; `errors` names every field that is wrong."""

    def __init__(self, errors: Collection[FieldError]) -> None:
        self.errors = tuple(errors)
        super().__init__("; ".join(f"{error.pointer}: {error.code}" for error in self.errors))


class ValueRefused(ValueError):
    """A single value cannot be right. `code` is stable."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


def number_check_digit(digits: str) -> str:
    """The check digit of a customer number by ISO 7064 MOD 11,10: finds every wrong digit and almost every swap."""
    product = 10
    for digit in digits:
        total = (product + int(digit)) % 10 or 10
        product = total * 2 % 11
    return str((11 - product) % 10)


def is_customer_number(text: str) -> bool:
    """Whether the text is a customer number with the right check digit."""
    return bool(CUSTOMER_NUMBER.fullmatch(text)) and number_check_digit(text[1:11]) == text[11]


def check_name(name: str) -> str:
    """The name in composed form with single blanks; Chinese and Latin letters, punctuation and digits are let through.

    Raises:
        ValueError: the name is empty, too long, or holds what no name holds.
    """
    written = " ".join(unicodedata.normalize("NFC", name).split())
    if not written or len(written) > NAME_LIMIT:
        raise ValueRefused("name.length", f"A name has 1 to {NAME_LIMIT} characters.")
    if any(unicodedata.category(sign) in {"Cc", "Cf", "Cs", "Co", "Cn"} for sign in written):
        raise ValueRefused("name.characters", "The name holds control or unassigned characters.")
    if not any(sign.isalnum() for sign in written):
        raise ValueRefused("name.characters", "The name holds no letter.")
    return written


def check_contact(draft: ContactDraft) -> ContactDraft:
    """The contact with its value in the one written form: E.164 for phones, lower-case domain for e-mail.

    Raises:
        ValueError: the value cannot be one of its type.
    """
    value = unicodedata.normalize("NFKC" if draft.type != "address" else "NFC", draft.value).strip()
    if not value or any(unicodedata.category(sign) == "Cc" for sign in value):
        raise ValueRefused("contact.malformed", "The value is empty or holds control characters.")
    if draft.type == "phone":
        value = _write_phone(value)
    elif draft.type == "email":
        value = _write_email(value)
    elif draft.type == "wechat" and not re.fullmatch(r"[A-Za-z0-9_\-]{5,64}", value):
        raise ValueRefused("contact.wechat", "A WeChat id has 5 to 64 letters, digits, dashes and underscores.")
    return draft._replace(value=value)


def _write_phone(value: str) -> str:
    # Nearly all numbers are mobile ones of the mainland; the library takes a hundred times as long to say the same.
    if mobile := MAINLAND_MOBILE.fullmatch(value.translate(PHONE_PUNCTUATION)):
        return f"+86{mobile[1]}"
    try:
        # A number without country code is taken for one of the mainland.
        number = phonenumbers.parse(value, "CN")
    except phonenumbers.NumberParseException:
        raise ValueRefused("contact.phone", "This is no phone number.") from None
    if not phonenumbers.is_possible_number(number):
        raise ValueRefused("contact.phone", "This number is too long or too short for its country.")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _write_email(value: str) -> str:
    if len(value) <= 100 and PLAIN_EMAIL.fullmatch(value):
        return value.lower()
    try:
        # Names reserved for tests are let through: whether mail arrives is for the channel to find out.
        return validate_email(value, check_deliverability=False, test_environment=True).normalized.lower()
    except EmailNotValidError:
        raise ValueRefused("contact.email", "This is no e-mail address.") from None


def check_document(draft: DocumentDraft, on: date) -> DocumentDraft:
    """The document with its number in the one written form.

    Raises:
        DocumentRefused: the number or the validity cannot be right.
    """
    number = check_document_number(draft.type, draft.number, on)
    check_validity(draft.valid_from, draft.valid_until, long_term=draft.long_term)
    if draft.issuer is not None:
        try:
            draft = draft._replace(issuer=check_name(draft.issuer))
        except ValueRefused as refusal:
            raise DocumentRefused("document.issuer", refusal.detail, "issuer") from None
    return draft._replace(number=number)


def check_draft(draft: PartyDraft, on: date) -> PartyDraft:
    """The draft with every value in its one written form, birth date and gender read from a resident ID.

    Raises:
        PartyRefused: names every field that is wrong.
    """
    errors: list[FieldError] = []
    names: dict[str, Any] = {}
    for field in ("name", "latin_name", "former_name", "employer"):
        value = getattr(draft, field)
        try:
            names[field] = check_name(value) if value is not None else None
        except ValueRefused as refusal:
            errors.append(FieldError(f"/{field}", refusal.code, refusal.detail))
    contacts: dict[tuple[str, str], ContactDraft] = {}
    for place, contact in enumerate(draft.contacts):
        try:
            written = check_contact(contact)
            contacts.setdefault((written.type, written.value), written)
        except ValueRefused as refusal:
            errors.append(FieldError(f"/contact_points/{place}/value", refusal.code, refusal.detail))
    documents: dict[tuple[str, str], DocumentDraft] = {}
    for place, document in enumerate(draft.documents):
        try:
            checked = check_document(document, on)
            documents.setdefault((checked.type, checked.number), checked)
        except DocumentRefused as refused:
            errors.append(FieldError(f"/documents/{place}/{refused.field}", refused.code, refused.detail))
    errors.extend(_malformed_codes(draft))
    errors.extend(_contradictions(draft, on))
    if errors:
        raise PartyRefused(errors)
    return _with_facts_of_documents(
        draft._replace(**names, contacts=tuple(contacts.values()), documents=tuple(documents.values())), on
    )


def _malformed_codes(draft: PartyDraft) -> Iterator[FieldError]:
    if draft.nationality is not None and not re.fullmatch(r"[A-Z]{2}", draft.nationality):
        yield FieldError("/nationality", "party.nationality", "A country has two capital letters (ISO 3166-1).")
    for field in ("industry", "occupation", "language"):
        value = getattr(draft, field)
        if value is not None and not CODE.fullmatch(value):
            yield FieldError(f"/{field}", f"party.{field}", "This is no code.")
    for place, contact in enumerate(draft.contacts):
        if contact.division_code is not None and not re.fullmatch(r"[0-9]{6}", contact.division_code):
            pointer = f"/contact_points/{place}/division_code"
            yield FieldError(pointer, "contact.division_code", "A division has six digits (GB/T 2260).")


def _contradictions(draft: PartyDraft, on: date) -> Iterator[FieldError]:
    yield from _impossible(draft.kind, draft.birth_date, draft.gender, on)
    if draft.customer_since > on:
        yield FieldError("/customer_since", "party.customer_since", "The date lies in the future.")
    for place, document in enumerate(draft.documents):
        if document.type == "resident_id" and draft.kind not in PERSONS:
            yield FieldError(f"/documents/{place}/type", "document.kind", "Only a person has a resident ID.")
        if document.type == "uscc" and draft.kind is PartyKind.INDIVIDUAL:
            yield FieldError(f"/documents/{place}/type", "document.kind", "An individual has no credit code.")


def _impossible(kind: PartyKind, birth_date: date | None, gender: Gender, on: date) -> Iterator[FieldError]:
    # The birth date of a company or an institution is the day of its registration: some are very old.
    earliest = date(1850, 1, 1) if kind in PERSONS else date(1000, 1, 1)
    if birth_date is not None and not earliest <= birth_date <= on:
        yield FieldError("/birth_date", "party.birth_date", "The date cannot be.")
    if kind not in PERSONS and gender is not Gender.UNKNOWN:
        yield FieldError("/gender", "party.gender", "Only a person has a gender.")


def check_attributes(values: Mapping[str, Any], resident_id: str | None, on: date) -> None:
    """Refuse a birth date or gender that cannot be, or that contradicts the customer's resident ID.

    `values` has what is given of `birth_date` and `gender`, and the customer's `kind`.

    Raises:
        PartyRefused: names every field that is wrong.
    """
    birth_date, gender = values.get("birth_date"), values.get("gender", Gender.UNKNOWN)
    errors = [*_impossible(values["kind"], birth_date, gender, on)]
    if resident_id is not None:
        errors.extend(_differing(read_resident_id(resident_id, on), birth_date, gender))
    if errors:
        raise PartyRefused(errors)


def _differing(facts: ResidentId, birth_date: date | None, gender: Gender) -> Iterator[FieldError]:
    if birth_date not in {None, facts.birth_date}:
        yield FieldError("/birth_date", "party.birth_date_differs", "The resident ID has another birth date.")
    if gender not in {Gender.UNKNOWN, facts.gender}:
        yield FieldError("/gender", "party.gender_differs", "The resident ID has another gender.")


def _with_facts_of_documents(draft: PartyDraft, on: date) -> PartyDraft:
    resident_ids = [document for document in draft.documents if document.type == "resident_id"]
    if not resident_ids:
        return draft
    if len(resident_ids) > 1:
        error = FieldError("/documents", "document.second_resident_id", "A person has one resident ID number.")
        raise PartyRefused([error])
    facts = read_resident_id(resident_ids[0].number, on)
    if errors := [*_differing(facts, draft.birth_date, draft.gender)]:
        raise PartyRefused(errors)
    return draft._replace(birth_date=facts.birth_date, gender=facts.gender)


def sees_names(roles: Collection[Role]) -> bool:
    """Whether one of the roles reads names in clear."""
    return not _NAMES_IN_CLEAR.isdisjoint(roles)


def _stars(text: str, head: int, tail: int) -> str:
    hidden = max(len(text) - head - tail, 1)
    return text[:head] + "*" * hidden + (text[-tail:] if tail and len(text) > head + tail else "")


def mask_name(name: str, kind: PartyKind) -> str:
    """The surname, the rest hidden: 张*, J*** S****. Names of companies and institutions are public."""
    if kind not in PERSONS:
        return name
    if name.isascii():
        return " ".join(_stars(word, 1, 0) if len(word) > 1 else word for word in name.split())
    return _stars(name, 1, 0)


def mask_contact(contact_type: str, value: str) -> str:
    """Enough to recognise it by, not enough to use it: +86138****5678, z***@example.com."""
    if contact_type == "phone":
        return _stars(value, max(len(value) - 8, 2), 4)
    if contact_type == "email":
        local, _, domain = value.rpartition("@")
        return f"{local[:1]}***@{domain}"
    if contact_type == "address":
        return _stars(value, min(6, len(value) // 2), 0)
    return f"{value[:2]}***"


def mask_document_number(number: str) -> str:
    """The first three and the last four signs of a long number, the last two of a short one."""
    return _stars(number, 3, 4) if len(number) >= 12 else _stars(number, 0, 2)


def mask_birth_date(birth_date: date) -> str:
    """The year alone."""
    return f"{birth_date.year:04d}-**-**"
