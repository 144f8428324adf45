"""Health and metrics, asked by machines: live (the process runs) and ready (it can do its work)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

__all__ = ["Check", "health_routes"]

Check = Callable[[], Awaitable[None]]
"""Returns when all is well and raises when not."""

_NO_STORE: Final = {"Cache-Control": "no-store"}


def health_routes(checks: Mapping[str, Check]) -> list[Route]:
    """`/health/live`, `/health/ready` (200, or 503 with the names of the checks that fail) and `/metrics`."""

    async def live(_: Request) -> Response:
        return _answer({"status": "ok"}, 200)

    async def ready(_: Request) -> Response:
        states = {name: await _state(check) for name, check in checks.items()}
        well = all(state == "ok" for state in states.values())
        return _answer({"status": "ok" if well else "unavailable", "checks": states}, 200 if well else 503)

    async def metrics(_: Request) -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return [
        Route("/health/live", live, include_in_schema=False),
        Route("/health/ready", ready, include_in_schema=False),
        Route("/metrics", metrics, include_in_schema=False),
    ]


async def _state(check: Check) -> str:
    try:
        await check()
    except Exception as error:  # noqa: BLE001 - whatever a check raises means that it failed; the type tells why.
        return type(error).__name__
    return "ok"


def _answer(content: Mapping[str, object], status: int) -> Response:
    return Response(to_json(content), status_code=status, media_type="application/json", headers=_NO_STORE)
