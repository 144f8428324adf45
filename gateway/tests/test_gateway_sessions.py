"""The console's log-in and session: no token in the browser, no write by another site, no session that outlives its time."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
import time_machine

from kehu_chassis.auth import JwksSource, TokenVerifier
from kehu_chassis.clock import FixedClock
from kehu_chassis.database import Database
from kehu_chassis.testing.http import TestApp
from kehu_chassis.testing.tokens import TestIssuer


def cookie_of(response: httpx.Response, name: str) -> str:
    found = [line for line in response.headers.get_list("set-cookie") if line.startswith(f"{name}=")]
    assert len(found) == 1
    return found[0]


async def test_a_log_in_ends_in_a_page_with_a_strict_cookie_and_no_token(
    browser: httpx.AsyncClient, steps: Any
) -> None:
    response = await steps.log_in(browser, "rm", return_to="/customers?q=a")
    assert response.status_code == 200
    assert 'content="0;url=/customers?q=a"' in response.text
    assert "location" not in response.headers
    session = cookie_of(response, "kehu_session").lower()
    assert all(part in session for part in ("; httponly", "; secure", "; samesite=strict", "; path=/"))
    answer = await browser.get("/auth/session")
    assert (answer.headers["cache-control"], answer.headers["x-content-type-options"]) == ("no-store", "nosniff")
    told = answer.json()
    assert (told["subject"], told["roles"]) == ("rm", ["relationship_manager"])
    assert "customer:write" in told["permissions"]
    assert told["staff_id"] is not None
    assert "eyJ" not in response.text + str(browser.cookies) + str(told)


async def test_the_log_in_cookie_is_lax_and_gone_afterwards(browser: httpx.AsyncClient, steps: Any) -> None:
    begun = await browser.get("/auth/login")
    cookie = cookie_of(begun, "kehu_login").lower()
    assert all(part in cookie for part in ("; httponly", "; secure", "; samesite=lax", "; path=/auth"))
    asked = steps.query_of(begun.headers["location"])
    assert asked["code_challenge_method"] == "S256"
    await steps.log_in(browser)
    assert "kehu_login" not in browser.cookies


@pytest.mark.parametrize(
    "address",
    [
        "https://evil.test/",
        "//evil.test",
        "/\\evil.test",
        "javascript:alert(1)",
        "/a\nb",
        "/a\n",
        "",
        "/auth/logout",
        "/api/v1/x",
    ],
)
async def test_a_log_in_never_leads_to_another_site(browser: httpx.AsyncClient, steps: Any, address: str) -> None:
    response = await steps.log_in(browser, return_to=address)
    assert re.findall(r'content="0;url=([^"]*)"', response.text) == ["/"]


async def test_an_answer_to_another_log_in_is_refused(browser: httpx.AsyncClient, gateway: TestApp, steps: Any) -> None:
    begun = await browser.get("/auth/login")
    back = await browser.post(begun.headers["location"], data={"username": "rm", "password": "rm-demo"})
    answer = back.headers["location"]
    state = steps.query_of(answer)["state"]
    async with steps.browser_of(gateway) as other:
        without_cookie = await other.get(answer)
        await other.get("/auth/login")
        with_other_state = await other.get(answer)
    wrong_state = await browser.get(answer.replace(state, "x" * 43))
    await browser.get("/auth/login")
    foreign_state = await browser.get(answer.replace(state, "%E7%8A%B6%E6%80%81"))
    for response in (without_cookie, with_other_state, wrong_state, foreign_state):
        assert response.status_code == 400
        assert "kehu_session=" not in str(response.headers.get_list("set-cookie"))


async def test_a_callback_with_the_issuers_refusal_begins_no_session(browser: httpx.AsyncClient, steps: Any) -> None:
    begun = await browser.get("/auth/login")
    state = steps.query_of(begun.headers["location"])["state"]
    response = await browser.get("/auth/callback", params={"error": "access_denied", "state": state})
    assert response.status_code == 400
    assert (await browser.get("/auth/session")).status_code == 401


async def test_the_issuers_page_speaks_the_language_that_the_console_is_in(browser: httpx.AsyncClient) -> None:
    for language, title in (("zh", "登录"), ("en", "Log in")):
        begun = await browser.get("/auth/login", params={"ui_locales": language}, headers={"Accept-Language": "fr"})
        page = await browser.get(begun.headers["location"])
        assert f"<h1>{title}" in page.text
        refused = await browser.post(begun.headers["location"], data={"username": "rm", "password": "wrong"})
        assert f"<h1>{title}" in refused.text


async def test_a_session_tells_the_banks_time_and_not_the_machines(
    browser: httpx.AsyncClient, clock: FixedClock, steps: Any
) -> None:
    await steps.log_in(browser)
    clock.set(datetime(1999, 1, 1, 9, tzinfo=UTC))
    assert (await browser.get("/auth/session")).json()["business_time"] == "1999-01-01T09:00:00Z"


async def test_a_session_reads_and_writes_with_its_csrf_token_only(
    browser: httpx.AsyncClient, services: Any, steps: Any
) -> None:
    services.answers["/api/v1/customers"] = {"items": []}
    await steps.log_in(browser)
    assert (await browser.get("/api/v1/customers")).json() == {"items": []}
    for headers in ({}, {b"X-CSRF-Token": b"guess"}, {b"X-CSRF-Token": b"gu\xe9ss"}):
        response = await browser.post("/api/v1/customers", json={}, headers=headers)
        assert (response.status_code, response.json()["code"]) == (403, "session.csrf_refused")
    assert [method for method, *_ in services.seen] == ["GET"]
    csrf = (await browser.get("/auth/session")).json()["csrf_token"]
    assert (await browser.post("/api/v1/customers", json={}, headers={"X-CSRF-Token": csrf})).status_code == 200
    _, _, passed, _ = services.seen[-1]
    assert passed["authorization"].startswith("Bearer eyJ")
    assert "cookie" not in passed
    assert "x-csrf-token" not in passed


async def test_a_log_out_ends_the_session_for_good(browser: httpx.AsyncClient, steps: Any) -> None:
    await steps.log_in(browser)
    assert (await browser.post("/auth/logout")).status_code == 403
    stolen = dict(browser.cookies)
    csrf = (await browser.get("/auth/session")).json()["csrf_token"]
    assert (await browser.post("/auth/logout", headers={"X-CSRF-Token": csrf})).status_code == 204
    assert "kehu_session" not in browser.cookies
    for name, value in stolen.items():
        browser.cookies.set(name, value, domain="gateway.test")
    assert (await browser.get("/auth/session")).status_code == 401
    assert (await browser.get("/api/v1/customers")).status_code == 401


async def test_neither_session_id_nor_token_can_be_read_in_the_table(
    browser: httpx.AsyncClient, database: Database, steps: Any
) -> None:
    await steps.log_in(browser)
    async with database.begin() as tx:
        row = await tx.connection.fetchrow("SELECT * FROM sessions")
    stored = b"".join(value for value in row.values() if isinstance(value, bytes))
    assert b"eyJ" not in stored
    assert browser.cookies["kehu_session"].encode() not in stored


async def test_a_session_that_rests_too_long_is_over(browser: httpx.AsyncClient, steps: Any) -> None:
    with time_machine.travel("2026-03-02T09:00:00Z", tick=False) as time:
        await steps.log_in(browser)
        for _ in range(3):
            time.shift(29 * 60)
            assert (await browser.get("/auth/session")).status_code == 200
        time.shift(31 * 60)
        assert (await browser.get("/auth/session")).status_code == 401


async def test_a_live_stream_that_opens_itself_again_keeps_no_session_awake(
    browser: httpx.AsyncClient, gateway: TestApp, steps: Any
) -> None:
    with time_machine.travel("2026-03-02T09:00:00Z", tick=False) as time:
        await steps.log_in(browser)
        session_id = browser.cookies["kehu_session"]
        sessions = gateway.runtime.resources.sessions
        for _ in range(2):
            time.shift(14 * 60)
            assert await sessions.find(session_id, is_use=False) is not None
        time.shift(3 * 60)
        assert await sessions.find(session_id, is_use=False) is None


async def test_no_session_lasts_longer_than_its_life(browser: httpx.AsyncClient, steps: Any) -> None:
    with time_machine.travel("2026-03-02T09:00:00Z", tick=False) as time:
        await steps.log_in(browser)
        for _ in range(25):
            time.shift(28 * 60)
            assert (await browser.get("/auth/session")).status_code == 200
        time.shift(28 * 60)
        assert (await browser.get("/auth/session")).status_code == 401


async def test_many_requests_at_once_renew_an_ageing_token_once(
    browser: httpx.AsyncClient, database: Database, services: Any, steps: Any
) -> None:
    services.answers["/api/v1/customers"] = {"items": []}
    with time_machine.travel("2026-03-02T09:00:00Z", tick=False) as time:
        await steps.log_in(browser)
        await browser.get("/api/v1/customers")
        time.shift(9 * 60 + 30)
        responses = await asyncio.gather(*(browser.get("/api/v1/customers") for _ in range(8)))
    assert {response.status_code for response in responses} == {200}
    tokens = [headers["authorization"] for *_, headers, _ in services.seen]
    assert len(set(tokens)) == 2
    assert len(set(tokens[1:])) == 1
    async with database.begin() as tx:
        assert await tx.connection.fetchval("SELECT count(*) FROM refresh_tokens") == 1


async def test_any_issuer_with_a_discovery_document_will_do(
    open_gateway: Any, services: Any, steps: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    outside = TestIssuer()
    at = services.address
    services.answers["/.well-known/openid-configuration"] = {
        "issuer": at,
        "authorization_endpoint": "https://login.bank.test/authorize",
        "token_endpoint": f"{at}/token",
    }
    services.answers["/jwks"] = dict(await outside.key_set())
    app = await open_gateway(
        issuer=at, jwks_url=f"{at}/jwks", environment="production", console_client_secret="confidential"
    )
    # What `open_runtime` does outside of tests.
    verifier = TokenVerifier(issuer=at, audience="kehu", keys=JwksSource(f"{at}/jwks"))
    app.runtime.verifier = verifier
    monkeypatch.setattr(app.runtime.resources.sessions, "_verifier", verifier)
    async with steps.browser_of(app) as browser:
        assert (await browser.get("/.well-known/openid-configuration")).status_code == 404
        begun = await browser.get("/auth/login")
        assert begun.headers["location"].startswith("https://login.bank.test/authorize?")
        asked = steps.query_of(begun.headers["location"])
        identity = {"iss": at, "nonce": asked["nonce"], "name": "王芳"}
        services.answers["/token"] = {
            "access_token": outside.token(["auditor"], subject="wang", iss=at),
            "id_token": outside.token([], subject="wang", aud="kehu-console", **identity),
            "expires_in": 300,
        }
        page = await browser.get("/auth/callback", params={"code": "abc", "state": asked["state"]})
        assert page.status_code == 200
        told = (await browser.get("/auth/session")).json()
        assert (told["subject"], told["name"], told["roles"]) == ("wang", "王芳", ["auditor"])
    sent = next(body for _, path, _, body in services.seen if path == "/token").decode()
    assert "client_secret=confidential" in sent
    assert "code_verifier=" in sent


async def test_an_id_token_of_another_log_in_is_refused(open_gateway: Any, services: Any, steps: Any) -> None:
    outside = TestIssuer()
    at = services.address
    services.answers["/.well-known/openid-configuration"] = {
        "issuer": at,
        "authorization_endpoint": f"{at}/authorize",
        "token_endpoint": f"{at}/token",
    }
    app = await open_gateway(issuer=at)
    verifier = app.runtime.resources.sessions
    verifier._verifier = type(app.runtime.verifier)(issuer=at, audience="kehu", keys=outside.key_set)
    for wrong in ({"nonce": "other"}, {"aud": "other"}, {"iss": "http://other.test"}, {"exp": 1}, {"sub": "li"}):
        async with steps.browser_of(app) as browser:
            asked = steps.query_of((await browser.get("/auth/login")).headers["location"])
            good = {"iss": at, "aud": "kehu-console", "nonce": asked["nonce"]}
            services.answers["/token"] = {
                "access_token": outside.token(["auditor"], subject="wang", iss=at),
                "id_token": outside.token([], **{"subject": "wang", **good, **wrong}),
            }
            page = await browser.get("/auth/callback", params={"code": "abc", "state": asked["state"]})
            assert page.status_code == 400, wrong
