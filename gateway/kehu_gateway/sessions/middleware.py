"""Turns a console session into the bearer token that everything behind it asks for."""

from __future__ import annotations

from http.cookies import CookieError, SimpleCookie
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from kehu_chassis.problems import Forbidden
from kehu_gateway.resources import GatewayResources

__all__ = ["SESSION_COOKIE", "CsrfRefused", "SessionMiddleware", "session_cookie"]

SESSION_COOKIE: Final = "kehu_session"
_LIVE: Final = "/api/v1/events"
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})


class CsrfRefused(Forbidden):
    """A write by a session without the session's CSRF token: perhaps another site made the browser send it."""

    code = "session.csrf_refused"
    title = "The X-CSRF-Token header is missing or wrong"
    title_zh = "X-CSRF-Token 请求头缺失或有误"


def session_cookie(scope: Scope) -> str | None:
    """The session id that the browser sent."""
    for name, value in scope["headers"]:
        if name == b"cookie" and SESSION_COOKIE.encode() in value:
            try:
                found = SimpleCookie(value.decode("latin-1")).get(SESSION_COOKIE)
            except CookieError:
                return None
            return None if found is None else found.value
    return None


class SessionMiddleware:
    """For requests to the API with a session cookie and no token of their own.

    A session that is over is as no session: the route answers 401. The cookie goes no further than here.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Add the session's token and hand on.

        Raises:
            CsrfRefused: a write without the session's CSRF token.
        """
        if scope["type"] == "http" and scope["path"].startswith("/api/"):
            session_id = session_cookie(scope)
            if session_id is not None and not any(name == b"authorization" for name, _ in scope["headers"]):
                await self._add_token(scope, session_id)
        await self._app(scope, receive, send)

    async def _add_token(self, scope: Scope, session_id: str) -> None:
        resources: GatewayResources = scope["app"].state.runtime.resources
        session = await resources.sessions.find(session_id, is_use=scope["path"] != _LIVE)
        if session is None:
            return
        if scope["method"] not in _SAFE:
            given = next((value for name, value in scope["headers"] if name == b"x-csrf-token"), b"").decode("latin-1")
            if not resources.sessions.csrf_fits(session_id, given):
                raise CsrfRefused
        token = (b"authorization", f"Bearer {session.access_token}".encode())
        # The same mapping goes on, so that the layers outside see what the route adds to it.
        scope["headers"] = [(name, value) for name, value in scope["headers"] if name != b"cookie"] + [token]
