"""What a browser is told to do and not to do with the console, on the gateway as it runs."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from .conftest import Gateway

HARDENING = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


def policy_of(answer: httpx.Response) -> dict[str, list[str]]:
    directives = (part.split() for part in answer.headers["content-security-policy"].split(";"))
    return {name: values for name, *values in directives}


@pytest.fixture
async def browser(gateway: Gateway) -> AsyncIterator[httpx.AsyncClient]:
    """A client that keeps cookies, as a browser does."""
    async with gateway.client() as client:
        yield client


async def log_in(browser: httpx.AsyncClient) -> tuple[list[httpx.Response], str]:
    """Every page of the log-in, and the session's cookie. Cookies are carried by hand: httpx sends no `Secure` over HTTP."""
    begun = await browser.get("/auth/login", params={"return_to": "/customers"})
    form = await browser.get(begun.headers["location"])
    back = await browser.post(begun.headers["location"], data={"username": "rm", "password": "rm-demo"})
    state = begun.headers["set-cookie"].split(";")[0]
    page = await browser.get(back.headers["location"], headers={"Cookie": state})
    assert page.status_code == 200
    session = next(cookie for cookie in page.headers.get_list("set-cookie") if cookie.startswith("kehu_session="))
    return [begun, form, back, page], session


async def test_the_console_runs_no_script_but_its_own(browser: httpx.AsyncClient) -> None:
    first, second = await browser.get("/"), await browser.get("/customers/1")
    for answer in (first, second):
        policy = policy_of(answer)
        (nonce,) = {value for value in policy["script-src"] if value.startswith("'nonce-")}
        assert policy["default-src"] == ["'none'"]
        assert policy["script-src"] == ["'self'", nonce]
        assert policy["style-src"] == ["'self'", nonce]
        assert policy["connect-src"] == policy["font-src"] == policy["form-action"] == ["'self'"]
        assert policy["frame-ancestors"] == policy["base-uri"] == ["'none'"]
        assert not re.search(r"unsafe|https?:|\*", answer.headers["content-security-policy"])
        assert nonce[7:-1] in answer.text
        assert {name: answer.headers[name] for name in HARDENING} == HARDENING
        assert answer.headers["cache-control"] == "no-store"
    assert policy_of(first)["script-src"] != policy_of(second)["script-src"]
    # Every script and style of the page bears the nonce, and nothing comes from elsewhere.
    for tag in re.findall(r"<(?:script|style)[^>]*>", first.text):
        assert "nonce=" in tag
    assert not re.search(r"(?:src|href)=[\"']?(?:https?:)?//", first.text)
    assert not re.search(r"\son[a-z]+=", first.text)


async def test_files_and_refusals_are_no_less_guarded(browser: httpx.AsyncClient) -> None:
    script = await browser.get("/assets/app-1a2b3c.js")
    assert script.headers["content-type"].startswith("text/javascript")
    assert {name: script.headers[name] for name in HARDENING} == HARDENING
    for path in ("/api/v1/units", "/auth/session", "/assets/none.js", "/api/none", "/auth/callback?code=x&state=y"):
        refused = await browser.get(path)
        assert refused.status_code >= 400
        assert refused.headers["cache-control"] == "no-store", path
        assert refused.headers["x-content-type-options"] == "nosniff", path


async def test_a_log_in_gives_cookies_that_no_script_reads_and_no_other_site_sends(
    gateway: Gateway, browser: httpx.AsyncClient
) -> None:
    answers, session = await log_in(browser)
    attributes = {part.strip().lower() for part in session.split(";")[1:]}
    assert {"httponly", "secure", "samesite=strict", "path=/"} <= attributes
    assert not any(attribute.startswith(("domain=", "max-age=", "expires=")) for attribute in attributes)
    (login,) = answers[0].headers.get_list("set-cookie")
    assert {"httponly", "secure", "samesite=lax", "path=/auth"} <= {part.strip().lower() for part in login.split(";")}
    for answer in answers:
        assert "no-store" in answer.headers["cache-control"]
        # Neither page nor address nor cookie holds a token, in whole or in its three parts.
        assert not re.search(r"eyJ[\w-]+\.[\w-]+\.", answer.text + str(dict(answer.headers)))
    for page in (answers[1], answers[3]):
        assert policy_of(page)["default-src"] == ["'none'"]
        assert "script-src" not in policy_of(page)
        assert policy_of(page)["frame-ancestors"] == ["'none'"]
        assert {name: page.headers[name] for name in HARDENING} == HARDENING
    assert gateway.seen == []


async def test_a_write_without_the_sessions_mark_goes_nowhere(gateway: Gateway, browser: httpx.AsyncClient) -> None:
    _, session = await log_in(browser)
    cookie = {"Cookie": session.split(";")[0]}
    told = await browser.get("/auth/session", headers=cookie)
    assert told.status_code == 200
    assert not re.search(r"eyJ[\w-]+\.", told.text)
    _, other = await log_in(browser)
    marks = {
        "none": {},
        "a wrong one": {"X-CSRF-Token": "guess"},
        "an empty one": {"X-CSRF-Token": ""},
        "another session's": {
            "X-CSRF-Token": (await browser.get("/auth/session", headers={"Cookie": other.split(";")[0]})).json()[
                "csrf_token"
            ]
        },
    }
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        for what, mark in marks.items():
            answer = await browser.request(method, "/api/v1/complaints", headers={**cookie, **mark}, json={})
            assert (answer.status_code, answer.json()["code"]) == (403, "session.csrf_refused"), what
    refused = await browser.post("/auth/logout", headers=cookie)
    assert (refused.status_code, refused.json()["code"]) == (403, "session.csrf_refused")
    assert gateway.seen == []
    good = {**cookie, "X-CSRF-Token": told.json()["csrf_token"]}
    assert (await browser.post("/api/v1/complaints", headers=good, json={})).status_code == 200
    assert [seen.method for seen in gateway.seen] == ["POST"]
    assert "cookie" not in dict(gateway.seen[0].headers)


async def test_no_other_site_reads_an_answer(gateway: Gateway, browser: httpx.AsyncClient) -> None:
    token = await gateway.token()
    asked: dict[str, Any] = {"Origin": "https://evil.test", "Authorization": f"Bearer {token}"}
    answer = await browser.get("/api/v1/units", headers=asked)
    preflight = await browser.options("/api/v1/units", headers={**asked, "Access-Control-Request-Method": "POST"})
    for shown in (answer, preflight):
        assert not any(name.startswith("access-control-") for name in shown.headers)


async def test_answers_of_the_api_stay_in_no_cache(gateway: Gateway) -> None:
    async with gateway.client(await gateway.token()) as client:
        answer = await client.get("/api/v1/units")
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
