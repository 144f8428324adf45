"""The two limits that a request passes: that of its address before anything is done, then that of who calls."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final, cast

from fastapi import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kehu_chassis.http import current_principal
from kehu_chassis.problems import TooManyRequests, Unauthenticated
from kehu_gateway.limits.addresses import client_address
from kehu_gateway.limits.rules import Limit, Standing
from kehu_gateway.resources import GatewayResources

__all__ = ["AddressLimit", "CallerLimit"]

Header = tuple[bytes, bytes]

_UNCOUNTED: Final = frozenset({"/health/live", "/health/ready", "/metrics"})


def _resources(scope: Scope) -> GatewayResources:
    return cast("GatewayResources", scope["app"].state.runtime.resources)


class AddressLimit:
    """Counts every request against its address; outermost, so that a flood costs no look-up and no signature check."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand on.

        Raises:
            TooManyRequests: the address has used up its limit.
        """
        if scope["type"] == "http" and scope["path"] not in _UNCOUNTED:
            limits = _resources(scope).limits
            standing = limits.buckets.ask(limits.address, client_address(scope, limits.trusted))
            if not standing.allowed:
                raise _refusal(limits.address, standing)
        await self._app(scope, receive, send)


class CallerLimit:
    """Counts calls of the API against the principal. Behind the sessions, so that a session is its user's token."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand on, and tell the caller what is left.

        Raises:
            TooManyRequests: the caller has used up the limit.
        """
        if scope["type"] != "http" or not scope["path"].startswith("/api/"):
            await self._app(scope, receive, send)
            return
        try:
            principal = await current_principal(Request(scope))
        except Unauthenticated:
            # The route says so itself, in its own words; the address has been counted.
            await self._app(scope, receive, send)
            return
        limits = _resources(scope).limits
        limit = limits.person if principal.client_id is None else limits.system
        standing = limits.buckets.ask(limit, principal.subject)
        if not standing.allowed:
            raise _refusal(limit, standing)
        told = (b"ratelimit", _told(limit, standing).encode())

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = _guarded(message.get("headers", ()), told)
            await send(message)

        await self._app(scope, receive, answer)


def _guarded(headers: Iterable[Header], told: Header) -> list[Header]:
    """Answers are about people: no cache keeps one, unless the service says how, and no browser guesses what it is."""
    guarded = [*headers, told, (b"x-content-type-options", b"nosniff")]
    if not any(name == b"cache-control" for name, _ in guarded):
        guarded.append((b"cache-control", b"no-store"))
    return guarded


def _refusal(limit: Limit, standing: Standing) -> TooManyRequests:
    wait = max(1, math.ceil(standing.wait))
    return TooManyRequests(
        f"Come back in {wait} s: {limit.rate:g} requests a second, {limit.burst} at once.",
        detail_zh=f"请在 {wait} 秒后重试：每秒最多 {limit.rate:g} 次请求，瞬时最多 {limit.burst} 次。",
        headers={
            "Retry-After": str(wait),
            "RateLimit-Policy": f'"{limit.name}";q={limit.burst};w={math.ceil(limit.burst / limit.rate)}',
            "RateLimit": _told(limit, standing),
        },
    )


def _told(limit: Limit, standing: Standing) -> str:
    return f'"{limit.name}";r={standing.remaining};t={standing.reset}'
