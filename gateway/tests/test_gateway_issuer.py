"""The built-in issuer: codes serve once and with their verifier only, systems by secret, keys rotate without a pause."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
import time_machine
from pydantic import ValidationError

from kehu_chassis.testing.http import TestApp, test_settings
from kehu_gateway.issuer.keys import SigningKeyError, SigningKeys
from kehu_gateway.issuer.rules import challenge_of
from kehu_gateway.settings import Settings

PUBLIC_URL = "https://gateway.test"
VERIFIER = "v" * 64
REQUEST = {
    "response_type": "code",
    "client_id": "kehu-console",
    "redirect_uri": f"{PUBLIC_URL}/auth/callback",
    "scope": "openid",
    "state": "some-state",
    "nonce": "some-nonce",
    "code_challenge": challenge_of(VERIFIER),
    "code_challenge_method": "S256",
}


async def code_of(browser: httpx.AsyncClient, steps: Any, user: str = "compliance") -> str:
    form = {"username": user, "password": f"{user}-demo"}
    response = await browser.post("/oauth2/authorize", params=REQUEST, data=form)
    assert response.status_code == 303
    told = steps.query_of(response.headers["location"])
    assert (told["state"], told["iss"]) == ("some-state", PUBLIC_URL)
    return str(told["code"])


def redemption(code: str, /, **changed: str) -> dict[str, str]:
    return {
        "grant_type": "authorization_code",
        "code": code,
        "client_id": "kehu-console",
        "redirect_uri": REQUEST["redirect_uri"],
        "code_verifier": VERIFIER,
        **changed,
    }


def test_the_challenge_is_that_of_the_standard() -> None:
    # RFC 7636, appendix B.
    assert challenge_of("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk") == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


async def test_discovery_names_the_endpoints_and_what_they_take(browser: httpx.AsyncClient) -> None:
    told = (await browser.get("/.well-known/openid-configuration")).json()
    assert told["issuer"] == PUBLIC_URL
    assert told["code_challenge_methods_supported"] == ["S256"]
    keys = (await browser.get(told["jwks_uri"])).json()["keys"]
    assert [(key["kty"], key["crv"], key["alg"]) for key in keys] == [("OKP", "Ed25519", "EdDSA")]
    assert "d" not in keys[0]


async def test_a_code_gives_tokens_for_the_services_and_an_identity_for_the_console(
    browser: httpx.AsyncClient, steps: Any
) -> None:
    response = await browser.post("/oauth2/token", data=redemption(await code_of(browser, steps)))
    assert (response.status_code, response.headers["cache-control"]) == (200, "no-store")
    tokens = response.json()
    access = jwt.decode(tokens["access_token"], options={"verify_signature": False})
    assert (access["iss"], access["aud"], access["sub"], access["roles"]) == (
        PUBLIC_URL,
        "kehu",
        "compliance",
        ["compliance"],
    )
    assert access["staff_id"]
    identity = jwt.decode(tokens["id_token"], options={"verify_signature": False})
    assert (identity["aud"], identity["nonce"], identity["sub"]) == ("kehu-console", "some-nonce", "compliance")


@pytest.mark.parametrize(
    "changed",
    [
        {"code_verifier": "w" * 64},
        {"code_verifier": ""},
        {"client_id": "kehu"},
        {"redirect_uri": "https://evil.test/"},
        {"code": "guess"},
    ],
    ids=str,
)
async def test_a_code_serves_its_client_address_and_verifier_only(
    browser: httpx.AsyncClient, steps: Any, changed: dict[str, str]
) -> None:
    code = await code_of(browser, steps)
    response = await browser.post("/oauth2/token", data=redemption(code, **changed))
    assert (response.status_code, response.json()["error"]) == (400, "invalid_grant")
    if "code" not in changed:
        # Whoever failed once has used the code up.
        assert (await browser.post("/oauth2/token", data=redemption(code))).status_code == 400


async def test_a_code_serves_once_and_for_a_minute(browser: httpx.AsyncClient, steps: Any) -> None:
    code = await code_of(browser, steps)
    assert (await browser.post("/oauth2/token", data=redemption(code))).status_code == 200
    assert (await browser.post("/oauth2/token", data=redemption(code))).status_code == 400
    with time_machine.travel("2026-03-02T09:00:00Z", tick=False) as time:
        late = await code_of(browser, steps)
        time.shift(61)
        assert (await browser.post("/oauth2/token", data=redemption(late))).status_code == 400


async def test_a_refresh_token_serves_once(browser: httpx.AsyncClient, steps: Any) -> None:
    first = (await browser.post("/oauth2/token", data=redemption(await code_of(browser, steps)))).json()
    form = {"grant_type": "refresh_token", "refresh_token": first["refresh_token"], "client_id": "kehu-console"}
    second = await browser.post("/oauth2/token", data=form)
    assert second.status_code == 200
    assert second.json()["refresh_token"] != first["refresh_token"]
    assert (await browser.post("/oauth2/token", data=form)).json()["error"] == "invalid_grant"


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"code_challenge": ""}, "invalid_request"),
        ({"code_challenge": f"{REQUEST['code_challenge']}\n"}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"nonce": "some\0nonce"}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"scope": "profile"}, "invalid_scope"),
        ({"state": ""}, "invalid_request"),
    ],
    ids=str,
)
async def test_a_request_that_is_not_in_order_goes_back_to_the_client(
    browser: httpx.AsyncClient, steps: Any, changed: dict[str, str], error: str
) -> None:
    form = {"username": "rm", "password": "rm-demo"}
    for response in (
        await browser.get("/oauth2/authorize", params={**REQUEST, **changed}),
        await browser.post("/oauth2/authorize", params={**REQUEST, **changed}, data=form),
    ):
        assert response.status_code == 303
        assert response.headers["location"].startswith(REQUEST["redirect_uri"])
        assert steps.query_of(response.headers["location"])["error"] == error


@pytest.mark.parametrize(
    "changed",
    [{"client_id": "other"}, {"redirect_uri": "https://evil.test/auth/callback"}, {"redirect_uri": ""}],
    ids=str,
)
async def test_nobody_is_sent_to_an_address_that_is_not_registered(
    browser: httpx.AsyncClient, changed: dict[str, str]
) -> None:
    for method in ("GET", "POST"):
        response = await browser.request(method, "/oauth2/authorize", params={**REQUEST, **changed})
        assert response.status_code == 400
        assert "location" not in response.headers


async def test_the_log_in_page_speaks_both_languages_and_runs_no_script(browser: httpx.AsyncClient) -> None:
    chinese = await browser.get("/oauth2/authorize", params=REQUEST, headers={"Accept-Language": "zh-CN"})
    assert '<html lang="zh-CN">' in chinese.text
    assert "登录" in chinese.text
    english = await browser.get("/oauth2/authorize", params={**REQUEST, "ui_locales": "en"})
    assert "User name" in english.text
    assert "<script" not in english.text
    policy = english.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy


async def test_nothing_of_the_request_gets_into_the_page_unescaped(browser: httpx.AsyncClient) -> None:
    attack = '"><script>alert(1)</script>'
    response = await browser.post(
        "/oauth2/authorize", params={**REQUEST, "state": attack}, data={"username": attack, "password": "x"}
    )
    assert response.status_code == 401
    assert "<script" not in response.text


async def test_a_system_gets_a_token_for_its_secret_in_either_place(browser: httpx.AsyncClient) -> None:
    secret = "a-long-secret-of-core-banking"
    grant = {"grant_type": "client_credentials"}
    in_form = await browser.post("/oauth2/token", data={**grant, "client_id": "core-banking", "client_secret": secret})
    in_header = await browser.post("/oauth2/token", data=grant, auth=("core-banking", secret))
    for response in (in_form, in_header):
        claims = jwt.decode(response.json()["access_token"], options={"verify_signature": False})
        assert (claims["sub"], claims["client_id"], claims["roles"]) == ("core-banking", "core-banking", ["system"])
        assert "staff_id" not in claims
        assert "refresh_token" not in response.json()
    for client, wrong in (
        ("core-banking", "no"),
        ("core-banking", ""),
        ("mobile-bank", secret),
        ("../issuer.pem", "x"),
    ):
        refused = await browser.post("/oauth2/token", data=grant, auth=(client, wrong))
        assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client")


async def test_the_password_grant_is_for_the_command_line_only(browser: httpx.AsyncClient, steps: Any) -> None:
    assert await steps.token_of(browser, "auditor")
    form = {"grant_type": "password", "client_id": "kehu-console", "username": "rm", "password": "rm-demo"}
    assert (await browser.post("/oauth2/token", data=form)).json()["error"] == "unauthorized_client"
    form = {"grant_type": "password", "client_id": "kehu", "username": "rm", "password": "no"}
    assert (await browser.post("/oauth2/token", data=form)).json()["error"] == "invalid_grant"


@pytest.mark.parametrize(
    ("content", "media_type", "status"),
    [
        (b"{}", "application/json", 415),
        (b"a=" + b"x" * 20_000, "application/x-www-form-urlencoded", 413),
        (b"grant_type", "application/x-www-form-urlencoded", 400),
        (b"\xff=\xff", "application/x-www-form-urlencoded", 400),
        (b"", "application/x-www-form-urlencoded", 400),
        (b"grant_type=implicit", "application/x-www-form-urlencoded", 400),
    ],
    ids=["json", "large", "no pair", "not utf-8", "empty", "other grant"],
)
async def test_a_token_request_that_is_no_form_is_refused(
    browser: httpx.AsyncClient, content: bytes, media_type: str, status: int
) -> None:
    response = await browser.post("/oauth2/token", content=content, headers={"content-type": media_type})
    assert response.status_code == status


async def test_userinfo_tells_whom_a_token_speaks_for(browser: httpx.AsyncClient, steps: Any) -> None:
    token = await steps.token_of(browser, "head")
    told = (await browser.get("/oauth2/userinfo", headers={"Authorization": f"Bearer {token}"})).json()
    assert told["sub"] == "head"
    assert (await browser.get("/oauth2/userinfo")).status_code == 401


def write(path: Path, content: bytes) -> None:
    # A new file takes the old one's place, as whoever rotates keys should do.
    fresh = path.with_suffix(".new")
    fresh.write_bytes(content)
    fresh.replace(path)


async def test_keys_rotate_without_a_restart_and_old_tokens_hold_until_their_key_goes(
    browser: httpx.AsyncClient,
    gateway: TestApp,
    gateway_settings: dict[str, Any],
    services: Any,
    steps: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seconds = 0.0
    monkeypatch.setattr("kehu_chassis.auth.monotonic", lambda: seconds)
    services.answers["/api/v1/customers"] = {"items": []}
    path: Path = gateway_settings["issuer_key_file"]

    async def status(token: str) -> int:
        return (await browser.get("/api/v1/customers", headers={"Authorization": f"Bearer {token}"})).status_code

    old_key, new_key = path.read_bytes(), steps.new_key()  # noqa: ASYNC240 - one small file of the test's own.
    old = await steps.token_of(browser)
    assert await status(old) == 200
    write(path, new_key + old_key)
    seconds = 11.0
    new = await steps.token_of(browser)
    assert jwt.get_unverified_header(new)["kid"] != jwt.get_unverified_header(old)["kid"]
    assert (await status(old), await status(new)) == (200, 200)
    write(path, new_key)
    seconds = 400.0
    gateway.runtime.verifier._remembered.clear()
    assert (await status(new), await status(old)) == (200, 401)


@pytest.mark.parametrize("content", [b"", b"nonsense", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"])
def test_a_key_file_without_a_key_stops_the_start(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "issuer.pem"
    path.write_bytes(content)
    with pytest.raises(SigningKeyError, match=r"issuer\.pem"):
        SigningKeys(path)


def test_demo_users_do_not_run_in_production(tmp_path: Path) -> None:
    values = {
        "public_url": PUBLIC_URL,
        "issuer": PUBLIC_URL,
        "console": tmp_path,
        "session_key": "k" * 48,
        "webhook_key_file": tmp_path / "webhook-keys.json",
        "issuer_key_file": tmp_path / "issuer.pem",
        "client_secrets": tmp_path,
    }
    assert test_settings(Settings, "postgresql://host/db", **values).environment == "demo"
    with pytest.raises(ValidationError, match="demo only"):
        test_settings(Settings, "postgresql://host/db", **values, environment="production")
