"""The consent ledger and the verdict on contacts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

from kehu_chassis.clock import FixedClock
from kehu_contracts.customer import ConsentChanged, CustomerState

from .conftest import People
from .test_customer_parties_http import ZHANG

Rows = Callable[..., Awaitable[list[dict[str, Any]]]]
OutboxRows = Callable[..., Awaitable[list[dict[str, Any]]]]


async def register(people: People, **changes: Any) -> str:
    answer = await people.rm.post("/api/v1/customers", json=ZHANG | changes)
    assert answer.status_code == 201
    customer_id: str = answer.json()["id"]
    return customer_id


def entry(status: str = "granted", **changes: Any) -> dict[str, Any]:
    given = {
        "purpose": "marketing",
        "channel": "sms",
        "status": status,
        "notice_version": "2026-01",
        "proof": "form 17",
    }
    return given | changes


async def consent(people: People, customer_id: str, **changes: Any) -> dict[str, Any]:
    answer = await people.rm.post(f"/api/v1/customers/{customer_id}/consents", json=entry(**changes))
    assert answer.status_code == 201, answer.text
    given: dict[str, Any] = answer.json()
    return given


async def resolved(people: People, *customer_ids: str, channel: str = "sms") -> list[dict[str, Any]]:
    body = {"purpose": "marketing", "channel": channel, "customer_ids": customer_ids}
    answer = await people.system.post("/api/v1/contact-resolutions", json=body)
    assert answer.status_code == 200
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def test_a_consent_is_written_stands_and_is_told(people: People, outbox_rows: OutboxRows) -> None:
    customer_id = await register(people)
    given = await consent(people, customer_id)
    assert given | {"id": ""} == {
        "id": "",
        **entry(),
        "contact_point_id": None,
        "lawful_basis": "consent",
        "actor": "tester",
        "effective_at": "2026-03-02T01:00:00Z",
        "recorded_at": "2026-03-02T01:00:00Z",
    }
    (event,) = await outbox_rows(ConsentChanged)
    assert event["data"] == {
        "customer_id": customer_id,
        "purpose": "marketing",
        "channel": "sms",
        "contact_point_id": None,
        "status": "granted",
        "notice_version": "2026-01",
        "effective_at": "2026-03-02T01:00:00Z",
    }
    state = (await outbox_rows(CustomerState))[-1]["data"]
    assert state["consents"] == [{"purpose": "marketing", "channel": "sms", "status": "granted"}]
    profile = (await people.rm.get(f"/api/v1/customers/{customer_id}/profile")).json()
    assert profile["consents"] == state["consents"]


async def test_a_withdrawal_stands_and_the_ledger_keeps_both(people: People, clock: FixedClock) -> None:
    customer_id = await register(people)
    await consent(people, customer_id)
    assert (await resolved(people, customer_id))[0]["verdict"] == "allowed"
    clock.advance(timedelta(hours=1))
    await consent(people, customer_id, status="withdrawn")
    assert (await resolved(people, customer_id))[0]["verdict"] == "withdrawn"
    ledger = (await people.rm.get(f"/api/v1/customers/{customer_id}/consents")).json()["items"]
    assert [line["status"] for line in ledger] == ["withdrawn", "granted"]


async def test_an_entry_that_arrives_late_does_not_overrule_a_later_one(
    people: People, clock: FixedClock, outbox_rows: OutboxRows
) -> None:
    customer_id = await register(people)
    await consent(people, customer_id, status="withdrawn")
    told = len(await outbox_rows())
    earlier = (clock.now() - timedelta(days=1)).isoformat()
    await consent(people, customer_id, status="granted", effective_at=earlier)
    assert (await resolved(people, customer_id))[0]["verdict"] == "withdrawn"
    assert len(await outbox_rows()) == told


WRONG_ENTRIES: tuple[tuple[dict[str, Any], str], ...] = (
    ({"effective_at": "2026-03-02T01:00:01Z"}, "#/effective_at"),
    ({"effective_at": "2026-03-01T00:00:00"}, "#/effective_at"),
    ({"lawful_basis": "contract"}, "#/lawful_basis"),
    ({"contact_point_id": str(uuid4())}, "#/contact_point_id"),
    ({"purpose": "everything"}, "#/purpose"),
    ({"proof": ""}, "#/proof"),
)


async def test_a_wrong_entry_is_refused_and_nothing_is_written(
    people: People, rows: Rows, outbox_rows: OutboxRows
) -> None:
    customer_id = await register(people)
    told = len(await outbox_rows())
    for change, pointer in WRONG_ENTRIES:
        answer = await people.rm.post(f"/api/v1/customers/{customer_id}/consents", json=entry(**change))
        assert answer.status_code == 422, change
        assert answer.json()["errors"][0]["pointer"] == pointer
    assert await rows("SELECT FROM consent_entries") == []
    assert await rows("SELECT FROM standing_consents") == []
    assert len(await outbox_rows()) == told


async def test_verdicts_of_a_batch_come_in_order_with_one_reason_each(people: People, rows: Rows) -> None:
    allowed = await register(people)
    silent = await register(people)
    minor = await register(people, documents=[], birth_date="2010-01-01")
    unreachable = await register(people, contact_points=[])
    dead = await register(people)
    for customer_id in (allowed, minor, unreachable, dead):
        await consent(people, customer_id)
    await people.rm.patch(f"/api/v1/customers/{dead}", json={"status": "deceased"}, headers={"If-Match": '"1"'})
    missing = str(uuid4())
    found = await resolved(people, dead, allowed, silent, minor, unreachable, missing)
    assert [(item["customer_id"], item["verdict"]) for item in found] == [
        (dead, "deceased"),
        (allowed, "allowed"),
        (silent, "no_consent"),
        (minor, "minor"),
        (unreachable, "no_contact_point"),
        (missing, "unknown_customer"),
    ]
    assert [item["contact_value"] for item in found] == [None, "+8613800138000", None, None, None, None]
    (audited,) = await rows("SELECT details FROM audit WHERE action = 'contacts.resolved'")
    assert audited == {"details": {"channel": "sms", "asked": 6, "allowed": 1}}


async def test_a_consent_for_one_number_covers_that_number_alone(people: People) -> None:
    customer_id = await register(people)
    path = f"/api/v1/customers/{customer_id}/contact-points"
    second = (await people.rm.post(path, json={"type": "phone", "value": "13900139000"})).json()["id"]
    await consent(people, customer_id, contact_point_id=second)
    (found,) = await resolved(people, customer_id)
    assert (found["contact_point_id"], found["contact_value"]) == (second, "+8613900139000")
    (other,) = await resolved(people, customer_id, channel="email")
    assert other["verdict"] == "no_consent"


async def test_a_channel_without_contact_points_needs_none(people: People) -> None:
    customer_id = await register(people, contact_points=[])
    await consent(people, customer_id, channel="push")
    (found,) = await resolved(people, customer_id, channel="push")
    assert (found["verdict"], found["contact_value"]) == ("allowed", None)


async def test_only_systems_resolve_contacts(people: People) -> None:
    body = {"purpose": "marketing", "channel": "sms", "customer_ids": [await register(people)]}
    for client in (people.rm, people.compliance, people.marketer):
        assert (await client.post("/api/v1/contact-resolutions", json=body)).status_code == 403
