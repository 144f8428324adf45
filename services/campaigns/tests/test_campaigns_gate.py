"""The gate over real tables: one decision per member, with exactly one reason, under locks."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import func, select

from kehu_campaigns.gate.consumers import COMPLAINTS
from kehu_campaigns.gate.rules import Reason, bucket_of
from kehu_campaigns.gate.service import Ask, Resolution, decide_members
from kehu_campaigns.gate.tables import decisions
from kehu_chassis.scope import EVERYTHING
from kehu_contracts.campaign import ContactDecided
from kehu_contracts.codes import (
    Channel,
    ComplaintAction,
    ComplaintState,
    ConsentStatus,
    CustomerStatus,
    PartyKind,
    Purpose,
)
from kehu_contracts.complaint import ComplaintReceived, ComplaintStateChanged
from kehu_contracts.customer import StandingConsent

EVENING = datetime(2026, 3, 2, 14, 0, tzinfo=UTC)
NEXT_MORNING = datetime(2026, 3, 3, 0, 0, tzinfo=UTC)


def received(customer_id: UUID | None, clock: Any, *, is_open: bool = True) -> ComplaintReceived:
    return ComplaintReceived(
        complaint_id=uuid4(),
        complaint_number="CP20260302000001",
        customer_id=customer_id,
        kind="complaint",
        channel=Channel.PHONE,
        category="fees",
        unit_id=uuid4(),
        received_at=clock.now(),
        open=is_open,
    )


def closed(complaint: ComplaintReceived, clock: Any) -> ComplaintStateChanged:
    return ComplaintStateChanged(
        complaint_id=complaint.complaint_id,
        complaint_number=complaint.complaint_number,
        customer_id=complaint.customer_id,
        action=ComplaintAction.CLOSE,
        from_state=ComplaintState.NOTIFIED,
        to_state=ComplaintState.CLOSED,
        changed_at=clock.now(),
        open=False,
    )


async def reasons_of(people: Any, campaign: dict[str, Any]) -> dict[str, int]:
    found: dict[str, int] = (
        await (await people.compliance()).get(f"/api/v1/campaigns/{campaign['id']}/funnel")
    ).json()["reasons"]
    return found


async def test_every_member_gets_one_decision_and_reasons_add_up(
    bank: Any,
    people: Any,
    make_running: Any,
    deliver: Any,
    clock: Any,
    fire_timers: Any,
    resolver: Any,
    outbox_rows: Any,
) -> None:
    plain = await bank.customers(3)
    (dead,) = await bank.customers(1, status=CustomerStatus.DECEASED)
    (gone,) = await bank.customers(1, status=CustomerStatus.CLOSED)
    (child,) = await bank.customers(1, birth_year=2010)
    (shop,) = await bank.customers(1, birth_year=2020, kind=PartyKind.COMPANY)
    (silent,) = await bank.customers(1)
    resolver.answers[silent] = Resolution(refusal=Reason.NO_CONSENT, address="", language="zh")
    (angry,) = await bank.customers(1)
    await deliver(COMPLAINTS, [received(angry, clock)])
    (nowhere,) = await bank.customers(1)
    resolver.answers[nowhere] = Resolution(refusal=Reason.CONTACT_UNAVAILABLE, address="", language="zh")
    survivor, duplicate = await bank.customers(2)
    await bank.restate(duplicate, survivor_id=survivor)
    everybody = [*plain, dead, gone, child, shop, silent, angry, nowhere, survivor, duplicate]
    campaign = await make_running(await bank.segment(everybody))
    assert campaign["audience_size"] == 12

    await fire_timers()

    assert await reasons_of(people, campaign) == {
        "allowed": 5,
        "deceased": 1,
        "relationship_closed": 1,
        "minor": 1,
        "no_consent": 1,
        "open_complaint": 1,
        "contact_unavailable": 1,
        "merged_duplicate": 1,
    }
    compliance = await people.compliance()
    listed = (await compliance.get(f"/api/v1/campaigns/{campaign['id']}/decisions")).json()["items"]
    by_customer = {UUID(found["customer_id"]): found["reason"] for found in listed}
    assert len(listed) == len(by_customer) == 12
    assert by_customer[duplicate] == "merged_duplicate"
    assert by_customer[survivor] == by_customer[shop] == "allowed"
    told = await outbox_rows(ContactDecided)
    assert {UUID(event["data"]["customer_id"]): event["data"]["reason"] for event in told} == by_customer
    assert len(told) == 12
    # Nobody was asked about whose decision did not rest on it.
    assert set(resolver.asked).isdisjoint({dead, gone, child, duplicate})


async def test_a_second_worker_finds_nothing_left(
    bank: Any, make_running: Any, worker_database: Any, worker_runtime: Any, clock: Any
) -> None:
    members = await bank.customers(5)
    campaign = await make_running(await bank.segment(members))
    ask = Ask(Purpose.MARKETING, Channel.SMS, UUID(campaign["id"]), campaign["code"], "salt")
    answers = {found: Resolution(refusal=None, address="x", language="zh") for found in members}

    async def decide() -> int:
        async with worker_database.begin(scope=EVERYTHING) as tx:
            made = await decide_members(
                tx, ask, members, answers=answers, policy=worker_runtime.resources.policy, now=clock.now()
            )
        return len(made)

    assert sum(await asyncio.gather(*(decide() for _ in range(6)))) == 5
    async with worker_database.begin(scope=EVERYTHING) as tx:
        assert await tx.scalar(select(func.count()).select_from(decisions)) == 5


async def test_fifty_campaigns_at_once_do_not_exceed_the_cap(
    bank: Any, make_running: Any, worker_database: Any, worker_runtime: Any, clock: Any
) -> None:
    twins = await bank.customers(2)
    await bank.restate(twins[1], survivor_id=twins[0])
    others = await bank.customers(3)
    segment_id = await bank.segment([*others, twins[0]])
    of_twin = await bank.segment([twins[1]], code="TWIN")
    campaigns = [
        await make_running(
            segment_id if number % 2 else of_twin, code=f"C{number}", channel="sms" if number % 3 else "push"
        )
        for number in range(50)
    ]
    answers = {found: Resolution(refusal=None, address="x", language="zh") for found in [*twins, *others]}

    async def decide(campaign: dict[str, Any]) -> None:
        ask = Ask(Purpose.MARKETING, Channel(campaign["channel"]), UUID(campaign["id"]), campaign["code"], "salt")
        async with worker_database.begin(scope=EVERYTHING) as tx:
            await decide_members(
                tx, ask, list(answers), answers=answers, policy=worker_runtime.resources.policy, now=clock.now()
            )

    await asyncio.gather(*(decide(campaign) for campaign in campaigns))

    async with worker_database.begin(scope=EVERYTHING) as tx:
        rows = await tx.all(
            select(decisions.c.survivor_id, decisions.c.reason, func.count().label("count")).group_by(
                decisions.c.survivor_id, decisions.c.reason
            )
        )
    counted = {(row["survivor_id"], row["reason"]): row["count"] for row in rows}
    # The twins are one party: both profiles share one allowance.
    assert counted[twins[0], "allowed"] == 2
    assert counted[twins[0], "frequency_cap"] == 48
    for customer_id in others:
        assert (counted[customer_id, "allowed"], counted[customer_id, "frequency_cap"]) == (2, 23)


async def test_the_cap_forgets_contacts_that_left_its_window(
    bank: Any, people: Any, make_running: Any, fire_timers: Any, clock: Any
) -> None:
    segment_id = await bank.segment(await bank.customers(1))
    made = [await make_running(segment_id, code=f"C{number}") for number in range(3)]
    await fire_timers()
    assert sorted([(await reasons_of(people, found)).popitem() for found in made]) == [
        ("allowed", 1),
        ("allowed", 1),
        ("frequency_cap", 1),
    ]
    clock.advance(timedelta(days=7))
    later = await make_running(segment_id, code="LATER")
    await fire_timers()
    assert await reasons_of(people, later) == {"allowed": 1}


async def test_quiet_hours_hold_decisions_back_until_they_are_over(
    bank: Any, people: Any, make_running: Any, fire_timers: Any, clock: Any, resolver: Any, outbox_rows: Any
) -> None:
    clock.set(EVENING)
    members = await bank.customers(2)
    campaign = await make_running(await bank.segment(members))
    await fire_timers()
    assert await reasons_of(people, campaign) == {}
    assert resolver.asked == []
    compliance = await people.compliance()
    waiting = (await compliance.get(f"/api/v1/campaigns/{campaign['id']}/members")).json()["items"]
    assert {found["deferred_until"] for found in waiting} == {"2026-03-03T00:00:00Z"}
    clock.set(NEXT_MORNING - timedelta(seconds=1))
    assert await fire_timers() == 0
    assert await outbox_rows(ContactDecided) == []
    # The clock jumps far ahead: what was due in the morning is decided with the morning's time.
    clock.set(NEXT_MORNING + timedelta(days=2, hours=14))
    await fire_timers()
    assert await reasons_of(people, campaign) == {"allowed": 2}
    decided = (await compliance.get(f"/api/v1/campaigns/{campaign['id']}/decisions")).json()["items"]
    assert {found["decided_at"] for found in decided} == {"2026-03-03T00:00:00Z"}


async def test_quiet_hours_refuse_when_the_campaign_ends_before_they_do(
    bank: Any, people: Any, make_running: Any, fire_timers: Any, clock: Any
) -> None:
    clock.set(EVENING)
    campaign = await make_running(
        await bank.segment(await bank.customers(2)), ends_at=(EVENING + timedelta(hours=3)).isoformat()
    )
    await fire_timers()
    assert await reasons_of(people, campaign) == {"quiet_hours": 2}


async def test_a_holdout_is_the_same_after_a_merge_and_for_every_process(
    bank: Any, people: Any, make_running: Any, fire_timers: Any
) -> None:
    members = await bank.customers(200)
    segment_id = await bank.segment(members)
    campaign = await make_running(segment_id, holdout_basis_points=1000)
    salt = UUID(campaign["id"]).hex
    held = {found for found in members if bucket_of(salt, found) < 1000}
    # Whoever is merged into somebody takes that party's side.
    merged, survivor = next((a, b) for a in held for b in members if b not in held)
    await bank.restate(merged, survivor_id=survivor)
    await fire_timers()
    compliance = await people.compliance()
    page = (await compliance.get(f"/api/v1/campaigns/{campaign['id']}/decisions?reason=holdout&limit=200")).json()
    assert {UUID(found["customer_id"]) for found in page["items"]} == held - {merged}
    reasons = await reasons_of(people, campaign)
    assert reasons == {"allowed": 200 - len(held), "holdout": len(held) - 1, "merged_duplicate": 1}


async def test_a_complaint_stops_contacts_and_its_closing_lets_them_go_on(
    bank: Any, people: Any, deliver: Any, clock: Any, outbox_rows: Any
) -> None:
    (customer_id,) = await bank.customers(1)
    (profile,) = await bank.customers(1, survivor_id=customer_id)
    compliance = await people.compliance()

    async def verdict(whom: UUID = customer_id) -> tuple[str, str]:
        response = await compliance.post("/api/v1/contact-decisions", json={"customer_id": str(whom), "channel": "sms"})
        assert (response.status_code, response.json()["persisted"]) == (200, False)
        return response.json()["outcome"], response.json()["reason"]

    assert await verdict() == ("allowed", "allowed")
    complaint = received(profile, clock)
    enquiry = received(customer_id, clock, is_open=False)
    await deliver(COMPLAINTS, [complaint, enquiry, received(None, clock)])
    assert await verdict() == await verdict(profile) == ("refused", "open_complaint")
    await deliver(COMPLAINTS, [closed(complaint, clock)])
    assert await verdict() == ("allowed", "allowed")
    assert await outbox_rows() == []


async def test_asking_the_gate_tells_why_and_until_when(bank: Any, people: Any, make_running: Any, clock: Any) -> None:
    (customer_id,) = await bank.customers(1)
    (stranger,) = await bank.customers(1, consents=())
    refused = StandingConsent(purpose=Purpose.MARKETING, channel=Channel.SMS, status=ConsentStatus.WITHDRAWN)
    (profile,) = await bank.customers(1, consents=(refused,))
    campaign = await make_running(await bank.segment([customer_id]), holdout_basis_points=0)
    manager = await people.manager("a")

    async def ask(whom: UUID, **body: Any) -> Any:
        response = await manager.post("/api/v1/contact-decisions", json={"customer_id": str(whom), **body})
        return response.json()

    assert (await ask(stranger, channel="sms"))["reason"] == "no_consent"
    assert (await ask(customer_id, channel="push"))["reason"] == "no_consent"
    clock.set(EVENING)
    held_back = await ask(customer_id, channel="sms")
    assert (held_back["outcome"], held_back["not_before"]) == ("deferred", "2026-03-03T00:00:00Z")
    clock.set(NEXT_MORNING)
    # Of merged profiles the most restrictive consent counts.
    await bank.restate(profile, survivor_id=customer_id)
    assert (await ask(customer_id, channel="sms"))["reason"] == "no_consent"
    missing = await manager.post("/api/v1/contact-decisions", json={"customer_id": str(customer_id)})
    assert (missing.status_code, missing.json()["errors"][0]["pointer"]) == (422, "#/channel")
    head = await people.manager("head")
    of_campaign = await head.post(
        "/api/v1/contact-decisions", json={"customer_id": str(customer_id), "campaign_id": campaign["id"]}
    )
    assert (of_campaign.json()["channel"], of_campaign.json()["campaign_id"]) == ("sms", campaign["id"])


async def test_customers_of_another_branch_are_not_asked_about(bank: Any, people: Any) -> None:
    (customer_id,) = await bank.customers(1)
    of_b = await people.manager("b")
    foreign = await of_b.post("/api/v1/contact-decisions", json={"customer_id": str(customer_id), "channel": "sms"})
    missing = await of_b.post("/api/v1/contact-decisions", json={"customer_id": str(uuid4()), "channel": "sms"})
    assert foreign.status_code == missing.status_code == 404
    assert {**foreign.json(), "trace_id": ""} == {**missing.json(), "trace_id": ""}
    # A marketer plans; what concerns one customer is not his to see.
    marketer = await people.marketer("a")
    refused = await marketer.post("/api/v1/contact-decisions", json={"customer_id": str(customer_id), "channel": "sms"})
    assert refused.status_code == 403


@pytest.mark.parametrize("repeat", [1, 2])
async def test_events_that_come_twice_or_late_change_nothing(
    bank: Any, people: Any, deliver: Any, clock: Any, repeat: int
) -> None:
    (customer_id,) = await bank.customers(1)
    complaint = received(customer_id, clock)
    messages = [deliver.message(complaint), deliver.message(closed(complaint, clock))]
    for _ in range(repeat):
        await deliver(COMPLAINTS, messages)
    await deliver(COMPLAINTS, [messages[0]])
    response = await (await people.compliance()).post(
        "/api/v1/contact-decisions", json={"customer_id": str(customer_id), "channel": "sms"}
    )
    assert response.json()["reason"] == "allowed"
