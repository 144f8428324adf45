"""Forged, foreign and worn-out tokens and codes: refused at the gateway and at each service, and nothing written."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import asyncpg
import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from kehu_chassis.testing.tokens import TestIssuer
from kehu_contracts.access import Role
from kehu_gateway.issuer.rules import challenge_of

from .conftest import Gateway
from .forged import Forger

if TYPE_CHECKING:
    from ..world.bank import World  # noqa: TID252  no installed package holds the world of the tests

VERIFIER = "v" * 64
ROUTES = {
    "customer": ("/api/v1/units", "/api/v1/customers"),
    "segmentation": ("/api/v1/segments", "/api/v1/segments"),
    "complaints": ("/api/v1/complaints", "/api/v1/complaints"),
    "campaigns": ("/api/v1/campaigns", "/api/v1/campaigns"),
}


def forger_of(token: str, key: Ed25519PrivateKey) -> Forger:
    return Forger(key, jwt.get_unverified_header(token)["kid"], jwt.decode(token, options={"verify_signature": False}))


def refused(answer: httpx.Response, what: str) -> None:
    assert (answer.status_code, answer.json()["code"]) == (401, "auth.token_invalid"), what
    assert answer.headers["content-type"] == "application/problem+json", what
    assert answer.headers["www-authenticate"].startswith("Bearer "), what


async def test_the_gateway_lets_no_forged_token_through(gateway: Gateway) -> None:
    key = load_pem_private_key((gateway.folder / "issuer.pem").read_bytes(), None)
    assert isinstance(key, Ed25519PrivateKey)
    forger = forger_of(await gateway.token("compliance"), key)
    async with gateway.client() as client:
        for what, token in forger.tokens().items():
            for method in ("GET", "POST"):
                headers = {b"authorization": b"Bearer " + token.encode("latin-1")}
                refused(await client.request(method, "/api/v1/units", headers=headers), what)
        good = forger.good()
        refused(await client.get("/api/v1/units", params={"access_token": good}), "in the address")
        for name, value in (("Authorization", f"Basic {good}"), ("Cookie", f"kehu_session={good}")):
            refused(await client.get("/api/v1/units", headers={name: value}), name)
        assert gateway.seen == []
        # The forger knows how: what is refused above is refused for what is wrong with it alone.
        assert (await client.get("/api/v1/units", headers={"Authorization": f"Bearer {good}"})).status_code == 200
        huge = {"Authorization": "Bearer " + "x" * 100_000}
        assert (await client.get("/api/v1/units", headers=huge)).status_code == 431


@pytest.mark.parametrize("service", ROUTES)
async def test_a_service_that_is_reached_without_the_gateway_looks_as_closely(world: World, service: str) -> None:
    served = world.services[service]
    issuer: TestIssuer = served.app.issuer
    forger = forger_of(issuer.token(Role), issuer.published[issuer.key_id])
    client = await served.app.client()
    before = await served.contents()
    reads, writes = ROUTES[service]
    for what, token in forger.tokens().items():
        headers = {b"authorization": b"Bearer " + token.encode("latin-1")}
        refused(await client.get(reads, headers=headers), what)
        refused(await client.post(writes, headers=headers, json={}), what)
    assert (await client.get(reads, headers={"Authorization": f"Bearer {forger.good()}"})).status_code == 200
    assert await served.contents() == before


def asked(gateway: Gateway, **changed: str) -> dict[str, str]:
    return {
        "response_type": "code",
        "client_id": "kehu-console",
        "redirect_uri": f"{gateway.url}/auth/callback",
        "scope": "openid",
        "state": "some-state",
        "code_challenge": challenge_of(VERIFIER),
        "code_challenge_method": "S256",
        **changed,
    }


def redeemed(gateway: Gateway, code: str, **changed: str | None) -> dict[str, str]:
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "client_id": "kehu-console",
        "redirect_uri": f"{gateway.url}/auth/callback",
        "code_verifier": VERIFIER,
        **changed,
    }
    return {name: value for name, value in form.items() if value is not None}


async def code_of(gateway: Gateway, client: httpx.AsyncClient) -> str:
    form = {"username": "rm", "password": "rm-demo"}
    answer = await client.post("/oauth2/authorize", params=asked(gateway), data=form)
    assert answer.status_code == 303
    return parse_qs(urlsplit(answer.headers["location"]).query)["code"][0]


async def kept(gateway: Gateway) -> dict[str, int]:
    """How many codes, refresh tokens and sessions there are."""
    connection = await asyncpg.connect(gateway.database.dsn())
    tables = ("authorization_codes", "refresh_tokens", "sessions")
    counts = {name: await connection.fetchval(f"SELECT count(*) FROM gateway.{name}") for name in tables}  # noqa: S608
    await connection.close()
    return counts


@pytest.mark.parametrize(
    "changed",
    [
        {"code_challenge": ""},
        {"code_challenge_method": "plain"},
        {"code_challenge_method": ""},
        {"redirect_uri": "https://evil.test/auth/callback"},
        {"redirect_uri": "http://127.0.0.1/auth/callback"},
        {"client_id": "kehu"},
        {"response_type": "token"},
    ],
    ids=str,
)
async def test_no_code_is_given_for_a_request_out_of_order(gateway: Gateway, changed: dict[str, str]) -> None:
    before = await kept(gateway)
    async with gateway.client() as client:
        form = {"username": "rm", "password": "rm-demo"}
        answer = await client.post("/oauth2/authorize", params=asked(gateway, **changed), data=form)
    if {"redirect_uri", "client_id"} & changed.keys():
        assert (answer.status_code, "location" in answer.headers) == (400, False)
    else:
        assert answer.status_code == 303
        assert "code=" not in answer.headers["location"]
        assert "error=" in answer.headers["location"]
    assert await kept(gateway) == before


@pytest.mark.parametrize(
    "changed",
    [
        {"code_verifier": None},
        {"code_verifier": challenge_of(VERIFIER)},
        {"code_verifier": "w" * 64},
        {"client_id": "kehu"},
        {"client_id": None},
        {"redirect_uri": "https://evil.test/"},
    ],
    ids=str,
)
async def test_a_code_is_worth_nothing_to_anybody_else(gateway: Gateway, changed: dict[str, Any]) -> None:
    async with gateway.client() as client:
        code = await code_of(gateway, client)
        before = await kept(gateway)
        answer = await client.post("/oauth2/token", data=redeemed(gateway, code, **changed))
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
    after = await kept(gateway)
    assert after == {**before, "authorization_codes": before["authorization_codes"] - 1}


async def test_neither_code_nor_refresh_token_serves_twice_or_another_client(gateway: Gateway) -> None:
    async with gateway.client() as client:
        form = redeemed(gateway, await code_of(gateway, client))
        first = await client.post("/oauth2/token", data=form)
        assert first.status_code == 200
        before = await kept(gateway)
        assert (await client.post("/oauth2/token", data=form)).json()["error"] == "invalid_grant"
        assert await kept(gateway) == before
        stolen = {"grant_type": "refresh_token", "refresh_token": first.json()["refresh_token"], "client_id": "kehu"}
        for client_id in ("kehu", "kehu-console"):
            answer = await client.post("/oauth2/token", data={**stolen, "client_id": client_id})
            assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
    assert await kept(gateway) == {**before, "refresh_tokens": before["refresh_tokens"] - 1}


async def test_a_key_id_opens_no_file_and_no_connection(gateway: Gateway, tmp_path: Path) -> None:
    # A verifier that took the key's name for a place would find a key there that it could use.
    own = Ed25519PrivateKey.generate()
    key_set = {"keys": [{**jwt.get_algorithm_by_name("EdDSA").to_jwk(own.public_key(), as_dict=True), "kid": "x"}]}
    place = tmp_path / "keys.json"
    place.write_text(str(key_set))
    good = jwt.decode(await gateway.token("rm"), options={"verify_signature": False})
    async with gateway.client() as client:
        for key_id in (str(place), place.as_uri(), f"../../../../../..{place}"):
            forged = Forger(own, key_id, good).good()
            refused(await client.get("/api/v1/units", headers={"Authorization": f"Bearer {forged}"}), key_id)
    assert gateway.seen == []
