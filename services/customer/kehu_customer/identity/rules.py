"""Check digits, and what a document number tells: GB 11643-1999 resident IDs and GB 32100-2015 credit codes."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Final

from kehu_contracts.codes import Gender

__all__ = [
    "DocumentRefused",
    "DocumentStanding",
    "ResidentId",
    "check_document_number",
    "check_validity",
    "read_resident_id",
    "standing",
]

# GB/T 2260: the first two digits of a resident ID name a province, region or municipality.
PROVINCES: Final = frozenset(
    {
        "11", "12", "13", "14", "15", "21", "22", "23", "31", "32", "33", "34", "35", "36", "37", "41", "42", "43", "44", "45", "46", "50", "51", "52", "53", "54", "61", "62", "63", "64", "65", "71", "81", "82", "83",
    }
)  # fmt: skip
RESIDENT_ID: Final = re.compile(r"[0-9]{17}[0-9X]", re.ASCII)
RESIDENT_ID_WEIGHTS: Final = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
RESIDENT_ID_CHECKS: Final = "10X98765432"

# GB 32100 leaves out I, O, S, V and Z, which are easily misread.
USCC_ALPHABET: Final = "0123456789ABCDEFGHJKLMNPQRTUWXY"
USCC: Final = re.compile(rf"[{USCC_ALPHABET}]{{18}}", re.ASCII)
USCC_WEIGHTS: Final = tuple(pow(3, place, 31) for place in range(17))

OTHER_NUMBER: Final = re.compile(r"[0-9A-Z][0-9A-Z()/.\- ]{0,38}[0-9A-Z)]", re.ASCII)


class DocumentRefused(ValueError):
    """A document cannot be right. `code` is stable, `field` names what is wrong with it."""

    def __init__(self, code: str, detail: str, field: str = "number") -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.field = field


class DocumentStanding(StrEnum):
    """How a document stands on a date."""

    NOT_YET_VALID = "not_yet_valid"
    VALID = "valid"
    EXPIRED = "expired"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class ResidentId:
    """What a resident ID number says of its holder."""

    number: str
    birth_date: date
    gender: Gender


def read_resident_id(number: str, on: date) -> ResidentId:
    """Check a resident ID number (GB 11643-1999, ISO 7064 MOD 11-2) and read birth date and sex from it.

    Raises:
        DocumentRefused: the form, the division, the birth date or the check digit is wrong.
    """
    if not RESIDENT_ID.fullmatch(number):
        raise DocumentRefused("document.malformed", "A resident ID number has 17 digits and a check character.")
    if number[:2] not in PROVINCES:
        raise DocumentRefused("document.unknown_division", "The number names no province (GB/T 2260).")
    total = sum(int(digit) * weight for digit, weight in zip(number[:17], RESIDENT_ID_WEIGHTS, strict=True))
    if RESIDENT_ID_CHECKS[total % 11] != number[17]:
        raise DocumentRefused("document.check_digit", "The check digit of the number is wrong (GB 11643).")
    try:
        birth_date = date(int(number[6:10]), int(number[10:12]), int(number[12:14]))
    except ValueError:
        raise DocumentRefused("document.birth_date", "The number holds no real birth date.") from None
    if not date(1850, 1, 1) <= birth_date <= on:
        raise DocumentRefused("document.birth_date", "The number holds a birth date that cannot be.")
    return ResidentId(number, birth_date, Gender.MALE if int(number[16]) % 2 else Gender.FEMALE)


def _check_uscc(number: str) -> str:
    if not USCC.fullmatch(number):
        raise DocumentRefused("document.malformed", "A credit code has 18 characters of digits and capital letters.")
    total = sum(USCC_ALPHABET.index(sign) * weight for sign, weight in zip(number[:17], USCC_WEIGHTS, strict=True))
    if USCC_ALPHABET[-total % 31] != number[17]:
        raise DocumentRefused("document.check_digit", "The check character of the code is wrong (GB 32100).")
    return number


def check_document_number(document_type: str, number: str, on: date) -> str:
    """The number in its one written form: half-width, capitals, no blanks around; checked as its type demands.

    Raises:
        DocumentRefused: the number cannot be one of this type.
    """
    written = unicodedata.normalize("NFKC", number).strip().upper()
    if document_type == "resident_id":
        return read_resident_id(written, on).number
    if document_type == "uscc":
        return _check_uscc(written)
    if not OTHER_NUMBER.fullmatch(written):
        raise DocumentRefused("document.malformed", "The number has characters that no document number has.")
    return written


def check_validity(valid_from: date | None, valid_until: date | None, *, long_term: bool) -> None:
    """Refuse a validity that contradicts itself.

    Raises:
        DocumentRefused: long-term with an end, or an end before the start.
    """
    if long_term and valid_until is not None:
        raise DocumentRefused("document.validity", "A long-term document (长期) has no last day.", "valid_until")
    if valid_from is not None and valid_until is not None and valid_until < valid_from:
        raise DocumentRefused("document.validity", "The last day lies before the first.", "valid_until")


def standing(valid_from: date | None, valid_until: date | None, *, long_term: bool, on: date) -> DocumentStanding:
    """How the document stands on a day; the last day still counts. Without an end nothing is known of its expiry."""
    if valid_from is not None and on < valid_from:
        return DocumentStanding.NOT_YET_VALID
    if long_term:
        return DocumentStanding.VALID
    if valid_until is None:
        return DocumentStanding.UNKNOWN
    return DocumentStanding.VALID if on <= valid_until else DocumentStanding.EXPIRED
