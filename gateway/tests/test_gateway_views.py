"""The gateway's own answers: the 360, the operations overview, the whole API document, the console's files."""

from __future__ import annotations

import asyncio
import re
from typing import Any
from uuid import UUID

import httpx
import pytest
from aiohttp import web

from kehu_chassis.testing.http import TestApp
from kehu_chassis.testing.openapi_rules import violations
from kehu_gateway.openapi.rules import merge

CUSTOMER = UUID("018f0000-0000-7000-8000-0000000000aa")
AT = f"/api/v1/customers/{CUSTOMER}"
PARTS = ("profile", "accounts", "segments", "complaints", "campaigns")


@pytest.fixture
async def caller(browser: httpx.AsyncClient, steps: Any) -> httpx.AsyncClient:
    browser.headers["Authorization"] = f"Bearer {await steps.token_of(browser, 'rm')}"
    return browser


def answer_all(services: Any) -> None:
    for part in PARTS:
        services.answers[f"{AT}/{part}"] = {"part": part}


async def away(_: web.Request) -> web.Response:
    return web.json_response({}, status=503)


async def test_the_360_is_one_call_with_a_section_for_each_service(caller: httpx.AsyncClient, services: Any) -> None:
    answer_all(services)
    response = await caller.get(f"{AT}/overview")
    assert response.status_code == 200
    told = response.json()
    assert told["customer_id"] == str(CUSTOMER)
    assert {name: (part["status"], part["data"]["part"]) for name, part in told["sections"].items()} == {
        "profile": ("ok", "profile"),
        "holdings": ("ok", "accounts"),
        "segments": ("ok", "segments"),
        "complaints": ("ok", "complaints"),
        "campaigns": ("ok", "campaigns"),
    }
    assert all(part["as_of"] for part in told["sections"].values())
    assert {headers["authorization"] for *_, headers, _ in services.seen} == {caller.headers["Authorization"]}


async def test_the_services_are_asked_at_the_same_time(caller: httpx.AsyncClient, services: Any) -> None:
    together = asyncio.Barrier(len(PARTS))

    async def wait(_: web.Request) -> web.Response:
        await together.wait()
        return web.json_response({})

    for part in PARTS:
        services.answers[f"{AT}/{part}"] = wait
    sections = (await caller.get(f"{AT}/overview")).json()["sections"]
    assert {part["status"] for part in sections.values()} == {"ok"}


async def test_a_service_that_is_away_leaves_the_others_standing(caller: httpx.AsyncClient, services: Any) -> None:
    answer_all(services)
    services.answers[f"{AT}/complaints"] = away
    sections = (await caller.get(f"{AT}/overview")).json()["sections"]
    assert sections["complaints"] == {"status": "unavailable", "as_of": None, "reason": "unreachable", "data": None}
    assert [name for name, part in sections.items() if part["status"] == "ok"] == [
        "profile",
        "holdings",
        "segments",
        "campaigns",
    ]


async def silent(_: web.Request) -> web.Response:
    await asyncio.Event().wait()
    raise AssertionError


async def test_what_the_caller_saw_before_is_shown_as_stale_and_to_nobody_else(
    caller: httpx.AsyncClient, services: Any, steps: Any
) -> None:
    answer_all(services)
    seen = (await caller.get(f"{AT}/overview")).json()["sections"]["complaints"]
    services.answers[f"{AT}/complaints"] = silent
    stale = (await caller.get(f"{AT}/overview")).json()["sections"]["complaints"]
    assert (stale["status"], stale["as_of"], stale["data"]) == ("stale", seen["as_of"], seen["data"])
    caller.headers["Authorization"] = f"Bearer {await steps.token_of(caller, 'rm2')}"
    other = (await caller.get(f"{AT}/overview")).json()["sections"]["complaints"]
    assert (other["status"], other["data"]) == ("unavailable", None)


async def test_a_stopped_service_is_unavailable_whatever_was_seen_before(
    caller: httpx.AsyncClient, services: Any
) -> None:
    answer_all(services)
    await caller.get(f"{AT}/overview")
    services.answers[f"{AT}/complaints"] = away
    section = (await caller.get(f"{AT}/overview")).json()["sections"]["complaints"]
    assert section == {"status": "unavailable", "as_of": None, "reason": "unreachable", "data": None}


async def test_a_slow_section_is_unavailable_after_its_time(caller: httpx.AsyncClient, services: Any) -> None:
    answer_all(services)
    services.answers[f"{AT}/segments"] = silent
    section = (await caller.get(f"{AT}/overview")).json()["sections"]["segments"]
    assert (section["status"], section["reason"]) == ("unavailable", "timeout")


async def test_a_section_that_the_caller_may_not_see_says_so(caller: httpx.AsyncClient, services: Any) -> None:
    async def forbidden(_: web.Request) -> web.Response:
        return web.json_response({"code": "auth.forbidden"}, status=403)

    answer_all(services)
    services.answers[f"{AT}/campaigns"] = forbidden
    section = (await caller.get(f"{AT}/overview")).json()["sections"]["campaigns"]
    assert (section["status"], section["reason"]) == ("unavailable", "forbidden")


async def test_a_customer_outside_the_callers_scope_is_as_missing(caller: httpx.AsyncClient, services: Any) -> None:
    answer_all(services)
    await caller.get(f"{AT}/overview")
    del services.answers[f"{AT}/profile"]
    response = await caller.get(f"{AT}/overview")
    assert (response.status_code, response.json()["code"]) == (404, "not_found")
    # What was shown before the customer moved out of scope is not remembered for later.
    services.answers[f"{AT}/profile"] = away
    services.answers[f"{AT}/complaints"] = silent
    section = (await caller.get(f"{AT}/overview")).json()["sections"]["complaints"]
    assert (section["status"], section["data"]) == ("unavailable", None)


async def test_nobody_knows_a_customer_whom_no_service_knows(caller: httpx.AsyncClient, services: Any) -> None:
    services.answers[f"{AT}/profile"] = away
    assert (await caller.get(f"{AT}/overview")).status_code == 404


async def test_the_360_asks_for_the_permission_to_read_customers(
    caller: httpx.AsyncClient, services: Any, steps: Any
) -> None:
    caller.headers["Authorization"] = f"Bearer {await steps.token_of(caller, 'marketer')}"
    assert (await caller.get(f"{AT}/overview")).status_code == 403
    assert (await caller.get("/api/v1/customers/x/overview")).status_code == 403
    assert services.seen == []


async def test_operations_tell_of_every_service_also_of_those_that_do_not_answer(
    caller: httpx.AsyncClient, services: Any, steps: Any
) -> None:
    assert (await caller.get("/api/v1/operations")).status_code == 403
    caller.headers["Authorization"] = f"Bearer {await steps.token_of(caller, 'operator')}"
    services.answers["/health/ready"] = {"status": "ok"}
    services.answers["/api/v1/operations/customer/health"] = {"status": "ok", "outbox": {"depth": 3}}
    services.answers["/api/v1/operations/complaints/health"] = {"status": "degraded"}
    services.answers["/api/v1/operations/campaigns/health"] = away
    told = {entry["service"]: entry for entry in (await caller.get("/api/v1/operations")).json()["services"]}
    assert list(told) == ["customer", "segmentation", "complaints", "campaigns", "gateway"]
    assert (told["gateway"]["status"], told["gateway"]["ready"]) == ("ok", True)
    assert told["gateway"]["health"]["outbox"] == {"depth": 0, "oldest_seconds": None}
    assert told["customer"] == {
        "service": "customer",
        "status": "ok",
        "ready": True,
        "health": {"status": "ok", "outbox": {"depth": 3}},
    }
    assert told["complaints"]["status"] == "degraded"
    assert told["campaigns"] == {"service": "campaigns", "status": "unavailable", "ready": False, "health": None}


def document(path: str, operation: str, schema: dict[str, Any]) -> dict[str, Any]:
    answer = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Thing"}}}}
    return {
        "paths": {path: {"get": {"operationId": operation, "responses": {"200": answer}}}},
        "components": {"schemas": {"Thing": schema, "Problem": {"type": "object"}}},
    }


def test_documents_merge_and_what_they_name_alike_stays_apart() -> None:
    whole = merge(
        {
            "customer": document("/a", "list", {"title": "A", "items": {"$ref": "#/components/schemas/Problem"}}),
            "complaints": document("/b", "list", {"title": "B"}),
        },
        title="Kehu",
        version="1",
    )
    schemas = whole["components"]["schemas"]
    assert set(schemas) == {"CustomerThing", "ComplaintsThing", "Problem"}
    assert schemas["CustomerThing"]["items"] == {"$ref": "#/components/schemas/Problem"}
    operations = {path: item["get"] for path, item in whole["paths"].items()}
    assert [operation["operationId"] for operation in operations.values()] == ["list", "complaints_list"]
    assert [operation["x-service"] for operation in operations.values()] == ["customer", "complaints"]
    schema = operations["/b"]["responses"]["200"]["content"]["application/json"]["schema"]
    assert schema == {"$ref": "#/components/schemas/ComplaintsThing"}


def test_what_refers_to_something_named_alike_stays_apart_too() -> None:
    page = {"items": {"$ref": "#/components/schemas/Thing"}}
    documents = {
        "segmentation": document("/a", "members", {"title": "A"}),
        "campaigns": document("/b", "audience", {"title": "B"}),
        "complaints": {"paths": {}, "components": {"schemas": {"Alone": {"$ref": "#/components/schemas/Problem"}}}},
    }
    for service in ("segmentation", "campaigns"):
        documents[service]["components"]["schemas"] |= {
            "Page": page,
            "Pages": {"items": {"$ref": "#/components/schemas/Page"}},
        }
    schemas = merge(documents, title="Kehu", version="1")["components"]["schemas"]
    for service in ("Segmentation", "Campaigns"):
        assert schemas[f"{service}Page"] == {"items": {"$ref": f"#/components/schemas/{service}Thing"}}
        assert schemas[f"{service}Pages"] == {"items": {"$ref": f"#/components/schemas/{service}Page"}}
    assert {"Alone", "Problem"} <= set(schemas)
    assert not {"Page", "Pages", "Thing"} & set(schemas)


async def test_the_whole_document_has_the_gateways_part_and_names_who_is_missing(
    browser: httpx.AsyncClient, services: Any
) -> None:
    services.answers["/openapi.json"] = away
    told = (await browser.get("/openapi.json")).json()
    assert told["x-unavailable"] == ["customer", "segmentation", "complaints", "campaigns"]
    assert "/api/v1/customers/{customer_id}/overview" in told["paths"]
    services.answers["/openapi.json"] = document("/api/v1/things", "list_things", {"type": "object"})
    told = (await browser.get("/openapi.json")).json()
    assert "x-unavailable" not in told
    assert "/api/v1/things" in told["paths"]


async def test_every_route_of_the_gateway_is_declared_whole(gateway: TestApp) -> None:
    assert violations(gateway.app) == []


async def test_the_console_begins_with_a_page_of_its_own_nonce(browser: httpx.AsyncClient) -> None:
    nonces = set()
    for path in ("/", "/customers/1", "/complaints"):
        response = await browser.get(path)
        assert response.status_code == 200
        assert response.headers["cache-control"] == "no-store"
        found = set(re.findall(r'nonce="([^"]+)"', response.text))
        assert len(found) == 1
        nonce = found.pop()
        nonces.add(nonce)
        policy = response.headers["content-security-policy"]
        assert f"script-src 'self' 'nonce-{nonce}'" in policy
        assert "unsafe" not in policy
        assert response.headers["x-content-type-options"] == "nosniff"
    assert len(nonces) == 3


async def test_hashed_files_are_kept_for_a_year_and_compressed(browser: httpx.AsyncClient) -> None:
    response = await browser.get("/assets/app-1a2b3c.js")
    assert response.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert response.headers["content-encoding"] == "gzip"
    assert response.text.startswith("export const greeting")
    plain = await browser.get("/assets/app-1a2b3c.js", headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert plain.text == response.text
    assert int(response.headers["content-length"]) < len(plain.content)
    again = await browser.get("/assets/app-1a2b3c.js", headers={"If-None-Match": response.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert (await browser.get("/favicon.svg")).headers["cache-control"] == "no-cache"


@pytest.mark.parametrize(
    "path",
    ["/assets/gone.js", "/../../etc/passwd.txt", "/%2e%2e/%2e%2e/secrets.json", "/oauth2/other", "/health/other"],
)
async def test_a_file_that_is_not_the_consoles_is_not_found(browser: httpx.AsyncClient, path: str) -> None:
    assert (await browser.get(path)).status_code == 404


async def test_a_console_that_was_not_built_says_so(open_gateway: Any, steps: Any, tmp_path: Any) -> None:
    app = await open_gateway(console=tmp_path / "nothing")
    async with steps.browser_of(app) as browser:
        response = await browser.get("/")
    assert response.status_code == 503
    assert "make" in response.text
