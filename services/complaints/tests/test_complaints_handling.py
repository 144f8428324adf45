"""Handling: the way of a case through its states, its history and events, and who is kept from it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest

from kehu_chassis.clock import FixedClock
from kehu_chassis.database import Database
from kehu_chassis.testing.http import TestApp
from kehu_complaints.cases.rules import TRANSITIONS
from kehu_contracts.access import Role
from kehu_contracts.codes import ComplaintAction as Action
from kehu_contracts.codes import ComplaintState as State
from kehu_contracts.complaint import ComplaintStateChanged

Rows = Callable[..., Awaitable[list[dict[str, Any]]]]
Bodies = dict[str, dict[str, Any]]

PATHS = {
    Action.ACCEPT: "acceptances",
    Action.REJECT: "rejections",
    Action.INVESTIGATE: "investigations",
    Action.PAUSE: "pauses",
    Action.RESUME: "resumptions",
    Action.DECIDE: "decisions",
    Action.NOTIFY: "notifications",
    Action.REQUEST_REVIEW: "review-requests",
    Action.CONCLUDE_REVIEW: "review-conclusions",
    Action.CLOSE: "closures",
    Action.WITHDRAW: "withdrawals",
    Action.REOPEN: "reopenings",
}
WAY_TO: dict[State, tuple[str, ...]] = {
    State.RECEIVED: (),
    State.ACCEPTED: ("acceptances",),
    State.NOT_A_COMPLAINT: ("rejections",),
    State.INVESTIGATING: ("acceptances", "investigations"),
    State.PAUSED: ("acceptances", "investigations", "pauses"),
    State.DECIDED: ("acceptances", "investigations", "decisions"),
    State.NOTIFIED: ("acceptances", "investigations", "decisions", "notifications"),
    State.IN_REVIEW: ("acceptances", "investigations", "decisions", "notifications", "review-requests"),
    State.CLOSED: ("acceptances", "investigations", "decisions", "notifications", "closures"),
    State.WITHDRAWN: ("withdrawals",),
}


@pytest.mark.parametrize("state", State)
async def test_over_http_each_state_allows_what_the_table_allows(
    state: State,
    handler: httpx.AsyncClient,
    file_complaint: Any,
    step: Any,
    outbox_rows: Rows,
    worker_database: Database,
    bodies: Bodies,
) -> None:
    for action in Action:
        case = await step(await file_complaint(), *WAY_TO[state])
        assert case["state"] == state
        before = len(await outbox_rows())
        path = PATHS[action]
        answer = await handler.post(f"/api/v1/complaints/{case['complaint_id']}/{path}", json=bodies.get(path, {}))
        if (state, action) in TRANSITIONS:
            assert (answer.status_code, answer.json()["state"]) == (201, TRANSITIONS[state, action])
            changed = (await outbox_rows(ComplaintStateChanged))[-1]["data"]
            assert (changed["action"], changed["from_state"], changed["to_state"]) == (
                action,
                state,
                TRANSITIONS[state, action],
            )
            assert changed["open"] is answer.json()["open"]
        else:
            assert (answer.status_code, answer.json()["code"]) == (409, "complaint.transition_refused")
            assert len(await outbox_rows()) == before
            async with worker_database.begin() as tx:
                found = await tx.connection.fetchrow(
                    "SELECT state, version FROM complaints WHERE complaint_number = $1", case["complaint_number"]
                )
            assert (found["state"], found["version"]) == (state, case["version"])


async def test_a_whole_case(
    handler: httpx.AsyncClient, file_complaint: Any, step: Any, outbox_rows: Rows, clock: FixedClock
) -> None:
    case = await file_complaint()
    case = await step(case, "acceptances", "investigations")
    clock.advance(timedelta(days=2))
    case = await step(case, "pauses", note="The handwriting is examined.")
    assert (case["statutory"]["status"], case["statutory"]["due_on"]) == ("paused", "2026-03-17")
    clock.advance(timedelta(days=10))
    case = await step(case, "resumptions")
    assert (case["statutory"]["status"], case["statutory"]["due_on"]) == ("running", "2026-03-27")
    case = await step(case, "decisions", outcome="partly_upheld", note="Half of the fee is returned.")
    assert (case["outcome"], case["open"]) == ("partly_upheld", True)
    case = await step(case, "notifications", channel="sms")
    assert (case["statutory"]["status"], case["open"], case["overdue"]) == ("stopped", True, False)
    case = await step(case, "closures")
    assert (case["state"], case["open"]) == ("closed", False)

    history = (await handler.get(f"/api/v1/complaints/{case['complaint_id']}/history")).json()["items"]
    assert [(line["position"], line["event"], line["from_state"], line["to_state"]) for line in history] == [
        (1, "received", None, "received"),
        (2, "accept", "received", "accepted"),
        (3, "investigate", "accepted", "investigating"),
        (4, "pause", "investigating", "paused"),
        (5, "resume", "paused", "investigating"),
        (6, "decide", "investigating", "decided"),
        (7, "notify", "decided", "notified"),
        (8, "close", "notified", "closed"),
    ]
    assert history[3]["details"] == {"basis": "external_appraisal"}
    assert history[3]["note"] == "The handwriting is examined."
    assert {line["actor"] for line in history} == {"handler"}
    opens = [row["data"]["open"] for row in await outbox_rows(ComplaintStateChanged)]
    assert opens == [True, True, True, True, True, True, False]


async def test_reopening_starts_the_clock_anew_and_stops_marketing_again(
    file_complaint: Any, step: Any, outbox_rows: Rows, clock: FixedClock
) -> None:
    case = await step(await file_complaint(), *WAY_TO[State.CLOSED])
    clock.advance(timedelta(days=30))
    case = await step(case, "reopenings")
    assert (case["state"], case["open"], case["outcome"]) == ("investigating", True, None)
    assert (case["statutory"]["status"], case["statutory"]["due_on"]) == ("running", "2026-04-16")
    assert (await outbox_rows(ComplaintStateChanged))[-1]["data"]["open"] is True


async def test_a_review_has_its_own_clock_and_a_last_day(
    handler: httpx.AsyncClient, file_complaint: Any, step: Any, clock: FixedClock, outbox_rows: Rows
) -> None:
    first, second = [await step(await file_complaint(), *WAY_TO[State.NOTIFIED]) for _ in range(2)]
    clock.advance(timedelta(days=30))  # 1 April, the last day.
    first = await step(first, "review-requests")
    assert (first["statutory"]["rule_id"], first["statutory"]["due_on"]) == ("CN-2020-3.review-30d", "2026-05-01")
    clock.advance(timedelta(days=1))
    before = await outbox_rows()
    answer = await handler.post(f"/api/v1/complaints/{second['complaint_id']}/review-requests", json={"note": "Late."})
    assert (answer.status_code, answer.json()["code"]) == (409, "complaint.review_too_late")
    assert answer.json()["detail"] == "The last day was 2026-04-01."
    assert await outbox_rows() == before


async def test_what_happened_yesterday_can_be_recorded_today(
    handler: httpx.AsyncClient, file_complaint: Any, step: Any, clock: FixedClock
) -> None:
    case = await step(await file_complaint(), *WAY_TO[State.DECIDED])
    clock.advance(timedelta(days=16))  # 18 March: the due date has passed.
    case = await step(case, "notifications", occurred_at="2026-03-17T23:59:00+08:00")
    assert (case["overdue"], case["statutory"]["overdue"]) == (False, False)
    wrong = await handler.post(
        f"/api/v1/complaints/{case['complaint_id']}/closures", json={"occurred_at": "2026-03-17T12:00:00+08:00"}
    )
    assert wrong.status_code == 422
    assert wrong.json()["errors"][0]["pointer"] == "#/occurred_at"
    assert wrong.json()["errors"][0]["code"] == "before_last_entry"
    wrong = await handler.post(
        f"/api/v1/complaints/{case['complaint_id']}/closures", json={"occurred_at": "2026-03-18T09:00:01+08:00"}
    )
    assert wrong.json()["errors"][0]["code"] == "in_the_future"


async def test_a_late_notification_is_late_for_ever(file_complaint: Any, step: Any, clock: FixedClock) -> None:
    case = await step(await file_complaint(), *WAY_TO[State.DECIDED])
    clock.advance(timedelta(days=16))
    case = await step(case, "notifications")
    assert (case["overdue"], case["statutory"]["status"]) == (True, "stopped")


async def test_an_unknown_ground_for_a_pause_is_refused(
    handler: httpx.AsyncClient, file_complaint: Any, step: Any
) -> None:
    case = await step(await file_complaint(), "acceptances", "investigations")
    answer = await handler.post(f"/api/v1/complaints/{case['complaint_id']}/pauses", json={"basis": "holiday"})
    assert answer.status_code == 422
    assert answer.json()["errors"] == [
        {
            "pointer": "#/basis",
            "in": "body",
            "code": "unknown_basis",
            "detail": "CN-2020-3 allows: external_appraisal",
        }
    ]


async def test_whoever_accepts_handles_unless_another_is_named(file_complaint: Any, step: Any, bank: Any) -> None:
    assert (await step(await file_complaint(), "acceptances"))["handler_id"] == str(bank.HANDLER)
    for named in (bank.PEER, bank.PRESIDENT):
        case = await step(await file_complaint(), "acceptances", handler_id=str(named))
        assert case["handler_id"] == str(named)


async def test_an_unknown_handler_is_refused(handler: httpx.AsyncClient, file_complaint: Any, bank: Any) -> None:
    case = await file_complaint()
    for nobody in (uuid4(), bank.LEAVER):
        answer = await handler.post(
            f"/api/v1/complaints/{case['complaint_id']}/acceptances", json={"handler_id": str(nobody)}
        )
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["code"] == "unknown_staff"


async def test_nobody_handles_a_case_that_lies_outside_their_reach(
    handler: httpx.AsyncClient, file_complaint: Any, step: Any, bank: Any, outbox_rows: Rows
) -> None:
    case = await file_complaint()
    url = f"/api/v1/complaints/{case['complaint_id']}"
    before = await outbox_rows()
    # One of a sibling branch, one of the sub-branch below: neither would find the case.
    for other in (bank.WESTERNER, bank.COLLEAGUE):
        answer = await handler.post(f"{url}/acceptances", json={"handler_id": str(other)})
        assert answer.status_code == 422
        wrong = answer.json()["errors"][0]
        assert (wrong["pointer"], wrong["code"]) == ("#/handler_id", "handler_out_of_reach")
    assert (await outbox_rows(), (await handler.get(url)).json()["state"]) == (before, "received")

    accepted = await step(case, "acceptances")
    answer = await handler.patch(url, json={"handler_id": str(bank.WESTERNER)}, headers={"If-Match": '"2"'})
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "handler_out_of_reach")
    assert (await handler.get(url)).json()["handler_id"] == accepted["handler_id"] == str(bank.HANDLER)


@pytest.mark.parametrize("path", sorted(PATHS.values()))
async def test_the_accused_does_nothing_in_the_case(
    handler: httpx.AsyncClient, file_complaint: Any, bank: Any, outbox_rows: Rows, bodies: Bodies, path: str
) -> None:
    case = await file_complaint(accused_staff_id=str(bank.HANDLER))
    before = await outbox_rows()
    answer = await handler.post(f"/api/v1/complaints/{case['complaint_id']}/{path}", json=bodies.get(path, {}))
    assert (answer.status_code, answer.json()["code"]) == (403, "complaint.recused")
    assert await outbox_rows() == before
    read = (await handler.get(f"/api/v1/complaints/{case['complaint_id']}")).json()
    assert (read["state"], read["narrative"], read["possible_actions"]) == ("received", None, [])


async def test_the_accused_is_neither_named_nor_kept_as_handler(
    service_app: TestApp, handler: httpx.AsyncClient, file_complaint: Any, step: Any, bank: Any
) -> None:
    case = await file_complaint(accused_staff_id=str(bank.PEER))
    url = f"/api/v1/complaints/{case['complaint_id']}"
    answer = await handler.post(f"{url}/acceptances", json={"handler_id": str(bank.PEER)})
    assert (answer.status_code, answer.json()["code"]) == (403, "complaint.recused")

    # It turns out later whom the complaint is about: he is released.
    case = await step(await file_complaint(), "acceptances", handler_id=str(bank.PEER))
    url = f"/api/v1/complaints/{case['complaint_id']}"
    changed = await handler.patch(url, json={"accused_staff_id": str(bank.PEER)}, headers={"If-Match": '"2"'})
    assert changed.status_code == 200
    assert (changed.json()["handler_id"], changed.json()["accused_staff_id"]) == (None, str(bank.PEER))
    accused = await service_app.client(Role.COMPLAINT_HANDLER, staff_id=bank.PEER, subject="peer")
    read = (await accused.get(url)).json()
    assert (read["narrative"], read["possible_actions"]) == (None, [])


async def test_a_case_is_corrected_under_its_etag(
    handler: httpx.AsyncClient, file_complaint: Any, outbox_rows: Rows
) -> None:
    case = await file_complaint()
    url = f"/api/v1/complaints/{case['complaint_id']}"
    assert (await handler.patch(url, json={"category": "fees"})).status_code == 428
    assert (await handler.patch(url, json={"category": "fees"}, headers={"If-Match": '"7"'})).status_code == 412
    wrong = await handler.patch(url, json={"category": "weather"}, headers={"If-Match": '"1"'})
    assert (wrong.status_code, wrong.json()["errors"][0]["pointer"]) == (422, "#/category")
    assert (await handler.get(url)).json() == case
    changed = await handler.patch(url, json={"category": "fees"}, headers={"If-Match": '"1"'})
    assert (changed.status_code, changed.json()["category"], changed.headers["ETag"]) == (200, "fees", '"2"')
    assert len(await outbox_rows()) == 3
    history = (await handler.get(f"{url}/history")).json()["items"]
    assert history[-1]["details"] == {"fields": ["category"]}


async def test_ledger_and_history_are_never_changed(
    file_complaint: Any, service_database: Any, worker_database: Database
) -> None:
    await file_complaint()
    owner = await asyncpg.connect(service_database.dsn("owner"), server_settings={"search_path": "complaints"})
    try:
        for table in ("clock_entries", "complaint_history"):
            for statement in (f"UPDATE {table} SET position = 9", f"DELETE FROM {table}", f"TRUNCATE {table}"):  # noqa: S608 - Our own names.
                with pytest.raises(asyncpg.InsufficientPrivilegeError, match="never changed"):
                    await owner.execute(statement)
    finally:
        await owner.close()
    async with worker_database.begin() as tx:
        assert await tx.connection.fetchval("SELECT count(*) FROM clock_entries") == 1


async def test_each_deed_is_audited_without_its_words(
    file_complaint: Any, step: Any, worker_database: Database
) -> None:
    case = await step(await file_complaint(), "acceptances", note="Mrs Li called.")
    async with worker_database.begin() as tx:
        rows = await tx.connection.fetch("SELECT action, actor, resource_id, details FROM audit ORDER BY recorded_at")
    assert [(row["action"], row["actor"], row["resource_id"]) for row in rows] == [
        ("complaint.received", "handler", case["complaint_id"]),
        ("complaint.accept", "handler", case["complaint_id"]),
    ]
    assert rows[1]["details"] == {"from": "received", "to": "accepted"}


async def test_of_ten_who_accept_at_once_one_does(
    handler: httpx.AsyncClient, file_complaint: Any, outbox_rows: Rows
) -> None:
    case = await file_complaint()
    url = f"/api/v1/complaints/{case['complaint_id']}/acceptances"
    answers = await asyncio.gather(*(handler.post(url, json={}) for _ in range(10)))
    assert sorted(answer.status_code for answer in answers) == [201, *[409] * 9]
    assert [row["sequence"] for row in await outbox_rows()] == [1, 2, 3, 4]
