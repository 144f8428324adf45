"""Check digits and what document numbers tell."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kehu_contracts.codes import Gender
from kehu_customer.identity.rules import (
    USCC_ALPHABET,
    DocumentRefused,
    DocumentStanding,
    check_document_number,
    check_validity,
    read_resident_id,
    standing,
)

TODAY = date(2026, 3, 2)


def make_resident_id(division: str, birth: date, order: int) -> str:
    """By the formula of ISO 7064 MOD 11-2 as the standard states it: sum of a(i) * 2^(i-1) mod 11 must be 1."""
    body = f"{division}{birth:%Y%m%d}{order:03d}"
    total = sum(int(digit) * pow(2, 17 - place, 11) for place, digit in enumerate(body))
    return body + "0123456789X"[(1 - total) % 11]


# The example number of GB 11643-1999 and two others that are public examples.
@pytest.mark.parametrize(
    ("number", "birth_date", "gender"),
    [
        ("11010519491231002X", date(1949, 12, 31), Gender.FEMALE),
        ("440524188001010014", date(1880, 1, 1), Gender.MALE),
        ("34052419800101001X", date(1980, 1, 1), Gender.MALE),
    ],
)
def test_a_resident_id_tells_birth_date_and_sex(number: str, birth_date: date | None, gender: Gender) -> None:
    found = read_resident_id(number, TODAY)
    assert (found.number, found.birth_date, found.gender) == (number, birth_date, gender)


@given(
    st.sampled_from(["110105", "440305", "820000"]),
    st.dates(date(1900, 1, 1), TODAY),
    st.integers(0, 999),
    st.integers(0, 16),
    st.integers(1, 9),
)
def test_every_single_wrong_digit_is_found(division: str, birth: date, order: int, place: int, shift: int) -> None:
    number = make_resident_id(division, birth, order)
    assert read_resident_id(number, TODAY).birth_date == birth
    wrong = number[:place] + str((int(number[place]) + shift) % 10) + number[place + 1 :]
    with pytest.raises(DocumentRefused):
        read_resident_id(wrong, TODAY)


@pytest.mark.parametrize(
    ("number", "code"),
    [
        ("11010519491231002", "document.malformed"),
        ("1101051949123100２X", "document.malformed"),
        ("110105491231002", "document.malformed"),
        ("110105194912310021", "document.check_digit"),
        (make_resident_id("990105", date(1980, 1, 1), 1), "document.unknown_division"),
        (make_resident_id("110105", TODAY + timedelta(days=1), 1), "document.birth_date"),
        ("110105198002300015", "document.birth_date"),
    ],
)
def test_a_resident_id_that_cannot_be_is_refused_with_its_code(number: str, code: str) -> None:
    with pytest.raises(DocumentRefused) as refused:
        read_resident_id(number, TODAY)
    assert refused.value.code == code


def test_numbers_are_written_in_one_form() -> None:
    assert check_document_number("resident_id", " 11010519491231002x ", TODAY) == "11010519491231002X"
    assert check_document_number("resident_id", "11010519491231002X", TODAY) == "11010519491231002X"
    assert check_document_number("passport", "e12345678", TODAY) == "E12345678"


# Published codes: Tencent, Huawei, Alibaba (China), Industrial and Commercial Bank of China.
@pytest.mark.parametrize(
    "code", ["9144030071526726XG", "914403001922038216", "91330100799655058B", "91100000100003962T"]
)
def test_a_credit_code_with_the_right_check_character_is_taken(code: str) -> None:
    assert check_document_number("uscc", code.lower(), TODAY) == code


@given(st.text(USCC_ALPHABET, min_size=17, max_size=17), st.integers(0, 16), st.integers(1, 30))
def test_a_credit_code_has_one_check_character_and_no_wrong_sign_passes(body: str, place: int, shift: int) -> None:
    good = [body + sign for sign in USCC_ALPHABET if _taken(body + sign)]
    assert len(good) == 1
    changed = USCC_ALPHABET[(USCC_ALPHABET.index(body[place]) + shift) % 31]
    assert not _taken(good[0][:place] + changed + good[0][place + 1 :])


def _taken(code: str) -> bool:
    try:
        check_document_number("uscc", code, TODAY)
    except DocumentRefused:
        return False
    return True


@pytest.mark.parametrize("code", ["9144030071526726XI", "9144030071526726X", "9144030071526726X1"])
def test_a_wrong_credit_code_is_refused(code: str) -> None:
    with pytest.raises(DocumentRefused):
        check_document_number("uscc", code, TODAY)


@pytest.mark.parametrize("number", ["", "E", "E12\x0034", "护照12345", "E" * 41])
def test_another_document_has_letters_and_digits(number: str) -> None:
    with pytest.raises(DocumentRefused) as refused:
        check_document_number("passport", number, TODAY)
    assert refused.value.code == "document.malformed"


def test_long_term_and_a_last_day_contradict_each_other() -> None:
    check_validity(TODAY, None, long_term=True)
    check_validity(TODAY, TODAY, long_term=False)
    with pytest.raises(DocumentRefused) as refused:
        check_validity(None, TODAY, long_term=True)
    assert (refused.value.code, refused.value.field) == ("document.validity", "valid_until")
    with pytest.raises(DocumentRefused):
        check_validity(TODAY, TODAY - timedelta(days=1), long_term=False)


@pytest.mark.parametrize(
    ("valid_from", "valid_until", "long_term", "expected"),
    [
        (None, TODAY, False, DocumentStanding.VALID),
        (None, TODAY - timedelta(days=1), False, DocumentStanding.EXPIRED),
        (TODAY + timedelta(days=1), None, True, DocumentStanding.NOT_YET_VALID),
        (TODAY, None, True, DocumentStanding.VALID),
        (TODAY, None, False, DocumentStanding.UNKNOWN),
    ],
)
def test_a_document_stands_as_its_days_say(
    valid_from: date | None, valid_until: date | None, *, long_term: bool, expected: DocumentStanding
) -> None:
    assert standing(valid_from, valid_until, long_term=long_term, on=TODAY) is expected
