"""Tokens: who calls, what he may do and which rows he reaches.

A token is verified once (signature, algorithm, issuer, audience, expiry) and remembered until it expires, at most five
minutes; the memory is bounded and is emptied when the issuer's keys change. What a role may do and reach stands in
`kehu_contracts.access`.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from time import monotonic, time
from typing import Annotated, Any, Final
from uuid import UUID

import httpx
import jwt
import structlog
from pydantic import BaseModel, Field, ValidationError

from kehu_chassis.problems import DependencyUnavailable, Unauthenticated
from kehu_chassis.scope import Scope
from kehu_chassis.settings import SigningAlgorithm
from kehu_contracts.access import PERMISSIONS, REACH, Permission, Reach, Role

__all__ = ["Claims", "JwksSource", "KeySource", "Principal", "TokenVerifier", "principal_of"]

log = structlog.get_logger(__name__)

_REMEMBERED_SECONDS: Final = 300.0
_REFETCH_SECONDS: Final = 10.0
_STALE_SECONDS: Final = 300.0
_LEEWAY_SECONDS: Final = 5
_MAX_TOKEN_LENGTH: Final = 8192
_END_OF_TIME: Final = 253_402_300_799
"""The last second of the year 9999: an expiry beyond it is no moment, but milliseconds perhaps."""
_CONTROL_FREE = Field(pattern=r"^[^\x00-\x1f\x7f]+$", max_length=200)


@dataclass(frozen=True, slots=True)
class Principal:
    """Who calls. `scope` is what the database is told; `permissions` what routes ask for."""

    subject: str
    roles: frozenset[Role]
    staff_id: UUID | None
    client_id: str | None
    scope: Scope
    permissions: frozenset[Permission]


class Claims(BaseModel):
    """What Kehu reads from a token. Roles that it does not know are ignored: an issuer may serve other systems too."""

    sub: Annotated[str, _CONTROL_FREE]
    exp: Annotated[int, Field(le=_END_OF_TIME)]
    roles: list[str] = Field(default_factory=list)
    staff_id: UUID | None = None
    client_id: Annotated[str, _CONTROL_FREE] | None = None


def principal_of(claims: Claims) -> Principal:
    """The principal that claims describe; the widest reach of the roles holds."""
    known = {role.value for role in Role}
    roles = frozenset(Role(name) for name in claims.roles if name in known)
    reaches = {REACH[role] for role in roles}
    if Reach.ALL in reaches:
        scope = Scope(Reach.ALL, claims.staff_id)
    elif Reach.SUBTREE in reaches and claims.staff_id is not None:
        scope = Scope(Reach.SUBTREE, claims.staff_id)
    else:
        scope = Scope(Reach.NONE, claims.staff_id)
    return Principal(
        subject=claims.sub,
        roles=roles,
        staff_id=claims.staff_id,
        client_id=claims.client_id,
        scope=scope,
        permissions=frozenset().union(*(PERMISSIONS[role] for role in roles)),
    )


KeySource = Callable[[], Awaitable[Mapping[str, Any]]]
"""Gives a JSON Web Key Set; raises `httpx.HTTPError` or `ValueError` when there is none to be had."""


class JwksSource:
    """Fetches a key set over HTTP: 2 s to answer, no retry, since the verifier asks again when it needs to."""

    def __init__(self, url: str) -> None:
        self._url = url

    async def __call__(self) -> Mapping[str, Any]:
        """Fetch the key set."""
        async with httpx.AsyncClient(timeout=2.0, trust_env=False) as client:
            response = await client.get(self._url)
            response.raise_for_status()
            keys: Mapping[str, Any] = response.json()
            return keys


class TokenVerifier:
    """Verifies tokens of one issuer.

    Args:
        issuer: the `iss` that a token must carry.
        audience: the `aud` that a token must carry.
        keys: where the issuer's keys come from. They are fetched when first needed, again after five minutes, and when
            a token names a key that is not known, at most every ten seconds. When the issuer does not answer, the keys
            that are known go on to hold.
        algorithms: the signatures that are taken; asymmetric ones only.
        capacity: how many verified tokens are remembered.
    """

    def __init__(
        self,
        *,
        issuer: str,
        audience: str,
        keys: KeySource,
        algorithms: Sequence[SigningAlgorithm] = ("EdDSA",),
        capacity: int = 10_000,
    ) -> None:
        self._issuer = issuer
        self._audience = audience
        self._source = keys
        self._algorithms = tuple(algorithms)
        self._capacity = capacity
        self._keys: dict[str, jwt.PyJWK] = {}
        self._fetched_at: float | None = None
        self._tried_at: float | None = None
        self._lock = asyncio.Lock()
        self._remembered: OrderedDict[str, tuple[Principal, float]] = OrderedDict()

    def recall(self, token: str) -> Principal | None:
        """The principal of a token that was verified before and still holds."""
        found = self._remembered.get(token)
        if found is None:
            return None
        principal, until = found
        if until <= time():
            del self._remembered[token]
            return None
        return principal

    async def verify(self, token: str) -> Principal:
        """The principal of a token.

        Raises:
            Unauthenticated: the token is malformed, forged, expired, or meant for someone else.
            DependencyUnavailable: the issuer's keys cannot be had.
        """
        principal = self.recall(token)
        if principal is not None:
            return principal
        claims = await self._claims(token)
        principal = principal_of(claims)
        self._remembered[token] = (principal, min(float(claims.exp), time() + _REMEMBERED_SECONDS))
        while len(self._remembered) > self._capacity:
            self._remembered.popitem(last=False)
        return principal

    async def _claims(self, token: str) -> Claims:
        if len(token) > _MAX_TOKEN_LENGTH:
            raise _refusal("The token is too long.", "令牌过长。")
        try:
            header = jwt.get_unverified_header(token)
        except jwt.InvalidTokenError:
            raise _refusal("The token cannot be read.", "无法解析令牌。") from None
        key_id = header.get("kid")
        if header.get("alg") not in self._algorithms or not isinstance(key_id, str):
            raise _refusal("The token is not signed as this service requires.", "令牌的签名方式不符合要求。")
        if "crit" in header or _has_doubles(token):
            raise _refusal("The token cannot be read in one way only.", "令牌内容有歧义。")
        key = await self._key(key_id)
        try:
            payload = jwt.decode(
                token,
                key,
                algorithms=list(self._algorithms),
                audience=self._audience,
                issuer=self._issuer,
                leeway=_LEEWAY_SECONDS,
                options={"require": ["exp", "iat", "iss", "aud", "sub"]},
            )
            return Claims.model_validate(payload)
        except jwt.ExpiredSignatureError:
            raise _refusal("The token has expired.", "令牌已过期。") from None
        except (jwt.InvalidTokenError, ValidationError):
            raise _refusal("The token is not valid here.", "令牌在此无效。") from None

    async def _key(self, key_id: str) -> jwt.PyJWK:
        if key_id not in self._keys or self._age() > _STALE_SECONDS:
            async with self._lock:
                if key_id not in self._keys or self._age() > _STALE_SECONDS:
                    await self._refresh()
        key = self._keys.get(key_id)
        if key is not None:
            return key
        if self._fetched_at is None:
            raise DependencyUnavailable(
                "The issuer's signing keys cannot be had at present.",
                detail_zh="暂时无法取得令牌签发方的公钥。",
                headers={"Retry-After": "5"},
            )
        raise _refusal("The token is signed with a key that its issuer does not publish.", "令牌的签名密钥未知。")

    def _age(self) -> float:
        return float("inf") if self._fetched_at is None else monotonic() - self._fetched_at

    async def _refresh(self) -> None:
        now = monotonic()
        # Before the first success every second counts: a service may come up before its issuer does.
        pause = _REFETCH_SECONDS if self._fetched_at is not None else 0.5
        if self._tried_at is not None and now - self._tried_at < pause:
            return
        self._tried_at = now
        try:
            keys = _usable_keys(await self._source(), self._algorithms)
        except (httpx.HTTPError, ValueError) as error:
            log.warning("auth.keys_not_fetched", error=type(error).__name__, known_keys=len(self._keys))
            return
        if keys.keys() != self._keys.keys():
            # A key that was withdrawn must not live on in remembered tokens.
            self._remembered.clear()
        self._keys = keys
        self._fetched_at = monotonic()


def _has_doubles(token: str) -> bool:
    """Whether header or claims name something twice: one reader would take the first, another the last."""
    doubled = False

    def note(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal doubled
        found = dict(pairs)
        doubled = doubled or len(found) < len(pairs)
        return found

    for part in token.split(".")[:2]:
        try:
            json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)), object_pairs_hook=note)
        except ValueError:
            return True
    return doubled


def _usable_keys(key_set: Mapping[str, Any], algorithms: Sequence[str]) -> dict[str, jwt.PyJWK]:
    found: dict[str, jwt.PyJWK] = {}
    for entry in key_set.get("keys", ()):
        if not isinstance(entry, dict) or entry.get("kty") == "oct" or not isinstance(entry.get("kid"), str):
            continue
        if entry.get("use", "sig") != "sig":
            continue
        try:
            key = jwt.PyJWK(entry)
        except jwt.PyJWTError:
            continue
        if key.algorithm_name in algorithms:
            found[entry["kid"]] = key
    return found


def _refusal(detail: str, detail_zh: str) -> Unauthenticated:
    return Unauthenticated(
        detail, detail_zh=detail_zh, headers={"WWW-Authenticate": 'Bearer realm="kehu", error="invalid_token"'}
    )
