"""Tokens: only what the issuer signed for us, in time, is taken; keys may be rotated; nothing is fetched needlessly."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID, uuid4

import httpx
import jwt
import pytest
import time_machine

from kehu_chassis.auth import TokenVerifier
from kehu_chassis.problems import DependencyUnavailable, Unauthenticated
from kehu_chassis.testing.tokens import AUDIENCE, ISSUER, TestIssuer
from kehu_contracts.access import Permission, Reach, Role

STAFF = UUID("018f0000-0000-7000-8000-000000000001")


@pytest.fixture
def issuer() -> TestIssuer:
    return TestIssuer()


def _tampered(token: str, header: dict[str, Any]) -> str:
    """The token with another header, its signature kept."""
    _, body, signature = token.split(".")
    head = base64.urlsafe_b64encode(json.dumps(header).encode()).rstrip(b"=").decode()
    return f"{head}.{body}.{signature}"


async def test_a_token_gives_roles_staff_reach_and_permissions(issuer: TestIssuer) -> None:
    principal = await issuer.verifier().verify(issuer.token([Role.MARKETER], STAFF, subject="wang"))
    assert principal.subject == "wang"
    assert principal.roles == {Role.MARKETER}
    assert principal.staff_id == STAFF
    assert (principal.scope.kind, principal.scope.staff_id) == (Reach.SUBTREE, STAFF)
    assert Permission.CAMPAIGN_WRITE in principal.permissions
    assert Permission.CAMPAIGN_REVIEW not in principal.permissions


async def test_the_widest_reach_of_several_roles_holds_and_unknown_roles_are_ignored(issuer: TestIssuer) -> None:
    verifier = issuer.verifier()
    both = await verifier.verify(issuer.token([Role.MARKETER, Role.AUDITOR, "janitor"], STAFF))
    assert both.scope.kind is Reach.ALL
    assert both.roles == {Role.MARKETER, Role.AUDITOR}


async def test_a_role_bound_to_a_unit_reaches_nothing_without_a_staff_id(issuer: TestIssuer) -> None:
    principal = await issuer.verifier().verify(issuer.token([Role.RELATIONSHIP_MANAGER]))
    assert principal.scope.kind is Reach.NONE


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "http://elsewhere.test"},
        {"aud": "another"},
        {"exp": 1},
        {"exp": None},
        {"exp": 4_000_000_000_000},
        {"exp": 10**400},
        {"iat": None},
        {"nbf": 4_000_000_000},
        {"sub": None},
        {"sub": "a\x00b"},
        {"staff_id": "not-a-uuid"},
        {"roles": "marketer"},
    ],
    ids=str,
)
async def test_a_token_with_a_wrong_claim_is_refused(issuer: TestIssuer, claims: dict[str, Any]) -> None:
    with pytest.raises(Unauthenticated) as refusal:
        await issuer.verifier().verify(issuer.token([Role.AUDITOR], STAFF, **claims))
    assert refusal.value.headers["WWW-Authenticate"].startswith("Bearer")


async def test_an_unsigned_or_symmetrically_signed_token_is_refused(issuer: TestIssuer) -> None:
    verifier = issuer.verifier()
    genuine = issuer.token([Role.AUDITOR])
    claims = jwt.decode(genuine, options={"verify_signature": False})
    public = (await issuer.key_set())["keys"][0]["x"]
    forged = [
        jwt.encode(claims, "", algorithm="none", headers={"kid": issuer.key_id}),
        jwt.encode(claims, public.ljust(32, "="), algorithm="HS256", headers={"kid": issuer.key_id}),
        jwt.encode(claims, "k" * 32, algorithm="HS256", headers={"kid": issuer.key_id}),
        _tampered(genuine, {"alg": "none", "kid": issuer.key_id}),
        _tampered(genuine, {"alg": "EdDSA"}),
        genuine[:-6] + "AAAAAA",
        TestIssuer().token([Role.AUDITOR]),
        "",
        "a.b",
        "a" * 10_000,
    ]
    for token in forged:
        with pytest.raises(Unauthenticated):
            await verifier.verify(token)


async def test_a_verified_token_is_remembered_until_it_expires(issuer: TestIssuer) -> None:
    verifier = issuer.verifier()
    with time_machine.travel(1_800_000_000, tick=False) as time:
        token = issuer.token([Role.AUDITOR], expires_in=60)
        first = await verifier.verify(token)
        assert verifier.recall(token) is first
        time.shift(61)
        assert verifier.recall(token) is None


async def test_a_verified_token_is_remembered_for_five_minutes_at_most(issuer: TestIssuer) -> None:
    verifier = issuer.verifier()
    with time_machine.travel(1_800_000_000, tick=False) as time:
        token = issuer.token([Role.AUDITOR], expires_in=3_600)
        await verifier.verify(token)
        time.shift(299)
        assert verifier.recall(token) is not None
        time.shift(1)
        assert verifier.recall(token) is None


async def test_a_token_holds_for_the_five_seconds_by_which_clocks_may_differ(issuer: TestIssuer) -> None:
    with time_machine.travel(1_800_000_000, tick=False) as time:
        token = issuer.token([Role.AUDITOR], expires_in=60)
        time.shift(64)
        assert (await issuer.verifier().verify(token)).roles == {Role.AUDITOR}
        time.shift(1)
        with pytest.raises(Unauthenticated):
            await issuer.verifier().verify(token)


async def test_the_memory_of_tokens_is_bounded(issuer: TestIssuer) -> None:
    verifier = TokenVerifier(issuer=ISSUER, audience=AUDIENCE, keys=issuer.key_set, capacity=2)
    tokens = [issuer.token([Role.AUDITOR]) for _ in range(3)]
    for token in tokens:
        await verifier.verify(token)
    assert [verifier.recall(token) is not None for token in tokens] == [False, True, True]


async def test_a_new_key_is_fetched_when_a_token_names_it_but_not_more_often_than_every_ten_seconds(
    issuer: TestIssuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = 0.0
    monkeypatch.setattr("kehu_chassis.auth.monotonic", lambda: seconds)
    verifier = issuer.verifier()
    await verifier.verify(issuer.token([Role.AUDITOR]))
    issuer.rotate()
    seconds = 11.0
    await verifier.verify(issuer.token([Role.AUDITOR]))
    assert issuer.fetches == 2
    stranger = TestIssuer()
    for _ in range(5):
        with pytest.raises(Unauthenticated):
            await verifier.verify(stranger.token([Role.AUDITOR]))
    assert issuer.fetches == 2
    seconds = 22.0
    with pytest.raises(Unauthenticated):
        await verifier.verify(stranger.token([Role.AUDITOR]))
    assert issuer.fetches == 3


async def test_a_withdrawn_key_ends_the_tokens_that_it_signed_even_remembered_ones(
    issuer: TestIssuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = 0.0
    monkeypatch.setattr("kehu_chassis.auth.monotonic", lambda: seconds)
    verifier = issuer.verifier()
    old = issuer.token([Role.AUDITOR])
    await verifier.verify(old)
    issuer.rotate(publish_all=False)
    seconds = 20.0
    await verifier.verify(issuer.token([Role.AUDITOR]))
    assert verifier.recall(old) is None
    with pytest.raises(Unauthenticated):
        await verifier.verify(old)


async def test_a_withdrawn_key_is_noticed_within_five_minutes_though_no_token_names_a_new_one(
    issuer: TestIssuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = 0.0
    monkeypatch.setattr("kehu_chassis.auth.monotonic", lambda: seconds)
    verifier = issuer.verifier()
    tokens = [issuer.token([Role.AUDITOR]) for _ in range(3)]
    await verifier.verify(tokens[0])
    issuer.rotate(publish_all=False)
    seconds = 300.0
    await verifier.verify(tokens[1])
    seconds = 301.0
    with pytest.raises(Unauthenticated):
        await verifier.verify(tokens[2])
    assert [verifier.recall(token) for token in tokens] == [None] * 3


async def test_known_keys_hold_on_while_the_issuer_is_away(issuer: TestIssuer, monkeypatch: pytest.MonkeyPatch) -> None:
    seconds, away = 0.0, False

    async def keys() -> Mapping[str, Any]:
        if away:
            raise httpx.ConnectError("refused")
        return await issuer.key_set()

    monkeypatch.setattr("kehu_chassis.auth.monotonic", lambda: seconds)
    verifier = TokenVerifier(issuer=ISSUER, audience=AUDIENCE, keys=keys)
    await verifier.verify(issuer.token([Role.AUDITOR], subject="before"))
    away, seconds = True, 3600.0
    assert (await verifier.verify(issuer.token([Role.AUDITOR], subject="after"))).subject == "after"


async def test_a_key_that_is_published_for_encryption_signs_no_token(issuer: TestIssuer) -> None:
    async def keys() -> Mapping[str, Any]:
        return {"keys": [{**key, "use": "enc"} for key in (await issuer.key_set())["keys"]]}

    verifier = TokenVerifier(issuer=ISSUER, audience=AUDIENCE, keys=keys)
    with pytest.raises(Unauthenticated):
        await verifier.verify(issuer.token([Role.AUDITOR]))


async def test_before_any_key_could_be_had_the_service_is_unavailable_and_not_the_token_wrong(
    issuer: TestIssuer,
) -> None:
    async def keys() -> Mapping[str, Any]:
        raise httpx.ConnectError("refused")

    with pytest.raises(DependencyUnavailable):
        await TokenVerifier(issuer=ISSUER, audience=AUDIENCE, keys=keys).verify(issuer.token([Role.AUDITOR]))


async def test_a_symmetric_key_in_the_key_set_is_never_used(issuer: TestIssuer) -> None:
    secret = b"s" * 32
    key_id = uuid4().hex

    async def keys() -> Mapping[str, Any]:
        known = await issuer.key_set()
        oct_key = {"kty": "oct", "kid": key_id, "k": base64.urlsafe_b64encode(secret).decode(), "alg": "HS256"}
        return {"keys": [oct_key, *known["keys"]]}

    verifier = TokenVerifier(issuer=ISSUER, audience=AUDIENCE, keys=keys)
    claims = jwt.decode(issuer.token([Role.AUDITOR]), options={"verify_signature": False})
    with pytest.raises(Unauthenticated):
        await verifier.verify(jwt.encode(claims, secret, algorithm="HS256", headers={"kid": key_id}))
