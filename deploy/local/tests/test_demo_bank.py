"""The demo bank: the same every time, and right by the rules of the services that take it in."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any, ClassVar, cast

import pytest
from aiohttp import web

from kehu_campaigns.delivery.templates import check
from kehu_campaigns.plans.rules import banned_claims_in
from kehu_campaigns.plans.service import banned_claims
from kehu_chassis.testing.servers import free_port
from kehu_complaints.cases.rules import next_state
from kehu_contracts.bank import BankAccount, BankBalance, BankProductOpened, BankTransaction
from kehu_contracts.codes import ComplaintAction, ComplaintState, CustomerStatus, PartyKind, TransactionKind
from kehu_customer.identity.rules import check_document_number
from kehu_local.demo import actors as demo_actors
from kehu_local.demo import campaigns, complaints
from kehu_local.demo.actors import Actors
from kehu_local.demo.holdings import CAMPAIGN_PRODUCT, Holdings, holdings, openings
from kehu_local.demo.organisation import STAFF, SUB_BRANCHES, UNITS, managers_of
from kehu_local.demo.people import COUNT, DAYS, DemoParty, parties
from kehu_segmentation.rules.schemas import parse_rule

TODAY = date(2026, 11, 22)


@pytest.fixture(scope="module")
def people() -> list[DemoParty]:
    return parties(TODAY)


@pytest.fixture(scope="module")
def made(people: list[DemoParty]) -> Holdings:
    return holdings(people, TODAY)


def test_the_organisation_has_every_level_and_about_sixty_people() -> None:
    kinds = Counter(unit.kind.value for unit in UNITS)
    assert kinds == {"head_office": 1, "branch": 3, "sub_branch": 12, "department": 6}
    codes = [unit.source_id for unit in UNITS]
    assert all(
        unit.parent_code is None or codes.index(unit.parent_code) < codes.index(unit.source_id) for unit in UNITS
    )
    assert len(STAFF) == len({member.source_id for member in STAFF}) == 61
    assert {member.unit_code for member in STAFF} <= set(codes)
    assert all(len(managers_of(code)) >= 3 for code in SUB_BRANCHES)


def test_customers_are_the_same_every_day_but_for_when_they_joined(people: list[DemoParty]) -> None:
    later = parties(TODAY + timedelta(days=400))
    assert [party.identity for party in people] == [party.identity for party in later]
    assert [(party.source_id, party.unit_code, party.means) for party in people] == [
        (party.source_id, party.unit_code, party.means) for party in later
    ]


def test_there_are_customers_of_all_kinds_with_documents_that_hold(people: list[DemoParty]) -> None:
    assert len(people) == COUNT == 5_000
    assert Counter(party.kind for party in people) == {
        PartyKind.INDIVIDUAL: 4_400,
        PartyKind.SOLE_PROPRIETOR: 250,
        PartyKind.COMPANY: 300,
        PartyKind.INSTITUTION: 50,
    }
    assert {party.status for party in people} == set(CustomerStatus)
    numbers = [document for party in people for document in party.identity.documents]
    for document in numbers:
        assert check_document_number(document.type, document.number, TODAY) == document.number
    assert len({document.number for document in numbers}) == len(numbers)
    phones = [contact.value for party in people for contact in party.identity.contacts if contact.type == "phone"]
    assert len(set(phones)) == len(phones)


@pytest.mark.parametrize("today", [TODAY, date(1999, 1, 1)])
def test_nobody_is_a_customer_before_birth_or_after_today(today: date) -> None:
    for party in parties(today):
        born = party.identity.birth_date
        assert born is not None
        assert born <= party.customer_since <= today
        assert born <= today - timedelta(days=DAYS)


def test_movements_add_up_and_no_balance_falls_below_nothing(made: Holdings) -> None:
    assert 190_000 <= len(made.transactions) <= 210_000
    standing: dict[str, tuple[int, Decimal]] = {}
    seen: set[str] = set()
    for fact in made.transactions:
        moved = fact.statement
        assert isinstance(moved, BankTransaction)
        assert moved.balance_after is not None
        assert moved.balance_after >= 0
        assert moved.amount > 0
        if moved.account_source_id in standing:
            position, before = standing[moved.account_source_id]
            gain = moved.amount if moved.kind is TransactionKind.CREDIT else -moved.amount
            assert (moved.position, moved.balance_after) == (position + 1, before + gain)
        standing[moved.account_source_id] = moved.position, moved.balance_after
        seen.add(moved.source_id)
        assert moved.business_date < TODAY
    assert len(seen) == len(made.transactions)


def test_every_statement_is_about_something_that_was_stated(people: list[DemoParty], made: Holdings) -> None:
    known = {party.source_id for party in people}
    facts = [*made.accounts, *openings(people, TODAY)]
    accounts = {fact.statement.source_id: fact.statement for fact in facts if isinstance(fact.statement, BankAccount)}
    assert len(accounts) == sum(isinstance(fact.statement, BankAccount) for fact in facts)
    for account in accounts.values():
        assert {holder.party_source_id for holder in account.holders} <= known
        assert account.parent_source_id is None or account.parent_source_id in accounts
    for fact in (*facts, *made.transactions):
        match fact.statement:
            case BankBalance():
                assert fact.statement.source_id in accounts
            case BankTransaction() | BankProductOpened():
                assert fact.statement.account_source_id in accounts
    bought = [fact.statement for fact in facts if isinstance(fact.statement, BankProductOpened)]
    assert len(bought) == 260
    assert {opening.product_code for opening in bought} == {CAMPAIGN_PRODUCT}


class RecordingActors:
    """Carries complaints by the complaints service's own table of states."""

    actions: ClassVar[dict[str, ComplaintAction]] = {
        "acceptances": ComplaintAction.ACCEPT,
        "rejections": ComplaintAction.REJECT,
        "investigations": ComplaintAction.INVESTIGATE,
        "pauses": ComplaintAction.PAUSE,
        "resumptions": ComplaintAction.RESUME,
        "decisions": ComplaintAction.DECIDE,
        "notifications": ComplaintAction.NOTIFY,
        "review-requests": ComplaintAction.REQUEST_REVIEW,
        "review-conclusions": ComplaintAction.CONCLUDE_REVIEW,
        "closures": ComplaintAction.CLOSE,
        "withdrawals": ComplaintAction.WITHDRAW,
        "reopenings": ComplaintAction.REOPEN,
    }

    def __init__(self) -> None:
        self.states: dict[str, ComplaintState] = {}
        self.keys: list[str] = []

    def customer(self, source_id: str) -> str:
        return source_id

    async def post(self, who: str, path: str, body: Any, *, key: str) -> Any:
        assert who == "handler"
        assert isinstance(body, dict)
        self.keys.append(key)
        parts = path.split("/")
        if len(parts) == 2:
            complaint_id = f"complaint-{len(self.states)}"
            self.states[complaint_id] = ComplaintState.RECEIVED
            return {"complaint_id": complaint_id}
        if parts[3] in self.actions:
            self.states[parts[2]] = next_state(self.states[parts[2]], self.actions[parts[3]])
        return {}


async def test_complaints_end_in_every_state_there_is(people: list[DemoParty]) -> None:
    actors = RecordingActors()
    book = complaints.ComplaintBook(cast("Actors", actors), people)
    days = book.days()
    assert days[0] >= campaigns.SEGMENTS_DAY
    assert days[-1] < DAYS
    done = [await book.live(day) for day in days]
    assert sum(done) == len(actors.keys) == len(set(actors.keys))
    assert len(actors.states) == 86
    assert {*actors.states.values()} == set(ComplaintState)


def test_segments_and_campaign_texts_pass_the_services_own_checks() -> None:
    for _, _, rule in campaigns.SEGMENTS:
        parse_rule(rule)
    check(campaigns.MESSAGE)
    assert banned_claims_in(campaigns.MESSAGE, banned_claims()) == ()


async def test_what_got_no_answer_is_asked_again_under_its_key(monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    seen: list[tuple[str, str]] = []

    async def answer(request: web.Request) -> web.Response:
        seen.append((request.path, request.headers["Idempotency-Key"]))
        if len(seen) == 1:
            assert request.transport is not None
            request.transport.abort()
        return web.json_response({"id": 7}, status=201)

    app = web.Application()
    app.router.add_post("/{path:.*}", answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    for name in ("token_of_user", "token_of_client"):
        monkeypatch.setattr(demo_actors, name, lambda *_: "token")
    plan = SimpleNamespace(gateway_url=f"http://127.0.0.1:{port}", logs="logs")
    try:
        async with Actors(cast("Any", plan), "run") as actors:
            assert await actors.post("handler", "/complaints", {}, key="1") == {"id": 7}
    finally:
        await runner.cleanup()
    assert seen == [("/api/v1/complaints", "demo-run-1")] * 2
