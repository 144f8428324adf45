"""Everything below /api/v1 that the gateway does not answer itself."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from fastapi import APIRouter, Request
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from kehu_chassis.http import current_principal, limited_body
from kehu_chassis.problems import NotFound
from kehu_gateway.proxy.rules import owner_of
from kehu_gateway.resources import resources_of

__all__ = ["Proxy", "routes"]

_ANNOUNCES_A_BODY: Final = frozenset({b"content-length", b"transfer-encoding"})
_ENCODED_SLASH: Final = re.compile(rb"%(?:2f|5c)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Label:
    """What stands for the route in log lines and metrics; the service's own line names the template."""

    path: str


class Proxy:
    """An ASGI application: verify the token, find the service, pass on."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request.

        Raises:
            Unauthenticated: without a valid token.
            NotFound: no service owns the path.
            BodyTooLarge: the body is longer than the gateway takes.
            RequestTimedOut: it did not arrive in time.
            UnsupportedMediaType: it is compressed.
        """
        request = Request(scope, receive)
        await current_principal(request)
        # A segment that hides a slash would be another path for whoever decodes it later.
        owner = None if _ENCODED_SLASH.search(scope["raw_path"]) else owner_of(scope["path"])
        if owner is None:
            raise NotFound
        scope["route"] = _Label(f"(proxy) {owner}")
        body = None
        if any(name in _ANNOUNCES_A_BODY for name, _ in scope["headers"]):
            body = await limited_body(request)
        await resources_of(request).upstreams[owner].forward(scope, body or None, send)


routes = APIRouter(include_in_schema=False)
routes.routes.append(Route("/api/v1/{path:path}", Proxy(), include_in_schema=False))
