"""Begin, find, renew and end console sessions."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, Final
from urllib.parse import urlencode
from weakref import WeakValueDictionary

import jwt
from sqlalchemy import bindparam, delete, insert, select, update

from kehu_chassis.auth import Principal, TokenVerifier
from kehu_chassis.clock import technical_now
from kehu_chassis.database import Database, Record, Transaction
from kehu_chassis.problems import DependencyUnavailable, Language, Problem, Unauthenticated
from kehu_gateway.issuer.rules import challenge_of
from kehu_gateway.sessions.providers import Provider, TokensRefused
from kehu_gateway.sessions.rules import safe_return
from kehu_gateway.sessions.sealing import Sealer
from kehu_gateway.sessions.tables import sessions

__all__ = ["LoginRefused", "Session", "Sessions", "forget_expired"]

_LOGIN_LIFE: Final = timedelta(minutes=10)
_SEEN_EVERY: Final = timedelta(minutes=1)
_RENEW_BEFORE: Final = timedelta(seconds=60)

_FIND: Final = select(sessions).where(sessions.c.session_digest == bindparam("digest"))
_SEE: Final = (
    update(sessions).where(sessions.c.session_digest == bindparam("digest")).values(last_seen_at=bindparam("now"))
)


class LoginRefused(Problem):
    """The log-in did not come back as it went out."""

    status = 400
    code = "session.login_refused"
    title = "The log-in failed"
    title_zh = "登录失败"


@dataclass(frozen=True, slots=True)
class Session:
    """A session that holds."""

    session_id: str
    name: str
    access_token: str
    principal: Principal


class Sessions:
    """Console sessions in PostgreSQL.

    Args:
        database: the gateway's.
        provider: where people log in.
        verifier: of access tokens.
        sealer: seals tokens and the log-in's state.
        redirect_uri: where the provider sends the browser back to.
        client_id: of the console.
        idle: how long a session may rest.
        life: how long it may last.
    """

    def __init__(  # noqa: PLR0913 - what a log-in needs.
        self,
        *,
        database: Database,
        provider: Provider,
        verifier: TokenVerifier,
        sealer: Sealer,
        redirect_uri: str,
        client_id: str,
        idle: timedelta,
        life: timedelta,
    ) -> None:
        self._database = database
        self._provider = provider
        self._verifier = verifier
        self._sealer = sealer
        self._redirect_uri = redirect_uri
        self._client_id = client_id
        self._idle = idle
        self._life = life
        self._renewing: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def begin_login(self, return_to: str, language: Language) -> tuple[str, str]:
        """Where to send the browser, and the sealed state for its log-in cookie."""
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        query = {
            "response_type": "code",
            "client_id": self._client_id,
            "redirect_uri": self._redirect_uri,
            "scope": "openid",
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge_of(verifier),
            "code_challenge_method": "S256",
            "ui_locales": language,
        }
        endpoint = await self._provider.authorization_endpoint()
        remembered = {
            "state": state,
            "nonce": nonce,
            "verifier": verifier,
            "return_to": safe_return(return_to),
            "until": (technical_now() + _LOGIN_LIFE).isoformat(),
        }
        separator = "&" if "?" in endpoint else "?"
        return f"{endpoint}{separator}{urlencode(query)}", self._sealer.seal(remembered, purpose="login").hex()

    async def finish_login(self, parameters: Mapping[str, str], cookie: str) -> tuple[str, str]:
        """The new session's id, and the page to go to.

        Raises:
            LoginRefused: state, code or tokens are not those of this log-in.
        """
        remembered = self._opened(cookie)
        if remembered is None or datetime.fromisoformat(remembered["until"]) < technical_now():
            raise LoginRefused(
                "The log-in took too long or began in another browser.", detail_zh="登录已超时，请重试。"
            )
        if not _equal(parameters.get("state", ""), remembered["state"]):
            raise LoginRefused("The answer belongs to another log-in.", detail_zh="登录状态不匹配，请重试。")
        # RFC 9207: an answer of another issuer must not be mixed up with ours.
        if parameters.get("iss", self._provider.issuer) != self._provider.issuer or "code" not in parameters:
            raise LoginRefused("The issuer did not log you in.", detail_zh="身份服务未完成登录。")
        form = {
            "grant_type": "authorization_code",
            "code": parameters["code"],
            "redirect_uri": self._redirect_uri,
            "code_verifier": remembered["verifier"],
        }
        try:
            tokens = await self._provider.tokens(form)
        except TokensRefused:
            raise LoginRefused("The issuer did not take the code.", detail_zh="授权码无效，请重试。") from None
        principal, name = await self._identify(tokens, remembered["nonce"])
        return await self._begin(tokens, principal, name), remembered["return_to"]

    async def find(self, session_id: str, *, is_use: bool = True) -> Session | None:
        """The session, its token renewed when it is about to expire; None when it is over.

        What a page does by itself, such as opening its live stream again, is no use: it does not keep the session awake.
        """
        digest = _digest(session_id)
        now = technical_now()
        async with self._database.begin(read_only=True) as tx:
            row = await tx.first(_FIND, {"digest": digest})
        if row is None or row["expires_at"] <= now or row["last_seen_at"] + self._idle <= now:
            return None
        if row["token_expires_at"] - now < _RENEW_BEFORE:
            row = await self._renewed(session_id, row, is_use=is_use)
            if row is None:
                return None
        elif is_use and now - row["last_seen_at"] > _SEEN_EVERY:
            async with self._database.begin() as tx:
                await tx.execute(_SEE, {"digest": digest, "now": now})
        tokens = self._sealer.open(row["tokens"], purpose="session", context=session_id)
        if tokens is None:
            return None
        try:
            principal = await self._verifier.verify(tokens["access_token"])
        except Unauthenticated:
            return None
        return Session(session_id, row["name"], tokens["access_token"], principal)

    async def end(self, session_id: str) -> None:
        """Log out."""
        async with self._database.begin() as tx:
            await tx.execute(delete(sessions).where(sessions.c.session_digest == _digest(session_id)))

    def csrf_token(self, session_id: str) -> str:
        """What the console sends with each write; a page of another site cannot know it."""
        return self._sealer.mark("csrf", session_id)

    def csrf_fits(self, session_id: str, given: str) -> bool:
        """Whether a write carries the session's token."""
        return _equal(given, self.csrf_token(session_id))

    def _opened(self, cookie: str) -> dict[str, Any] | None:
        try:
            return self._sealer.open(bytes.fromhex(cookie), purpose="login")
        except ValueError:
            return None

    async def _identify(self, tokens: Mapping[str, Any], nonce: str) -> tuple[Principal, str]:
        try:
            principal = await self._verifier.verify(str(tokens["access_token"]))
            # Its signature need not be checked, since it came straight from the token endpoint (OpenID Connect Core,
            # 3.1.3.7, 6); whose it is and for which log-in must be.
            claims = jwt.decode(
                str(tokens["id_token"]),
                options={"verify_signature": False, "verify_aud": True, "verify_iss": True, "verify_exp": True},
                audience=self._client_id,
                issuer=self._provider.issuer,
                leeway=5,
            )
        except (KeyError, Unauthenticated, jwt.InvalidTokenError):
            raise LoginRefused(
                "The issuer's tokens are not valid here.", detail_zh="身份服务返回的令牌无效。"
            ) from None
        if claims.get("nonce") != nonce or claims.get("sub") != principal.subject:
            raise LoginRefused("The issuer's answer belongs to another log-in.", detail_zh="登录状态不匹配，请重试。")
        return principal, str(claims.get("name") or principal.subject)[:200]

    async def _begin(self, tokens: Mapping[str, Any], principal: Principal, name: str) -> str:
        session_id = secrets.token_urlsafe(32)
        now = technical_now()
        async with self._database.begin() as tx:
            await tx.execute(
                insert(sessions).values(
                    session_digest=_digest(session_id),
                    subject=principal.subject,
                    name=name,
                    tokens=self._sealed(tokens, session_id),
                    token_expires_at=_expiry(tokens, now),
                    created_at=now,
                    last_seen_at=now,
                    expires_at=now + self._life,
                )
            )
        return session_id

    async def _renewed(self, session_id: str, row: Record, *, is_use: bool) -> Record | None:
        # One renewal at a time in this process. Another process may win the race for the refresh token, which serves
        # once: then its row is the one to go on with.
        lock = self._renewing.setdefault(session_id, asyncio.Lock())
        digest = _digest(session_id)
        async with lock:
            async with self._database.begin(read_only=True) as tx:
                current = await tx.first(_FIND, {"digest": digest})
            if current is None or current["token_expires_at"] != row["token_expires_at"]:
                return current
            held = self._sealer.open(current["tokens"], purpose="session", context=session_id) or {}
            tokens = await self._refreshed(held)
            async with self._database.begin() as tx:
                if tokens is None:
                    return await self._after_lost_race(tx, digest, current)
                now = technical_now()
                return await tx.first(
                    update(sessions)
                    .where(sessions.c.session_digest == digest)
                    .values(
                        tokens=self._sealed({**held, **tokens}, session_id),
                        token_expires_at=_expiry(tokens, now),
                        last_seen_at=now if is_use else row["last_seen_at"],
                    )
                    .returning(sessions)
                )

    async def _refreshed(self, held: Mapping[str, Any]) -> Mapping[str, Any] | None:
        if not held.get("refresh_token"):
            return None
        try:
            return await self._provider.tokens(
                {"grant_type": "refresh_token", "refresh_token": str(held["refresh_token"])}
            )
        except (TokensRefused, DependencyUnavailable):
            return None

    async def _after_lost_race(self, tx: Transaction, digest: bytes, before: Record) -> Record | None:
        now_there = await tx.first(_FIND, {"digest": digest})
        if now_there is None or now_there["token_expires_at"] != before["token_expires_at"]:
            return now_there
        # Not renewed by anyone. The token in hand serves until it expires, and the session with it.
        return now_there if now_there["token_expires_at"] > technical_now() else None

    def _sealed(self, tokens: Mapping[str, Any], session_id: str) -> bytes:
        kept = {name: tokens[name] for name in ("access_token", "refresh_token") if tokens.get(name)}
        return self._sealer.seal(kept, purpose="session", context=session_id)


async def forget_expired(tx: Transaction, idle: timedelta) -> None:
    """Delete sessions that are over."""
    now = technical_now()
    await tx.execute(delete(sessions).where((sessions.c.expires_at < now) | (sessions.c.last_seen_at < now - idle)))


def _expiry(tokens: Mapping[str, Any], now: datetime) -> datetime:
    return now + timedelta(seconds=float(tokens.get("expires_in", 300)))


def _equal(given: str, ours: str) -> bool:
    # As bytes: of texts only ASCII is compared, and what a caller sends may be anything.
    return secrets.compare_digest(given.encode(), ours.encode())


def _digest(session_id: str) -> bytes:
    return sha256(session_id.encode()).digest()
