"""Registration and restatement as other features of this service call them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import date
from typing import Any

import pytest

from kehu_chassis.clock import FixedClock
from kehu_chassis.database import Database
from kehu_chassis.scope import EVERYTHING
from kehu_contracts.codes import CustomerStatus, Gender, PartyKind
from kehu_contracts.customer import CustomerProfileChanged, CustomerRegistered, CustomerState
from kehu_customer.parties.drafts import ContactDraft, DocumentDraft, PartyDraft, RegisteredParty
from kehu_customer.parties.rules import check_draft, is_customer_number, number_check_digit
from kehu_customer.parties.service import register_parties, restate_party
from kehu_customer.parties.views import View
from kehu_customer.vault import Vault

from .conftest import an_id

Rows = Callable[..., Awaitable[list[dict[str, Any]]]]
OutboxRows = Callable[..., Awaitable[list[dict[str, Any]]]]

TODAY = date(2026, 3, 2)


def a_draft(name: str = "张伟", **changes: Any) -> PartyDraft:
    return check_draft(PartyDraft(PartyKind.INDIVIDUAL, name, date(2020, 1, 1), **changes), TODAY)


@pytest.fixture
def register(
    worker_database: Database, vault: Vault, clock: FixedClock
) -> Callable[..., Awaitable[list[RegisteredParty]]]:
    async def run(*drafts: PartyDraft) -> list[RegisteredParty]:
        async with worker_database.begin(scope=EVERYTHING) as tx:
            return await register_parties(tx, vault, drafts, actor="source:core", at=clock.now())

    return run


@pytest.fixture
def restate(
    worker_database: Database, vault: Vault, clock: FixedClock
) -> Callable[[RegisteredParty, PartyDraft], Awaitable[tuple[str, ...]]]:
    async def run(party: RegisteredParty, draft: PartyDraft) -> tuple[str, ...]:
        async with worker_database.begin(scope=EVERYTHING) as tx:
            return await restate_party(tx, vault, party.customer_id, draft, actor="source:core", at=clock.now())

    return run


@pytest.mark.usefixtures("bank")
async def test_a_batch_is_registered_in_its_order_with_numbers_of_its_own(
    register: Any, rows: Rows, outbox_rows: OutboxRows, vault: Vault
) -> None:
    names = [f"客户{serial:04d}" for serial in range(1000)]
    unit = an_id("east-1")
    registered = await register(*(a_draft(name, unit_id=unit) for name in names))
    stored = {row["id"]: row for row in await rows("SELECT * FROM customers")}
    view = View(vault, clear_names=True)
    assert [view.customer(stored[party.customer_id])["name"] for party in registered] == names
    numbers = [party.customer_number for party in registered]
    assert len(set(numbers)) == 1000
    assert all(map(is_customer_number, numbers))
    assert {row["subject"] for row in await outbox_rows(CustomerRegistered)} == {
        str(party.customer_id) for party in registered
    }
    assert len(await outbox_rows(CustomerState)) == 1000
    assert await rows("SELECT count(*) FROM ownerships WHERE unit_id = $1 AND valid_until IS NULL", unit) == [
        {"count": 1000}
    ]


async def test_an_empty_batch_is_nothing(register: Any, outbox_rows: OutboxRows) -> None:
    assert await register() == []
    assert await outbox_rows() == []


async def test_the_database_and_the_rule_agree_on_check_digits(rows: Rows) -> None:
    serials = (1, 2, 9, 10, 794, 123_456_789, 9_999_999_999)
    for serial in serials:
        (row,) = await rows("SELECT customer_number_text($1) AS number", serial)
        assert row["number"] == f"C{serial:010d}{number_check_digit(f'{serial:010d}')}"


async def test_the_promised_id_is_kept(register: Any) -> None:
    promised = an_id("promised")
    (party,) = await register(a_draft()._replace(customer_id=promised))
    assert party.customer_id == promised


async def test_a_restatement_of_the_same_changes_nothing(register: Any, restate: Any, outbox_rows: OutboxRows) -> None:
    draft = a_draft(
        latin_name="Zhang Wei",
        contacts=(ContactDraft("phone", "13800138000"),),
        documents=(DocumentDraft("resident_id", "11010519491231002X"),),
    )
    (party,) = await register(draft)
    told = len(await outbox_rows())
    assert await restate(party, draft) == ()
    assert len(await outbox_rows()) == told


async def test_a_restatement_changes_what_differs_and_tells_its_names(
    register: Any, restate: Any, outbox_rows: OutboxRows, rows: Rows
) -> None:
    (party,) = await register(a_draft(contacts=(ContactDraft("phone", "13800138000"),), industry="C34"))
    stated = a_draft(
        "张维",
        gender=Gender.MALE,
        status=CustomerStatus.CLOSED,
        contacts=(ContactDraft("phone", "13900139000"), ContactDraft("phone", "13800138000")),
        documents=(DocumentDraft("passport", "E12345678", valid_until=date(2030, 1, 1)),),
    )
    assert await restate(party, stated) == ("gender", "status", "names", "contact_points", "documents")
    (event,) = await outbox_rows(CustomerProfileChanged)
    assert event["data"]["changed"] == ["gender", "status", "names", "contact_points", "documents"]
    state = (await outbox_rows(CustomerState))[-1]["data"]
    assert (state["gender"], state["status"]) == ("male", "closed")
    (row,) = await rows("SELECT industry, version FROM customers")
    assert row == {"industry": "C34", "version": 2}
    types = await rows("SELECT type FROM party_names ORDER BY id")
    assert [each["type"] for each in types] == ["former", "primary"]
    points = await rows("SELECT is_primary FROM contact_points ORDER BY id")
    assert [each["is_primary"] for each in points] == [True, False]
    renewed = stated._replace(
        documents=(DocumentDraft("passport", "E12345678", valid_until=date(2040, 1, 1)),), contacts=()
    )
    assert await restate(party, renewed) == ("documents",)
    assert await rows("SELECT valid_until FROM documents") == [{"valid_until": date(2040, 1, 1)}]
