"""The proxy: every path to its owner, nothing but the token crosses, and a service that is away harms no other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import httpx
import pytest
from aiohttp import web

from kehu_chassis.testing.http import TestApp
from kehu_gateway.proxy.breaker import Breaker
from kehu_gateway.proxy.rules import owner_of


@pytest.mark.parametrize(
    ("path", "owner"),
    [
        ("/api/v1/customers", "customer"),
        ("/api/v1/customers/1", "customer"),
        ("/api/v1/customers/1/accounts", "customer"),
        ("/api/v1/customers/lookups", "customer"),
        ("/api/v1/customers/1/segments", "segmentation"),
        ("/api/v1/customers/1/features", "segmentation"),
        ("/api/v1/customers/1/complaints", "complaints"),
        ("/api/v1/customers/1/campaigns", "campaigns"),
        ("/api/v1/contact-resolutions", "customer"),
        ("/api/v1/segments/1/members", "segmentation"),
        ("/api/v1/tiers", "segmentation"),
        ("/api/v1/complaint-categories", "complaints"),
        ("/api/v1/complaints/1/clock", "complaints"),
        ("/api/v1/campaigns/1/funnel", "campaigns"),
        ("/api/v1/operations/complaints/dead-letters/1/redrives", "complaints"),
        ("/api/v1/operations/gateway/health", None),
        ("/api/v1/operations", None),
        ("/api/v1/unknown", None),
        ("/api/v1/customers/../segments", None),
        ("/api/v1/customers//segments", None),
        ("/api/v1/", None),
        ("/api/v2/customers", None),
    ],
)
def test_every_path_has_one_owner(path: str, owner: str | None) -> None:
    assert owner_of(path) == owner


def test_the_breaker_opens_after_five_failures_and_lets_one_try() -> None:
    now = 0.0
    breaker = Breaker(lambda: now)
    for _ in range(4):
        breaker.failed()
    assert breaker.allows()
    breaker.failed()
    assert not breaker.allows()
    now = 2.1
    assert [breaker.allows(), breaker.allows()] == [True, False]
    breaker.failed()
    now = 3.0
    assert not breaker.allows()
    now = 4.3
    assert breaker.allows()
    breaker.succeeded()
    assert breaker.allows()


@pytest.fixture
async def caller(browser: httpx.AsyncClient, steps: Any) -> httpx.AsyncClient:
    browser.headers["Authorization"] = f"Bearer {await steps.token_of(browser, 'rm')}"
    return browser


async def test_a_request_arrives_as_it_was_sent_with_the_token_and_nothing_else_of_the_caller(
    caller: httpx.AsyncClient, services: Any
) -> None:
    async def created(_: web.Request) -> web.Response:
        return web.json_response(
            {"id": 1}, status=201, headers={"ETag": '"1"', "Location": "/api/v1/customers/1", "Set-Cookie": "a=b"}
        )

    services.answers["/api/v1/customers/a b/names"] = created
    response = await caller.post(
        "/api/v1/customers/a%20b/names?q=%E7%8E%8B&x=1",
        json={"text": "王"},
        headers={
            "Idempotency-Key": "k1",
            "If-Match": '"1"',
            "Accept-Language": "zh",
            "Cookie": "session=stolen",
            "X-Forwarded-For": "10.0.0.1",
            "Forwarded": "for=10.0.0.1",
            "X-Kehu-Subject": "admin",
            "X-User": "admin",
            "Connection": "keep-alive, X-Hop",
            "X-Hop": "1",
            "TE": "trailers",
        },
    )
    assert (response.status_code, response.json()) == (201, {"id": 1})
    assert (response.headers["etag"], response.headers["location"]) == ('"1"', "/api/v1/customers/1")
    assert "set-cookie" not in response.headers
    method, path, headers, body = services.seen[-1]
    assert (method, path, body) == ("POST", "/api/v1/customers/a%20b/names?q=%E7%8E%8B&x=1", '{"text":"王"}'.encode())
    assert headers["authorization"] == caller.headers["Authorization"]
    assert (headers["idempotency-key"], headers["if-match"], headers["accept-language"]) == ("k1", '"1"', "zh")
    assert headers["traceparent"].startswith("00-")
    assert set(headers) <= {
        "accept", "accept-language", "authorization", "content-length", "content-type", "host", "idempotency-key",
        "if-match", "traceparent", "accept-encoding", "user-agent",
    }  # fmt: skip


async def test_a_problem_of_a_service_comes_through_unchanged(caller: httpx.AsyncClient, services: Any) -> None:
    async def refused(_: web.Request) -> web.Response:
        return web.json_response({"code": "a.b"}, status=409, content_type="application/problem+json")

    services.answers["/api/v1/merges"] = refused
    response = await caller.post("/api/v1/merges", json={})
    assert (response.status_code, response.json()) == (409, {"code": "a.b"})
    assert response.headers["content-type"].startswith("application/problem+json")


async def test_without_a_valid_token_no_service_is_asked(browser: httpx.AsyncClient, services: Any) -> None:
    for headers in ({}, {"Authorization": "Bearer x"}, {"Cookie": "kehu_session=guess"}):
        response = await browser.get("/api/v1/customers", headers=headers)
        assert (response.status_code, response.json()["code"]) == (401, "auth.token_invalid")
        assert response.headers["www-authenticate"].startswith("Bearer")
    assert services.seen == []


@pytest.mark.parametrize(
    "path",
    ["/api/v1/unknown", "/api/v1/customers/a%2Fb/segments", "/api/v1/customers/%2e%2e/segments", "/api/v1/units/a%5Cb"],
)
async def test_what_nobody_owns_or_hides_a_slash_is_not_found(
    caller: httpx.AsyncClient, services: Any, path: str
) -> None:
    response = await caller.get(path)
    assert (response.status_code, response.json()["code"]) == (404, "not_found")
    assert services.seen == []


async def test_a_large_answer_comes_as_a_stream(caller: httpx.AsyncClient, services: Any) -> None:
    async def large(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/csv"})
        await response.prepare(request)
        for _ in range(40):
            await response.write(b"x" * 10_000)
        return response

    services.answers["/api/v1/segments"] = large
    response = await caller.get("/api/v1/segments")
    assert len(response.content) == 400_000
    assert "content-length" not in response.headers


async def test_a_body_beyond_the_limit_is_refused_before_any_service_sees_it(
    caller: httpx.AsyncClient, services: Any
) -> None:
    async def drip() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b"x" * 1000

    for content in (b"x" * 10_001, drip()):
        response = await caller.post("/api/v1/complaints", content=content)
        assert (response.status_code, response.json()["code"]) == (413, "request.body_too_large")
    assert services.seen == []


async def test_a_silent_service_is_a_timeout(caller: httpx.AsyncClient, services: Any) -> None:
    async def silent(_: web.Request) -> web.Response:
        await asyncio.Event().wait()
        raise AssertionError

    services.answers["/api/v1/complaints"] = silent
    response = await caller.get("/api/v1/complaints")
    assert (response.status_code, response.json()["code"]) == (504, "gateway.timeout")


async def test_a_service_that_is_down_is_unavailable_and_the_others_answer(
    open_gateway: Any, services: Any, steps: Any, closed_port: int
) -> None:
    app: TestApp = await open_gateway(complaints_url=f"http://127.0.0.1:{closed_port}")
    services.answers["/api/v1/campaigns"] = {"items": []}
    async with steps.browser_of(app) as caller:
        caller.headers["Authorization"] = f"Bearer {await steps.token_of(caller, 'head')}"
        for _ in range(7):
            response = await caller.get("/api/v1/complaints")
            assert (response.status_code, response.json()["code"]) == (503, "service.unavailable")
            assert response.headers["retry-after"] == "2"
        assert (await caller.get("/api/v1/campaigns")).status_code == 200
        assert not app.runtime.resources.upstreams["complaints"]._breaker.allows()


def breaking_off(status: int, *, promised: int, sent: int) -> Any:
    """An answer that ends before its time."""

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(status=status, headers={"Content-Length": str(promised)})
        await response.prepare(request)
        await response.write(b"x" * sent)
        assert request.transport is not None
        request.transport.abort()
        return response

    return answer


async def test_an_answer_cut_off_in_its_middle_does_not_look_whole(caller: httpx.AsyncClient, services: Any) -> None:
    services.answers["/api/v1/tiers"] = breaking_off(200, promised=100_000, sent=70_000)
    with pytest.raises(aiohttp.ClientPayloadError):
        await caller.get("/api/v1/tiers")


async def test_a_short_answer_that_breaks_off_is_unavailable_so_that_the_write_is_sent_again(
    caller: httpx.AsyncClient, services: Any
) -> None:
    services.answers["/api/v1/complaints"] = breaking_off(201, promised=1_000, sent=700)
    response = await caller.post("/api/v1/complaints", json={})
    assert (response.status_code, response.json()["code"]) == (503, "service.unavailable")
    assert response.headers["retry-after"] == "2"
