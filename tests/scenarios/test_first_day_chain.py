"""From a member of a segment to a conversion: complaint, gate, campaign, delivery, response, 360, and every event on the way."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import psutil
import pytest
from aiokafka import AIOKafkaProducer

from kehu_contracts.topics import DEAD_LETTERS, TOPICS

from . import plain_reader, plain_topics

ROOT = Path(__file__).parents[2]
SHANGHAI = ZoneInfo("Asia/Shanghai")
PRODUCT = "spring-saver"
REACHABLE = 12
"""How many members the test gives a phone number and a consent; the others must be refused for want of them."""

pytestmark = [pytest.mark.chain, pytest.mark.xdist_group("berka")]


@pytest.fixture(scope="module")
def segment(suite: Any) -> dict[str, Any]:
    """A published segment of the richest: any balance of at least 100,000 at any time."""
    rule = {"type": "balance", "aggregate": "any", "operator": ">=", "value": "100000"}
    made = suite.post(
        "marketer",
        "/api/v1/segments",
        {"code": f"ever-rich-{uuid.uuid4().hex[:8]}", "name": "曾有高余额", "rule": rule},
    )
    path = f"/api/v1/segments/{made['segment_id']}"
    suite.post("marketer", f"{path}/publications", status=202)
    suite.eventually(lambda: suite.get("marketer", path)["rule_version"] == 1, "the segment is published")
    found: dict[str, Any] = suite.get("marketer", path)
    return found


@pytest.fixture(scope="module")
def members(suite: Any, segment: dict[str, Any]) -> list[str]:
    """The segment's members, the first of them reachable by SMS and willing."""
    rows = suite.every("marketer", f"/api/v1/segments/{segment['segment_id']}/members")
    found = sorted(row["customer_id"] for row in rows)
    assert len(found) > REACHABLE * 3
    for place, customer_id in enumerate(found[:REACHABLE]):
        phone = {"type": "phone", "value": f"+86138000{place:05d}"}
        suite.post("mobile-bank", f"/api/v1/customers/{customer_id}/contact-points", phone)
        consent = {
            "purpose": "marketing",
            "channel": "sms",
            "status": "granted",
            "notice_version": "2026-01",
            "proof": "form 1",
        }
        suite.post("mobile-bank", f"/api/v1/customers/{customer_id}/consents", consent)
    return found


def gate(suite: Any, customer_id: str) -> str:
    """What the gate says of an SMS to the customer now."""
    question = {"customer_id": customer_id, "purpose": "marketing", "channel": "sms"}
    answer = suite.post("compliance", "/api/v1/contact-decisions", question, status=200)
    reason: str = answer["reason"]
    return reason


def test_a_complaint_has_its_due_dates_and_stops_marketing_until_it_is_closed(suite: Any, members: list[str]) -> None:
    customer_id = members[0]
    suite.eventually(lambda: gate(suite, customer_id) == "allowed", "the gate has heard of the consent")
    case = suite.post(
        "handler",
        "/api/v1/complaints",
        {"channel": "phone", "customer_id": customer_id, "narrative": "The fee was charged twice."},
    )
    path = f"/api/v1/complaints/{case['complaint_id']}"
    received = datetime.fromisoformat(case["received_at"]).astimezone(SHANGHAI).date()
    clock = suite.get("handler", f"{path}/clock")
    (statutory,) = [reading for reading in clock["clocks"] if reading["clock"] == "statutory"]
    # Order 2020 No. 3: the day of receipt is not counted; 15 days.
    assert statutory["due_on"] == (received + timedelta(days=15)).isoformat()
    took = suite.eventually(lambda: gate(suite, customer_id) == "open_complaint", "the gate has heard of the complaint")
    assert took <= 5.0
    steps: list[tuple[str, dict[str, Any]]] = [
        ("acceptances", {}),
        ("investigations", {}),
        ("decisions", {"outcome": "upheld"}),
        ("notifications", {"channel": "phone"}),
        ("closures", {}),
    ]
    for noun, content in steps:
        case = suite.post("handler", f"{path}/{noun}", content)
    assert case["state"] == "closed"
    suite.eventually(lambda: gate(suite, customer_id) == "allowed", "the gate has heard of the closing", within=10)


@pytest.fixture(scope="module")
def campaign(suite: Any, segment: dict[str, Any], members: list[str]) -> dict[str, Any]:
    """A campaign on the segment with a holdout of 10 %, approved by a second person, every member decided."""
    suite.eventually(lambda: gate(suite, members[REACHABLE - 1]) == "allowed", "the last consent has arrived")
    plan = {
        "code": f"spring-{uuid.uuid4().hex[:8]}",
        "name": "Spring savings",
        "objective": "Tell wealthy customers of the new savings account.",
        "channel": "sms",
        "product_code": PRODUCT,
        "message": "A savings account with open terms awaits you. Reply T to opt out.",
        "audience": {"any_of": [segment["segment_id"]]},
        "holdout_basis_points": 1_000,
        "ends_at": "1999-12-31T00:00:00+08:00",
    }
    made = suite.post("marketer", "/api/v1/campaigns", plan)
    path = f"/api/v1/campaigns/{made['id']}"
    suite.post("marketer", f"{path}/submissions")
    refused = suite.user("marketer").post(f"{path}/approvals", json={})
    assert refused.status_code == 403, refused.text
    suite.post("compliance", f"{path}/approvals", {})
    suite.eventually(
        lambda: suite.get("marketer", f"{path}/funnel")["decided"] == len(members), "every member is decided"
    )
    found: dict[str, Any] = suite.get("marketer", path)
    return found


def test_every_member_has_one_decision_and_what_is_delivered_was_allowed(
    suite: Any, campaign: dict[str, Any], members: list[str]
) -> None:
    path = f"/api/v1/campaigns/{campaign['id']}"
    decisions = suite.every("marketer", f"{path}/decisions")
    assert sorted(decision["customer_id"] for decision in decisions) == members
    reasons = Counter(decision["reason"] for decision in decisions)
    allowed = reasons["allowed"]
    assert 0 < allowed <= REACHABLE
    assert reasons["holdout"] > 0
    suite.eventually(
        lambda: suite.get("marketer", f"{path}/funnel")["messages"]["delivered"] == allowed, "all are delivered"
    )
    funnel = suite.get("marketer", f"{path}/funnel")
    assert funnel["audience"] == campaign["audience_size"] == len(members)
    assert funnel["undecided"] == 0
    assert {reason: count for reason, count in funnel["reasons"].items() if count} == dict(reasons)
    messages = suite.every("marketer", f"{path}/messages")
    assert sorted(message["customer_id"] for message in messages) == sorted(
        decision["customer_id"] for decision in decisions if decision["reason"] == "allowed"
    )


def _source_ids(suite: Any, customer_id: str) -> tuple[str, str]:
    """The core's names for a customer and for an account of theirs; the importer names a client by its number."""
    answer = suite.system("core-banking").get(f"/api/v1/customers/{customer_id}")
    assert answer.status_code == 200, answer.text
    accounts = suite.every("auditor", f"/api/v1/customers/{customer_id}/accounts")
    account = next(row for row in accounts if row["product_class"] == "current")
    return answer.json()["name"].lower().replace(" ", "-"), account["source_id"]


async def _open_product(bootstrap: str, party: str, account: str, at: str) -> None:
    """The core states, twice, that the customer opened the product."""
    opening = f"opening-{uuid.uuid4().hex[:8]}"
    body = {
        "source": "berka",
        "source_id": opening,
        "party_source_id": party,
        "account_source_id": account,
        "product_class": "savings",
        "product_code": PRODUCT,
        "amount": "5000.00",
        "currency": "CZK",
        "opened_at": at,
    }
    headers = {
        "ce_specversion": "1.0",
        "ce_id": str(uuid.uuid4()),
        "ce_type": "bank.product.opened",
        "ce_source": "berka",
        "ce_subject": opening,
        "ce_time": at,
        "ce_sequence": "1",
        "ce_dataschema": "urn:kehu:schema:bank.product.opened:1",
        "content-type": "application/json",
    }
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap)
    await producer.start()
    try:
        for _ in range(2):
            await producer.send_and_wait(
                "bank.account.v1",
                json.dumps(body).encode(),
                key=account.encode(),
                headers=[(name, value.encode()) for name, value in headers.items()],
            )
    finally:
        await producer.stop()


def test_an_opening_counts_as_one_conversion_and_the_360_shows_it_all(
    suite: Any, campaign: dict[str, Any], members: list[str]
) -> None:
    path = f"/api/v1/campaigns/{campaign['id']}"
    suite.eventually(
        lambda: suite.get("marketer", f"{path}/funnel")["messages"]["delivered"] > 0, "a message is delivered"
    )
    messages = suite.every("marketer", f"{path}/messages")
    delivered = next(message for message in messages if message["delivered_at"] is not None)
    customer_id = delivered["customer_id"]
    party, account = _source_ids(suite, customer_id)
    at = datetime.fromisoformat(delivered["delivered_at"]) + timedelta(seconds=1)
    asyncio.run(_open_product(suite.plan.kafka_bootstrap, party, account, at.isoformat()))
    suite.eventually(
        lambda: suite.get("marketer", f"{path}/funnel")["contacted"]["openings"] == 1, "the opening is counted"
    )
    seen = suite.get("auditor", f"/api/v1/customers/{customer_id}/overview")
    assert {name: section["status"] for name, section in seen["sections"].items()} == dict.fromkeys(
        ("profile", "holdings", "segments", "complaints", "campaigns"), "ok"
    )
    (met,) = seen["sections"]["campaigns"]["data"]["items"]
    assert (met["campaign_id"], met["reason"], met["conversions"]) == (campaign["id"], "allowed", 1)
    wanted = {"consent_changed", "complaint_received", "complaint_state_changed"}
    path_of_timeline = f"/api/v1/customers/{members[0]}/timeline"
    suite.eventually(
        lambda: wanted <= {row["type"] for row in suite.every("auditor", path_of_timeline)}, "the timeline has it all"
    )
    funnel = suite.get("marketer", f"{path}/funnel")
    assert (funnel["contacted"]["customers"], funnel["contacted"]["openings"]) == (1, 1)


def test_the_360_stands_while_the_complaints_service_is_stopped(suite: Any, members: list[str]) -> None:
    listener = _listener(suite.plan.ports["complaints"])
    listener.suspend()
    try:
        sections = suite.get("auditor", f"/api/v1/customers/{members[-1]}/overview")["sections"]
    finally:
        listener.resume()
    assert sections["complaints"]["status"] == "unavailable"
    assert {name for name, section in sections.items() if section["status"] == "ok"} == {
        "profile",
        "holdings",
        "segments",
        "campaigns",
    }


def _listener(port: int) -> psutil.Process:
    """The process that answers on a port of the suite: a child of the runner, and of this test run's user."""
    (pid,) = {
        held.pid
        for held in psutil.net_connections("inet")
        if held.status == psutil.CONN_LISTEN and held.laddr and held.laddr.port == port and held.pid is not None
    }
    return psutil.Process(pid)


def test_a_plain_consumer_finds_every_event_as_published_and_nobody_in_clear(suite: Any) -> None:
    topics = [topic.name for topic in TOPICS if topic.name.startswith("kehu.") and topic.name != DEAD_LETTERS]
    records = asyncio.run(plain_topics.read_all(suite.plan.kafka_bootstrap, topics))
    reading = plain_reader.check(records, plain_reader.load_schemas(ROOT / "libs" / "contracts" / "schemas"))
    assert reading.faults == []
    registered = {record.key for record in reading.of_type("kehu.customer.registered")}
    assert len(registered) == 5_369
    decided = Counter(
        json.loads(record.body)["campaign_id"] for record in reading.of_type("kehu.campaign.contact_decided")
    )
    assert decided == {
        campaign["id"]: campaign["audience_size"] for campaign in suite.every("marketer", "/api/v1/campaigns")
    }
    secrets = ["Client 1", *(f"138000{place:05d}" for place in range(REACHABLE)), "The fee was charged twice"]
    assert plain_reader.find_in_clear(records, secrets) == []
