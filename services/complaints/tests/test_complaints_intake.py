"""Intake: what is taken in, what it starts, what it tells, and what is refused."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from kehu_chassis.clock import FixedClock
from kehu_chassis.database import Database
from kehu_chassis.testing.http import TestApp
from kehu_contracts.access import Role
from kehu_contracts.complaint import ComplaintDeadlineChanged, ComplaintReceived

NARRATIVE = "The teller shouted at Zhang San, phone 13800138000."
Rows = Callable[..., Awaitable[list[dict[str, Any]]]]


async def test_a_complaint_gets_number_unit_clocks_and_events(
    file_complaint: Any, bank: Any, outbox_rows: Rows
) -> None:
    case = await file_complaint(narrative=NARRATIVE, category="service_attitude")
    assert case["complaint_number"] == "CP20260302000001"
    assert (case["kind"], case["state"], case["open"], case["overdue"]) == ("complaint", "received", True, False)
    assert case["unit_id"] == str(bank.EAST)
    assert case["narrative"] == NARRATIVE
    assert case["possible_actions"] == ["accept", "reject", "withdraw"]
    assert case["statutory"] == {
        "rule_id": "CN-2020-3.15d",
        "status": "running",
        "due_on": "2026-03-17",
        "due_at": "2026-03-17T16:00:00Z",
        "provisional": False,
        "overdue": False,
    }
    assert case["internal"]["due_at"] == "2026-03-06T09:30:00Z"
    received, *deadlines = await outbox_rows()
    assert received["type"] == ComplaintReceived.event_type
    assert received["data"] == {
        "complaint_id": case["complaint_id"],
        "complaint_number": "CP20260302000001",
        "customer_id": str(bank.LI),
        "kind": "complaint",
        "channel": "phone",
        "category": "service_attitude",
        "unit_id": str(bank.EAST),
        "received_at": "2026-03-02T01:00:00Z",
        "open": True,
    }
    assert (received["key"], received["subject"]) == (str(bank.LI), case["complaint_id"])
    assert [(row["data"]["clock"], row["data"]["due_on"], row["data"]["rule_id"]) for row in deadlines] == [
        ("statutory", "2026-03-17", "CN-2020-3.15d"),
        ("internal", None, "INTERNAL.2100m"),
    ]
    assert [row["sequence"] for row in (received, *deadlines)] == [1, 2, 3]


@pytest.mark.parametrize("kind", ["enquiry", "suggestion"])
async def test_what_is_no_complaint_has_no_clock_and_stops_no_marketing(
    handler: httpx.AsyncClient, file_complaint: Any, outbox_rows: Rows, kind: str
) -> None:
    case = await file_complaint(kind=kind)
    assert (case["open"], case["statutory"], case["internal"]) == (False, None, None)
    (received,) = await outbox_rows()
    assert (received["data"]["kind"], received["data"]["open"]) == (kind, False)
    clock = (await handler.get(f"/api/v1/complaints/{case['complaint_id']}/clock")).json()
    assert (clock["clocks"], clock["ledger"]) == ([], [])


async def test_a_letter_of_last_week_counts_from_last_week(file_complaint: Any) -> None:
    case = await file_complaint(received_at="2026-02-25T23:30:00+08:00")
    assert (case["received_at"], case["statutory"]["due_on"]) == ("2026-02-25T15:30:00Z", "2026-03-12")
    assert case["complaint_number"].startswith("CP20260225")


async def test_without_a_customer_the_callers_own_unit_handles_it(file_complaint: Any, bank: Any) -> None:
    case = await file_complaint(customer_id=None)
    assert (case["customer_id"], case["unit_id"]) == (None, str(bank.EAST))


async def test_a_unit_in_reach_may_be_named(file_complaint: Any, bank: Any) -> None:
    assert (await file_complaint(unit_id=str(bank.EAST_LAKE)))["unit_id"] == str(bank.EAST_LAKE)


async def test_a_channel_app_files_for_any_customer(service_app: TestApp, file_complaint: Any, bank: Any) -> None:
    app = await service_app.client(Role.SYSTEM, subject="mobile-bank")
    case = await file_complaint(app, channel="push", customer_id=str(bank.WANG))
    assert case["unit_id"] == str(bank.WEST)


async def test_the_narrative_is_nowhere_in_clear(
    file_complaint: Any, handler: httpx.AsyncClient, worker_database: Database
) -> None:
    case = await file_complaint(narrative=NARRATIVE)
    listed = (await handler.get("/api/v1/complaints")).json()["items"]
    assert [item["complaint_id"] for item in listed] == [case["complaint_id"]]
    assert "narrative" not in listed[0]
    async with worker_database.begin() as tx:
        tables = await tx.connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'complaints'")
        rows = [await tx.connection.fetch(f"SELECT * FROM {table['tablename']}") for table in tables]  # noqa: S608 - Names of tables.
    dump = "".join(str(dict(row)) for table in rows for row in table)
    assert case["complaint_number"] in dump
    assert not [word for word in ("shouted", "Zhang", "13800138000") if word in dump or word.encode().hex() in dump]


@pytest.mark.parametrize(
    ("changes", "pointer", "code"),
    [
        ({"customer_id": str(uuid4())}, "#/customer_id", "unknown_customer"),
        # A customer of the other branch is answered like one that does not exist.
        ({"customer_id": str(UUID(int=22))}, "#/customer_id", "unknown_customer"),
        ({"unit_id": str(uuid4())}, "#/unit_id", "unknown_unit"),
        ({"unit_id": str(UUID(int=3))}, "#/unit_id", "unknown_unit"),
        ({"category": "weather"}, "#/category", "unknown_category"),
        ({"accused_staff_id": str(uuid4())}, "#/accused_staff_id", "unknown_staff"),
        ({"accused_staff_id": str(UUID(int=15))}, "#/accused_staff_id", "unknown_staff"),
        ({"received_at": "2026-03-02T09:00:01+08:00"}, "#/received_at", "in_the_future"),
        ({"received_at": "2026-03-01T09:00:00"}, "#/received_at", "timezone_aware"),
        ({"narrative": " "}, "#/narrative", "string_too_short"),
        ({"narrative": "a\x00b"}, "#/narrative", "control_character"),
        ({"channel": "pigeon"}, "#/channel", "enum"),
        ({"colour": "red"}, "#/colour", "extra_forbidden"),
    ],
)
async def test_a_wrong_field_is_named_and_nothing_is_written(
    handler: httpx.AsyncClient,
    bank: Any,
    worker_database: Database,
    outbox_rows: Rows,
    changes: dict[str, str],
    pointer: str,
    code: str,
) -> None:
    body = {"channel": "phone", "narrative": "…", "customer_id": str(bank.LI), **changes}
    answer = await handler.post("/api/v1/complaints", json=body)
    assert answer.status_code == 422
    assert answer.json()["code"] == "request.invalid"
    assert [(error["pointer"], error["code"]) for error in answer.json()["errors"]] == [(pointer, code)]
    assert await outbox_rows() == []
    async with worker_database.begin() as tx:
        assert await tx.connection.fetchval("SELECT count(*) FROM complaints") == 0
        assert await tx.connection.fetchval("SELECT count(*) FROM audit") == 0


async def test_nobody_without_the_permission_files(service_app: TestApp, bank: Any, outbox_rows: Rows) -> None:
    body = {"channel": "phone", "narrative": "…", "unit_id": str(bank.EAST)}
    for role, status in [(Role.MARKETER, 403), (Role.AUDITOR, 403), (Role.OPERATOR, 403)]:
        client = await service_app.client(role, staff_id=bank.HANDLER)
        assert (await client.post("/api/v1/complaints", json=body)).status_code == status
    nobody = await service_app.client()
    assert (await nobody.post("/api/v1/complaints", json=body)).status_code == 401
    assert await outbox_rows() == []


async def test_the_same_key_files_once(handler: httpx.AsyncClient, bank: Any, outbox_rows: Rows) -> None:
    body = {"channel": "phone", "narrative": "…", "customer_id": str(bank.LI)}
    answers = [
        await handler.post("/api/v1/complaints", json=body, headers={"Idempotency-Key": "letter-17"}) for _ in range(2)
    ]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json() == answers[1].json()
    assert len(await outbox_rows(ComplaintReceived)) == 1
    other = await handler.post(
        "/api/v1/complaints", json={**body, "narrative": "other"}, headers={"Idempotency-Key": "letter-17"}
    )
    assert (other.status_code, other.json()["code"]) == (422, "idempotency.key_reused")


async def test_the_answer_tells_where_the_case_is(handler: httpx.AsyncClient, bank: Any, clock: FixedClock) -> None:
    body = {"channel": "counter", "narrative": "…", "customer_id": str(bank.LI)}
    answer = await handler.post("/api/v1/complaints", json=body)
    assert answer.headers["ETag"] == '"1"'
    read = await handler.get(answer.headers["Location"])
    assert read.json() == answer.json()
    assert read.headers["ETag"] == '"1"'
    clock.advance(timedelta(days=1))
    assert (await handler.get(answer.headers["Location"])).json() == answer.json()


async def test_categories_are_a_list_of_data(handler: httpx.AsyncClient) -> None:
    found = (await handler.get("/api/v1/complaint-categories")).json()
    assert {"code": "fees", "title": {"en": "Fees and charges", "zh": "定价收费"}} in found["items"]
    assert found["next_cursor"] is None
    assert len({item["code"] for item in found["items"]}) == len(found["items"]) == 13


async def test_deadlines_are_told_with_the_moment_of_intake(
    file_complaint: Any, outbox_rows: Rows, clock: FixedClock
) -> None:
    await file_complaint()
    rows = await outbox_rows(ComplaintDeadlineChanged)
    assert {row["time"] for row in rows} == {clock.now()} == {datetime(2026, 3, 2, 1, tzinfo=UTC)}
