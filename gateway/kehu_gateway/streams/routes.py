"""GET /api/v1/events: what happens, as it happens (server-sent events)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, suppress
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import jwt
from fastapi import Header, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from kehu_chassis import metrics
from kehu_chassis.auth import Principal
from kehu_chassis.http import bearer_token, requires, router, runtime_of
from kehu_chassis.problems import problems
from kehu_chassis.telemetry import get_logger
from kehu_gateway.resources import resources_of
from kehu_gateway.streams.service import TooManyStreams, stream

__all__ = ["EventStream", "routes"]

log = get_logger(__name__)

SEND_WITHIN: Final = 10.0
"""Seconds that a chunk may wait for a caller who does not read; then the connection is cut."""

routes = router("/events", tags=["events"])
Caller = Annotated[Principal, requires()]


class EventStream(Response):
    """Sends chunks for as long as there are any and the caller reads them."""

    media_type = "text/event-stream"

    def __init__(self, chunks: AsyncIterator[bytes] | None = None, ended: Callable[[], None] = lambda: None) -> None:
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._chunks = chunks
        self._ended = ended

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002  ASGI's shape
        """Stream until the end, or until the caller is gone."""
        writing = asyncio.create_task(self._write(send))
        gone = asyncio.create_task(_disconnected(receive))
        try:
            await asyncio.wait((writing, gone), return_when=asyncio.FIRST_COMPLETED)
            if writing.done():
                writing.result()
        finally:
            for task in (writing, gone):
                task.cancel()
            with suppress(asyncio.CancelledError):
                await writing
            self._ended()

    async def _write(self, send: Send) -> None:
        assert self._chunks is not None
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        # Closed at once, not when the collector comes by: it may be within a transaction.
        async with aclosing(self._chunks) as chunks:  # type: ignore[type-var]
            async for chunk in chunks:
                try:
                    async with asyncio.timeout(SEND_WITHIN):
                        await send({"type": "http.response.body", "body": chunk, "more_body": True})
                except TimeoutError:
                    metrics.STREAMS_CUT.inc()
                    log.info("stream.cut")
                    return
        await send({"type": "http.response.body", "body": b""})


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _expiry(token: str) -> datetime:
    # Verified already when the caller was.
    claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return datetime.fromtimestamp(claims["exp"], UTC)


@routes.get(
    "",
    response_class=EventStream,
    status_code=200,
    responses={
        200: {"description": "Events without end; `id` is for Last-Event-ID", "content": {"text/event-stream": {}}},
        **problems(TooManyStreams, 503),
    },
)
async def read_events(
    request: Request,
    caller: Caller,
    last_event_id: Annotated[str | None, Header(description="The id of the last event that was seen")] = None,
) -> EventStream:
    """Stream what happens to whatever the caller may read, as it happens.

    Each event is JSON: id, type, subject, sequence, time, data. With `Last-Event-ID` the stream goes on where it was left;
    `event: reset` says that this is no longer possible, and that what is shown has to be read anew. A stream ends when
    the caller's token expires.
    """
    resources = resources_of(request)
    resources.places.take(caller.subject)
    feed = resources.feed
    database = runtime_of(request).database

    async def chunks() -> AsyncIterator[bytes]:
        with feed.listening():
            async for chunk in stream(database, feed, caller, last_event_id, _expiry(bearer_token(request))):
                yield chunk

    return EventStream(chunks(), lambda: resources.places.free(caller.subject))
