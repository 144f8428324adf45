"""The queue: its order, its filters and pages, and the mark of a case whose time has run out."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from importlib.resources import files
from typing import Any
from uuid import uuid4

import httpx
import pytest

from kehu_chassis import timers
from kehu_chassis.clock import FixedClock
from kehu_chassis.database import Database
from kehu_complaints.clocks.library import Library, Rulebook, parse_calendar, shipped
from kehu_complaints.deps import CALENDAR_TIMER

Rows = Callable[..., Awaitable[list[dict[str, Any]]]]
Fire = Callable[[], Awaitable[int]]


async def numbers(client: httpx.AsyncClient, **params: Any) -> list[str]:
    answer = await client.get("/api/v1/complaints", params=params)
    assert answer.status_code == 200, answer.text
    return [item["complaint_number"][-2:] for item in answer.json()["items"]]


@pytest.fixture
async def five(file_complaint: Any, step: Any, clock: FixedClock, bank: Any) -> list[dict[str, Any]]:
    """Received on five days; the second is extended past all others, the third is closed, the fifth an enquiry."""
    cases = []
    for number in range(5):
        extra = {"unit_id": str(bank.EAST_LAKE)} if number == 3 else {}
        cases.append(await file_complaint(kind="enquiry" if number == 4 else "complaint", **extra))
        clock.advance(timedelta(days=1))
    await step(cases[2], "acceptances", "investigations", "decisions", "notifications", "closures")
    return cases


async def test_the_next_statutory_deadline_stands_first(handler: httpx.AsyncClient, five: list[dict[str, Any]]) -> None:
    extended = await handler.post(
        f"/api/v1/complaints/{five[0]['complaint_id']}/extensions", json={"code": "complex", "reason": "…"}
    )
    assert extended.status_code == 201
    # 2: 18 March, 4: 20 March, 1: extended to 1 April; 3 has stopped and 5 never had a clock.
    assert await numbers(handler) == ["02", "04", "01", "03", "05"]


async def test_filters(handler: httpx.AsyncClient, five: list[dict[str, Any]], bank: Any, step: Any) -> None:
    await step(five[1], "acceptances", handler_id=str(bank.PEER))
    assert await numbers(handler, state="received") == ["01", "04", "05"]
    assert await numbers(handler, state="closed") == ["03"]
    assert await numbers(handler, unit_id=str(bank.EAST_LAKE)) == ["04"]
    assert await numbers(handler, mine="true") == ["03"]
    assert await numbers(handler, open="true") == ["01", "02", "04"]
    assert await numbers(handler, open="false") == ["03", "05"]
    assert await numbers(handler, customer_id=str(bank.LI)) == ["01", "02", "04", "03", "05"]
    assert await numbers(handler, customer_id=str(uuid4())) == []
    assert await numbers(handler, customer_id=str(bank.WANG)) == []
    assert await numbers(handler, overdue="true") == []
    assert await numbers(handler, overdue="false") == ["01", "02", "04", "03", "05"]
    wrong = await handler.get("/api/v1/complaints", params={"state": "lost"})
    assert (wrong.status_code, wrong.json()["errors"][0]["in"]) == (422, "query")


@pytest.mark.usefixtures("five")
async def test_pages_survive_inserts_and_are_bound_to_their_filters(
    handler: httpx.AsyncClient, file_complaint: Any
) -> None:
    first = (await handler.get("/api/v1/complaints", params={"limit": 2})).json()
    # Two more come in, one before and one after the place that was reached.
    await file_complaint(received_at="2026-02-20T09:00:00+08:00")
    await file_complaint()
    second = (await handler.get("/api/v1/complaints", params={"limit": 9, "cursor": first["next_cursor"]})).json()
    seen = [item["complaint_number"][-2:] for item in first["items"] + second["items"]]
    assert seen == ["01", "02", "04", "07", "03", "05"]
    assert second["next_cursor"] is None
    for params in ({"cursor": first["next_cursor"], "state": "received"}, {"cursor": "nonsense"}):
        answer = await handler.get("/api/v1/complaints", params=params)
        assert (answer.status_code, answer.json()["code"]) == (422, "request.bad_cursor")


async def test_a_case_is_marked_overdue_once(
    handler: httpx.AsyncClient, file_complaint: Any, fire_timers: Fire, clock: FixedClock, outbox_rows: Rows
) -> None:
    case = await file_complaint()
    url = f"/api/v1/complaints/{case['complaint_id']}"
    clock.advance(timedelta(days=15, hours=14, minutes=59))
    await fire_timers()  # The internal target has passed, the law's has not.
    history = (await handler.get(f"{url}/history")).json()["items"]
    assert [line["details"] for line in history if line["event"] == "overdue"] == [
        {"clock": "internal", "rule_id": "INTERNAL.2100m"}
    ]
    assert (await handler.get(url)).json()["overdue"] is False
    clock.advance(timedelta(minutes=1))
    # The queue knows it from the moment itself, before any timer has run.
    assert await numbers(handler, overdue="true") == ["01"]
    assert [await fire_timers() for _ in range(3)] == [1, 0, 0]
    history = (await handler.get(f"{url}/history")).json()["items"]
    assert [(line["at"], line["details"]["clock"]) for line in history if line["event"] == "overdue"] == [
        ("2026-03-06T09:30:00Z", "internal"),
        ("2026-03-17T16:00:00Z", "statutory"),
    ]
    assert (await handler.get(url)).json()["overdue"] is True
    assert await numbers(handler, overdue="true") == ["01"]
    assert await numbers(handler, overdue="false") == []
    assert len(await outbox_rows()) == 3  # Nothing beside receipt and deadlines was stated.


async def test_a_pause_stops_the_timer_and_an_extension_moves_it(
    handler: httpx.AsyncClient,
    file_complaint: Any,
    step: Any,
    fire_timers: Fire,
    clock: FixedClock,
    worker_database: Database,
) -> None:
    async def due() -> list[str]:
        async with worker_database.begin() as tx:
            rows = await tx.connection.fetch("SELECT key, due_at FROM timers ORDER BY key")
        return [f"{row['key'].partition('/')[2]} {row['due_at']:%m-%d %H:%M}" for row in rows]

    case = await step(await file_complaint(), "acceptances", "investigations")
    assert await due() == ["internal 03-06 09:30", "statutory 03-17 16:00"]
    await step(case, "pauses")
    assert await due() == []
    clock.advance(timedelta(days=30))
    assert await fire_timers() == 0
    await step(case, "resumptions")
    # Not one of the days before 1 April has counted, and of the holiday from 4 to 6 April none is worked.
    assert await due() == ["internal 04-08 09:30", "statutory 04-15 16:00"]
    await handler.post(f"/api/v1/complaints/{case['complaint_id']}/extensions", json={"code": "complex", "reason": "…"})
    assert (await due())[1] == "statutory 04-30 16:00"
    await step(case, "withdrawals")
    assert await due() == []


async def test_a_case_that_was_late_when_it_was_filed_is_marked_at_once(
    handler: httpx.AsyncClient, file_complaint: Any, step: Any, fire_timers: Fire
) -> None:
    case = await file_complaint(received_at="2026-01-05T09:00:00+08:00")
    assert case["overdue"] is True
    # Something is done with it before the timer ran: the mark is neither lost nor doubled.
    await step(case, "acceptances", "investigations", "pauses")
    assert await fire_timers() == 2
    history = (await handler.get(f"/api/v1/complaints/{case['complaint_id']}/history")).json()["items"]
    assert [line["event"] for line in history].count("overdue") == 2


async def test_provisional_dates_are_computed_again_when_the_next_year_is_published(
    handler: httpx.AsyncClient,
    file_complaint: Any,
    worker_runtime: Any,
    fire_timers: Fire,
    clock: FixedClock,
    outbox_rows: Rows,
) -> None:
    clock.advance(timedelta(days=303))  # 30 December 2026.
    case = await file_complaint()
    assert (case["internal"]["provisional"], case["internal"]["due_at"]) == (True, "2027-01-05T09:30:00Z")
    assert case["statutory"]["provisional"] is False
    facts = json.loads((files("kehu_complaints.clocks") / "data" / "calendars" / "CN-1.json").read_text())
    facts |= {"version": 2, "last_day": "2027-12-31"}
    facts["holidays"] += ["2027-01-01"]
    library = Library(shipped().packs, [shipped().latest_calendar("CN"), parse_calendar(json.dumps(facts))])
    worker_runtime.resources = replace(worker_runtime.resources, rulebook=Rulebook(library, "CN-2020-3", "INTERNAL"))
    async with worker_runtime.database.begin() as tx:
        await timers.schedule(tx, due_at=clock.now(), kind=CALENDAR_TIMER, key="newest")
    before = await outbox_rows()
    assert await fire_timers() == 1
    found = (await handler.get(f"/api/v1/complaints/{case['complaint_id']}")).json()
    assert (found["internal"]["provisional"], found["internal"]["due_at"]) == (False, "2027-01-06T09:30:00Z")
    (told,) = (await outbox_rows())[len(before) :]
    assert (told["data"]["clock"], told["data"]["provisional"]) == ("internal", False)
    assert await fire_timers() == 0
