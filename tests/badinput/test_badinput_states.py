"""What the state of a thing does not allow: a conflict with its code, and nothing written."""

from __future__ import annotations

from typing import Any

import pytest

from ..access.crawl import Crawler, request_for  # noqa: TID252  no installed package holds the world of the tests
from ..access.table import CASE, PLAN, TABLE, Route  # noqa: TID252  the same
from .conftest import Unwritten
from .documented import check, documented

STEPS = [
    name
    for name, route in TABLE["complaints"].items()
    if name.startswith(f"POST {CASE}/") and "extension" not in name and route.rows == "unit"
]
REFUSED = [
    *(("complaints", name, "received" if "reopenings" in name else "closed") for name in STEPS),
    ("campaigns", f"PATCH {PLAN}", "running"),
    ("campaigns", f"POST {PLAN}/submissions", "running"),
    ("campaigns", f"POST {PLAN}/approvals", "draft"),
    ("campaigns", f"POST {PLAN}/rejections", "draft"),
    ("campaigns", f"POST {PLAN}/completions", "draft"),
]
CODES = {"complaints": "complaint.transition_refused", "campaigns": "campaign.transition_refused"}


@pytest.mark.parametrize(("service", "operation", "state"), REFUSED)
async def test_an_illegal_transition_is_a_conflict(
    crawler: Crawler, unwritten: Unwritten, service: str, operation: str, state: str
) -> None:
    route = TABLE[service][operation]
    east = crawler.world.things["east"]
    things = {**east, **dict.fromkeys(route.path.values(), east[state])}
    served = crawler.world.services[service]
    async with unwritten(service) as client:
        request = request_for(operation, route, things)
        if route.etag:
            read = await client.get(request["url"])
            request["headers"] = {"If-Match": read.headers["etag"]}
        answer = await client.request(**request)
    problem = check(answer, 409, documented(served.app.app.openapi(), operation))
    assert problem["code"] == CODES[service]


AGAIN: list[tuple[str, str, dict[str, Any], str]] = [
    ("customer", "POST /api/v1/merges", {"customer_id": "{twin}"}, "customer.merge_refused"),
    ("segmentation", "POST /api/v1/segments", {"code": "segment"}, "segment.code_taken"),
    ("campaigns", "POST /api/v1/campaigns", {"code": "draft-east"}, "campaign.code_taken"),
]


@pytest.mark.parametrize(("service", "operation", "changes", "code"), AGAIN)
async def test_what_is_there_already_is_a_conflict(
    crawler: Crawler, unwritten: Unwritten, service: str, operation: str, changes: dict[str, Any], code: str
) -> None:
    route = TABLE[service][operation]
    again = Route(route.asks, route.rows, body={**route.body, **changes})
    async with unwritten(service) as client:
        answer = await client.request(**request_for(operation, again, crawler.world.things["east"]))
    problem = check(answer, 409, documented(crawler.world.services[service].app.app.openapi(), operation))
    assert problem["code"] == code
