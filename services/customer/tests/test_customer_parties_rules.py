"""How a draft is checked and written, and how much of it is shown."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kehu_contracts.access import Role
from kehu_contracts.codes import Gender, PartyKind
from kehu_customer.parties.drafts import ContactDraft, DocumentDraft, PartyDraft
from kehu_customer.parties.rules import (
    PartyRefused,
    check_draft,
    is_customer_number,
    mask_birth_date,
    mask_contact,
    mask_document_number,
    mask_name,
    number_check_digit,
    sees_names,
)

TODAY = date(2026, 3, 2)
RESIDENT_ID = "11010519491231002X"


def a_draft(**changes: Any) -> PartyDraft:
    values: dict[str, Any] = {"kind": PartyKind.INDIVIDUAL, "name": "张伟", "customer_since": date(2020, 1, 1)}
    return PartyDraft(**(values | changes))


def refusal(draft: PartyDraft) -> set[tuple[str, str]]:
    with pytest.raises(PartyRefused) as refused:
        check_draft(draft, TODAY)
    return {(error.pointer, error.code) for error in refused.value.errors}


# ISO 7064 gives 0794 with check digit 5 as its example of MOD 11,10.
def test_the_check_digit_is_that_of_the_standard() -> None:
    assert number_check_digit("0794") == "5"


@given(st.integers(0, 10**10 - 1), st.integers(0, 10), st.integers(1, 9))
def test_a_mistyped_customer_number_is_no_customer_number(serial: int, place: int, shift: int) -> None:
    digits = f"{serial:010d}"
    number = f"C{digits}{number_check_digit(digits)}"
    assert is_customer_number(number)
    at = place + 1
    wrong = number[:at] + str((int(number[at]) + shift) % 10) + number[at + 1 :]
    assert not is_customer_number(wrong)


def test_values_are_written_in_one_form() -> None:
    checked = check_draft(
        a_draft(
            name="  张  伟 ",
            contacts=(
                ContactDraft("phone", "138 0013 8000"),
                ContactDraft("phone", "+86-13800138000"),
                ContactDraft("email", "Zhang.Wei@Example.COM"),
                ContactDraft("phone", "+886 912 345 678"),
            ),
        ),
        TODAY,
    )
    assert checked.name == "张 伟"
    assert [contact.value for contact in checked.contacts] == [
        "+8613800138000",
        "zhang.wei@example.com",
        "+886912345678",
    ]


def test_birth_date_and_gender_follow_from_a_resident_id() -> None:
    checked = check_draft(a_draft(documents=(DocumentDraft("resident_id", RESIDENT_ID.lower()),)), TODAY)
    assert (checked.birth_date, checked.gender) == (date(1949, 12, 31), Gender.FEMALE)
    assert checked.documents[0].number == RESIDENT_ID


def test_what_contradicts_the_resident_id_is_refused() -> None:
    documents = (DocumentDraft("resident_id", RESIDENT_ID),)
    assert refusal(a_draft(documents=documents, birth_date=date(1950, 1, 1), gender=Gender.MALE)) == {
        ("/birth_date", "party.birth_date_differs"),
        ("/gender", "party.gender_differs"),
    }


def test_every_wrong_field_is_named_at_once() -> None:
    draft = a_draft(
        name="张\u0007伟",
        birth_date=date(2027, 1, 1),
        customer_since=date(2027, 1, 1),
        contacts=(
            ContactDraft("email", "nobody@"),
            ContactDraft("phone", "12"),
            ContactDraft("wechat", "a b"),
            ContactDraft("address", " "),
        ),
        documents=(DocumentDraft("resident_id", "110105194912310021"), DocumentDraft("uscc", "9144030071526726XG")),
    )
    assert refusal(draft) == {
        ("/name", "name.characters"),
        ("/birth_date", "party.birth_date"),
        ("/customer_since", "party.customer_since"),
        ("/contact_points/0/value", "contact.email"),
        ("/contact_points/1/value", "contact.phone"),
        ("/contact_points/2/value", "contact.wechat"),
        ("/contact_points/3/value", "contact.malformed"),
        ("/documents/0/number", "document.check_digit"),
        ("/documents/1/type", "document.kind"),
    }


def test_a_company_has_no_resident_id_and_no_gender() -> None:
    draft = a_draft(kind=PartyKind.COMPANY, gender=Gender.MALE, documents=(DocumentDraft("resident_id", RESIDENT_ID),))
    assert refusal(draft) == {("/gender", "party.gender"), ("/documents/0/type", "document.kind")}


@pytest.mark.parametrize("name", ["", "   ", "...", "x" * 201, "a\u202eb", "\ud800"])
def test_a_name_has_letters_and_no_hidden_characters(name: str) -> None:
    assert {pointer for pointer, _ in refusal(a_draft(name=name))} == {"/name"}


@pytest.mark.parametrize(
    ("name", "kind", "shown"),
    [
        ("张伟", PartyKind.INDIVIDUAL, "张*"),
        ("欧阳娜娜", PartyKind.INDIVIDUAL, "欧***"),
        ("John Smith", PartyKind.INDIVIDUAL, "J*** S****"),
        ("李记面馆", PartyKind.SOLE_PROPRIETOR, "李***"),
        ("华夏科技有限公司", PartyKind.COMPANY, "华夏科技有限公司"),
    ],
)
def test_a_masked_name_shows_the_surname(name: str, kind: PartyKind, shown: str) -> None:
    assert mask_name(name, kind) == shown


@pytest.mark.parametrize(
    ("contact_type", "value", "shown"),
    [
        ("phone", "+8613800138000", "+86138****8000"),
        ("email", "zhang.wei@example.com", "z***@example.com"),
        ("wechat", "zhangwei88", "zh***"),
        ("address", "北京市朝阳区建国路88号", "北京市朝阳区******"),
    ],
)
def test_a_masked_contact_can_be_recognised_and_not_used(contact_type: str, value: str, shown: str) -> None:
    assert mask_contact(contact_type, value) == shown


def test_masked_numbers_and_dates() -> None:
    assert mask_document_number(RESIDENT_ID) == "110***********002X"
    assert mask_document_number("E12345678") == "*******78"
    assert mask_birth_date(date(1949, 12, 31)) == "1949-**-**"


@given(st.text(st.characters(exclude_characters="*"), min_size=1, max_size=40))
def test_a_mask_never_shows_a_whole_value(value: str) -> None:
    assert mask_document_number(value) != value
    assert mask_contact("address", value) != value


def test_auditors_do_not_read_names() -> None:
    assert not sees_names({Role.AUDITOR, Role.OPERATOR})
    assert sees_names({Role.AUDITOR, Role.RELATIONSHIP_MANAGER})
