"""Extensions: who may ask, who approves, when they take effect, and what the clock then says."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from importlib.resources import files
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest

from kehu_chassis.clock import FixedClock
from kehu_chassis.testing.http import TestApp
from kehu_complaints.clocks.library import Library, Rulebook, parse_pack, shipped
from kehu_contracts.access import Role
from kehu_contracts.complaint import ComplaintDeadlineChanged

Rows = Callable[..., Awaitable[list[dict[str, Any]]]]


def url(case: dict[str, Any], *rest: str) -> str:
    return "/".join([f"/api/v1/complaints/{case['complaint_id']}", *rest])


async def ask(client: httpx.AsyncClient, case: dict[str, Any], code: str) -> httpx.Response:
    return await client.post(url(case, "extensions"), json={"code": code, "reason": "Two banks are involved."})


async def due_on(client: httpx.AsyncClient, case: dict[str, Any]) -> str:
    found: str = (await client.get(url(case))).json()["statutory"]["due_on"]
    return found


async def deadlines(outbox_rows: Rows) -> list[tuple[str, str]]:
    rows = [row["data"] for row in await outbox_rows(ComplaintDeadlineChanged)]
    return [(row["rule_id"], row["due_on"]) for row in rows if row["clock"] == "statutory"]


@pytest.fixture
async def complex_case(handler: httpx.AsyncClient, file_complaint: Any) -> dict[str, Any]:
    """A complex complaint for which the exceptional extension was asked: `extension_id` names it."""
    case: dict[str, Any] = await file_complaint()
    assert (await ask(handler, case, "complex")).status_code == 201
    answer = await ask(handler, case, "exceptional")
    assert (answer.status_code, answer.json()["state"]) == (201, "requested")
    return {**case, "extension_id": answer.json()["extension_id"]}


async def test_a_complex_case_gets_thirty_days_at_once(
    handler: httpx.AsyncClient, file_complaint: Any, outbox_rows: Rows
) -> None:
    case = await file_complaint()
    answer = await ask(handler, case, "complex")
    assert answer.status_code == 201
    assert (answer.json()["state"], answer.json()["reason"]) == ("in_effect", "Two banks are involved.")
    assert await due_on(handler, case) == "2026-04-01"
    assert await deadlines(outbox_rows) == [("CN-2020-3.15d", "2026-03-17"), ("CN-2020-3.30d", "2026-04-01")]


async def test_sixty_days_need_approval_and_notice(
    handler: httpx.AsyncClient,
    president: httpx.AsyncClient,
    complex_case: dict[str, Any],
    outbox_rows: Rows,
    clock: FixedClock,
) -> None:
    extension = url(complex_case, "extensions", complex_case["extension_id"])
    assert await due_on(handler, complex_case) == "2026-04-01"
    clock.advance(timedelta(days=1))
    approved = await president.post(f"{extension}/approvals", json={})
    assert approved.status_code == 201
    assert (approved.json()["state"], approved.json()["decided_by"]) == ("approved", "president")
    assert await due_on(handler, complex_case) == "2026-04-01"
    clock_now = (await handler.get(url(complex_case, "clock"))).json()["clocks"][0]
    assert clock_now["awaiting_notice"] == ["exceptional"]
    noticed = await handler.post(f"{extension}/notices", json={"channel": "sms"})
    assert (noticed.status_code, noticed.json()["state"]) == (201, "in_effect")
    assert await due_on(handler, complex_case) == "2026-05-01"
    assert (await deadlines(outbox_rows))[-1] == ("CN-2020-3.30d+30d", "2026-05-01")
    listed = (await handler.get(url(complex_case, "extensions"))).json()["items"]
    assert [(item["code"], item["state"]) for item in listed] == [
        ("complex", "in_effect"),
        ("exceptional", "in_effect"),
    ]
    events = [line["event"] for line in (await handler.get(url(complex_case, "history"))).json()["items"]]
    assert events == [
        "received",
        "extension_requested",
        "extension_requested",
        "extension_approved",
        "extension_notified",
    ]


async def test_approval_and_notice_may_be_one_step(
    handler: httpx.AsyncClient, president: httpx.AsyncClient, complex_case: dict[str, Any]
) -> None:
    extension = url(complex_case, "extensions", complex_case["extension_id"])
    approved = await president.post(f"{extension}/approvals", json={"notice": {"channel": "phone"}})
    assert (approved.status_code, approved.json()["state"]) == (201, "in_effect")
    assert (approved.json()["notified_at"], approved.json()["notice_channel"]) == ("2026-03-02T01:00:00Z", "phone")
    assert await due_on(handler, complex_case) == "2026-05-01"


async def test_who_asks_does_not_approve(
    service_app: TestApp,
    handler: httpx.AsyncClient,
    complex_case: dict[str, Any],
    outbox_rows: Rows,
    bank: Any,
    service_database: Any,
) -> None:
    extension = url(complex_case, "extensions", complex_case["extension_id"])
    before = await outbox_rows()
    # The handler lacks the permission; with it he is still the one who asked, under either of his log-ins.
    assert (await handler.post(f"{extension}/approvals", json={})).status_code == 403
    both = (Role.COMPLAINT_HANDLER, Role.COMPLIANCE)
    for subject, staff_id in [("handler", None), ("handler", bank.HANDLER), ("another-log-in", bank.HANDLER)]:
        same = await service_app.client(*both, staff_id=staff_id, subject=subject)
        for verb, body in [("approvals", {}), ("refusals", {"reason": "No."})]:
            answer = await same.post(f"{extension}/{verb}", json=body)
            assert (answer.status_code, answer.json()["code"]) == (403, "complaint.extension_own_request")
    assert await outbox_rows() == before
    assert await due_on(handler, complex_case) == "2026-04-01"
    # The table holds it too.
    owner = await asyncpg.connect(service_database.dsn("owner"), server_settings={"search_path": "complaints"})
    try:
        with pytest.raises(asyncpg.CheckViolationError, match="extensions_second_person"):
            await owner.execute("UPDATE extensions SET decided_by = requested_by")
    finally:
        await owner.close()


async def test_the_accused_neither_asks_nor_approves(
    service_app: TestApp, handler: httpx.AsyncClient, complex_case: dict[str, Any], bank: Any
) -> None:
    named = {"accused_staff_id": str(bank.PRESIDENT)}
    assert (await handler.patch(url(complex_case), json=named, headers={"If-Match": '"3"'})).status_code == 200
    accused = await service_app.client(Role.COMPLIANCE, staff_id=bank.PRESIDENT, subject="president")
    extension = url(complex_case, "extensions", complex_case["extension_id"])
    answer = await accused.post(f"{extension}/approvals", json={})
    assert (answer.status_code, answer.json()["code"]) == (403, "complaint.recused")
    listed = (await accused.get(url(complex_case, "extensions"))).json()["items"]
    assert [item["reason"] for item in listed] == [None, None]


async def test_a_refusal_leaves_the_due_date_and_frees_the_way_for_another_request(
    handler: httpx.AsyncClient, president: httpx.AsyncClient, complex_case: dict[str, Any]
) -> None:
    extension = url(complex_case, "extensions", complex_case["extension_id"])
    refused = await president.post(f"{extension}/refusals", json={"reason": "Not exceptional."})
    assert (refused.status_code, refused.json()["state"]) == (201, "refused")
    assert await due_on(handler, complex_case) == "2026-04-01"
    for path, body in [("approvals", {}), ("refusals", {"reason": "Again."})]:
        answer = await president.post(f"{extension}/{path}", json=body)
        assert (answer.status_code, answer.json()["code"]) == (409, "complaint.extension_refused")
    assert (await handler.post(f"{extension}/notices", json={"channel": "sms"})).status_code == 409
    assert (await ask(handler, complex_case, "exceptional")).status_code == 201


@pytest.mark.parametrize(
    ("before", "code", "detail"),
    [
        ([], "exceptional", "Another extension has to come first."),
        (["complex"], "complex", "It is in effect already."),
        (["complex", "exceptional"], "exceptional", "It was asked for already."),
    ],
)
async def test_an_extension_out_of_turn_is_refused(
    handler: httpx.AsyncClient, file_complaint: Any, outbox_rows: Rows, before: list[str], code: str, detail: str
) -> None:
    case = await file_complaint()
    for earlier in before:
        assert (await ask(handler, case, earlier)).status_code == 201
    standing = await outbox_rows()
    answer = await ask(handler, case, code)
    assert (answer.status_code, answer.json()["code"], answer.json()["detail"]) == (
        409,
        "complaint.extension_refused",
        detail,
    )
    assert await outbox_rows() == standing


async def test_time_that_has_run_out_is_not_extended(
    handler: httpx.AsyncClient, president: httpx.AsyncClient, complex_case: dict[str, Any], clock: FixedClock
) -> None:
    extension = url(complex_case, "extensions", complex_case["extension_id"])
    clock.advance(timedelta(days=30, hours=15))  # 1 April, 24:00 in Shanghai.
    late = await president.post(f"{extension}/approvals", json={})
    assert (late.status_code, late.json()["detail"]) == (409, "The time has run out.")
    chinese = await president.post(f"{extension}/approvals", json={}, headers={"Accept-Language": "zh"})
    assert chinese.json()["detail"] == "已超过办理期限。"
    assert await due_on(handler, complex_case) == "2026-04-01"


async def test_a_notice_that_came_in_time_counts_when_it_is_recorded_later(
    handler: httpx.AsyncClient, president: httpx.AsyncClient, complex_case: dict[str, Any], clock: FixedClock
) -> None:
    extension = url(complex_case, "extensions", complex_case["extension_id"])
    assert (await president.post(f"{extension}/approvals", json={})).status_code == 201
    clock.advance(timedelta(days=31))
    late = await handler.post(f"{extension}/notices", json={"channel": "phone"})
    assert (late.status_code, late.json()["detail"]) == (409, "The time has run out.")
    told = {"channel": "phone", "occurred_at": "2026-04-01T23:59:59+08:00"}
    assert (await handler.post(f"{extension}/notices", json=told)).status_code == 201
    assert await due_on(handler, complex_case) == "2026-05-01"


async def test_no_extension_without_a_running_clock(handler: httpx.AsyncClient, file_complaint: Any, step: Any) -> None:
    withdrawn = await step(await file_complaint(), "withdrawals")
    answer = await ask(handler, withdrawn, "complex")
    assert (answer.status_code, answer.json()["detail"]) == (409, "The clock has stopped.")
    enquiry = await file_complaint(kind="enquiry")
    answer = await ask(handler, enquiry, "complex")
    assert (answer.status_code, answer.json()["detail"]) == (409, "Only a complaint has a statutory clock.")
    reviewed = await step(
        await file_complaint(), "acceptances", "investigations", "decisions", "notifications", "review-requests"
    )
    answer = await ask(handler, reviewed, "complex")
    assert (answer.status_code, answer.json()["detail"]) == (409, "A review cannot be extended.")


async def test_unknown_extensions_are_named(handler: httpx.AsyncClient, file_complaint: Any) -> None:
    case = await file_complaint()
    answer = await ask(handler, case, "holding_letter")
    assert answer.status_code == 422
    assert answer.json()["errors"][0] | {"in": None} == {
        "pointer": "#/code",
        "in": None,
        "code": "unknown_extension",
        "detail": "CN-2020-3 has: complex, exceptional",
    }
    missing = await handler.post(url(case, "extensions", str(uuid4()), "notices"), json={"channel": "sms"})
    assert missing.status_code == 404


async def test_the_clock_tells_ledger_rules_and_who_may_extend_to_what_date(
    handler: httpx.AsyncClient, complex_case: dict[str, Any], clock: FixedClock
) -> None:
    clock.advance(timedelta(days=9))
    answer = (await handler.get(url(complex_case, "clock"))).json()
    assert [(entry["position"], entry["kind"], entry["code"], entry["actor"]) for entry in answer["ledger"]] == [
        (1, "received", None, "handler"),
        (2, "extension_granted", "complex", "handler"),
    ]
    statutory, internal = answer["clocks"]
    assert (statutory["pack"]["id"], statutory["pack"]["version"]) == ("CN-2020-3", 1)
    assert (statutory["rule_id"], statutory["used"], statutory["limit"], statutory["unit"]) == (
        "CN-2020-3.30d",
        9,
        30,
        "calendar_days",
    )
    assert statutory["words"]["en"].startswith("Day 9 of 30 (CN-2020-3.30d: complex case: 30 days of receipt).")
    assert statutory["words"]["zh"].startswith("第9天，共30天")
    (offer,) = statutory["can_extend"]
    assert (offer["code"], offer["due_on"], offer["ready"], offer["needs_approval"], offer["permission"]) == (
        "exceptional",
        "2026-05-01",
        True,
        True,
        "complaint:approve_extension",
    )
    assert "senior management of the head office" in offer["words"]["en"]
    # 2 to 6 March are five working days of 420 minutes, 9 and 10 March two more.
    assert (internal["unit"], internal["used"], internal["limit"], internal["overdue"]) == ("minutes", 2940, 2100, True)
    assert (internal["calendar"]["id"], internal["calendar"]["last_day"]) == ("CN", "2026-12-31")
    assert internal["can_extend"] == []


async def test_an_open_case_stays_on_the_pack_of_its_receipt(
    handler: httpx.AsyncClient, file_complaint: Any, service_app: TestApp
) -> None:
    older = await file_complaint()
    text = (files("kehu_complaints.clocks") / "data" / "packs" / "CN-2020-3-1.json").read_text()
    changed = json.loads(text) | {"version": 2, "applies_from": "2026-03-01"}
    changed["base"] |= {"amount": 10, "rule_id": "CN-2020-3.10d"}
    library = Library([*shipped().packs, parse_pack(json.dumps(changed))], [shipped().latest_calendar("CN")])
    service_app.runtime.resources = replace(
        service_app.runtime.resources, rulebook=Rulebook(library, "CN-2020-3", "INTERNAL")
    )
    newer = await file_complaint()
    assert (newer["statutory"]["rule_id"], newer["statutory"]["due_on"]) == ("CN-2020-3.10d", "2026-03-12")
    assert (await ask(handler, older, "complex")).status_code == 201
    assert await due_on(handler, older) == "2026-04-01"
    clocks = [(await handler.get(url(case, "clock"))).json()["clocks"][0] for case in (older, newer)]
    assert [clock["pack"]["version"] for clock in clocks] == [1, 2]
