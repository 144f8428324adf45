"""The HTTP server's own limits: what it takes of a connection before any application sees a request.

uvicorn's parser refuses most of what could be read in two ways (both a length and chunks, two lengths, bare line feeds);
what it leaves is refused here. It also waits for ever for the rest of a head, and takes one of any length: one caller
could hold memory and sockets for nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import FrameType
from typing import Any, Final

import uvicorn
from pydantic_core import to_json
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from kehu_chassis.problems import (
    PROBLEM_JSON,
    HeadTooLarge,
    MalformedRequest,
    Problem,
    RequestTimedOut,
    problem_body,
)
from kehu_chassis.settings import ServiceSettings
from kehu_chassis.tracing import new_trace

__all__ = ["ApiServer", "guarded_protocol"]

_MAX_HEAD_BYTES: Final = 32_768
_MAX_HEADERS: Final = 100
_UNREAD_SECONDS: Final = 60.0
"""How long a caller may leave an answer unread, once the buffers between us are full."""
_ONCE: Final = frozenset({b"authorization", b"content-type", b"host", b"idempotency-key", b"if-match"})
"""Headers that would mean one thing to whoever takes the first and another to whoever takes the last."""


class _Refused(Exception):
    """Stops the parser."""


class _GuardedProtocol(HttpToolsProtocol):
    """uvicorn's protocol with a limit on the size of a request's head and on the time that it may take to arrive.

    A head usually comes in one piece, so that a well-behaved request costs a look at its headers and no timer.
    """

    head_timeout: float
    unread_timeout = _UNREAD_SECONDS

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._is_in_head = False
        self._is_in_body = False
        self._head_bytes = 0
        self._piece = 0
        self._bytes_beside_body = 0
        self._timer: asyncio.TimerHandle | None = None
        self._unread: asyncio.TimerHandle | None = None
        self._problem: type[Problem] = MalformedRequest

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # As uvicorn has it.
        super().connection_made(transport)
        self._timer = self.loop.call_later(self.head_timeout, self._too_slow)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        self._stop_unread()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._piece = len(data)
        was_in_body = self._is_in_body
        self._bytes_beside_body += self._piece
        super().data_received(data)
        if self.transport.is_closing():
            return
        if was_in_body and self._is_in_body and self._bytes_beside_body > _MAX_HEAD_BYTES:
            # Sizes of chunks without their chunks, or what stands behind the last one: it has the limit of a head.
            self._refuse(HeadTooLarge)
        if not self._is_in_head:
            return
        self._head_bytes += len(data)
        if self._head_bytes > _MAX_HEAD_BYTES:
            self._refuse(HeadTooLarge)
        elif self._timer is None:
            self._timer = self.loop.call_later(self.head_timeout, self._too_slow)

    def pause_writing(self) -> None:
        super().pause_writing()
        # Closing would wait for the reader, too.
        self._unread = self.loop.call_later(self.unread_timeout, self.transport.abort)

    def resume_writing(self) -> None:
        self._stop_unread()
        super().resume_writing()

    def on_message_begin(self) -> None:
        self._is_in_head = True
        self._head_bytes = 0
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        # What stands behind the last chunk is no header (RFC 9110, 6.5.1): it comes after the headers were looked at, here
        # and by a proxy in front.
        if self._is_in_head:
            super().on_header(name, value)

    def on_body(self, body: bytes) -> None:
        self._bytes_beside_body = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._is_in_body = False
        super().on_message_complete()

    def on_headers_complete(self) -> None:
        self._is_in_head = False
        self._is_in_body = True
        self._bytes_beside_body = 0
        self._stop_timer()
        is_long = self._head_bytes + self._piece > _MAX_HEAD_BYTES and self._size_of_head() > _MAX_HEAD_BYTES
        if is_long or len(self.headers) > _MAX_HEADERS:
            self._problem = HeadTooLarge
            raise _Refused
        self._check_headers()
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - our own words, in the shape of every refusal.
        """Refuse what the parser stopped at."""
        self._refuse(self._problem)

    def _check_headers(self) -> None:
        is_modern = self.parser.get_http_version() == "1.1"
        seen = set()
        for name, value in self.headers:
            if name in _ONCE:
                if name in seen:
                    raise _Refused
                seen.add(name)
            elif name == b"transfer-encoding" and not (is_modern and value.lower() == b"chunked"):
                # Another coding than chunks would be handed on undone; HTTP/1.0 knows none (RFC 9112, 6.1).
                raise _Refused
        if is_modern and b"host" not in seen:
            raise _Refused

    def _size_of_head(self) -> int:
        return len(self.url) + sum(len(name) + len(value) for name, value in self.headers)

    def _too_slow(self) -> None:
        self._timer = None
        if self._is_in_head:
            self._refuse(RequestTimedOut)
        else:
            # Nothing was asked: browsers open connections that they may need, and are told nothing.
            self.transport.close()

    def _refuse(self, problem: type[Problem]) -> None:
        self._stop_timer()
        if self.transport.is_closing():
            return
        body = to_json(problem_body(problem(), language="en", trace_id=new_trace(0.0).trace_id))
        head = (
            f"content-type: {PROBLEM_JSON}\r\ncontent-length: {len(body)}\r\n"
            "cache-control: no-store\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(STATUS_LINE[problem.status] + head.encode() + body)
        self.transport.close()

    def _stop_unread(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def guarded_protocol(settings: ServiceSettings) -> type[HttpToolsProtocol]:
    """The protocol for a server with these settings."""
    return type("GuardedProtocol", (_GuardedProtocol,), {"head_timeout": settings.head_timeout})


class ApiServer(uvicorn.Server):
    """Tells the application that it is to stop, before it waits for the answers under way.

    Args:
        config: uvicorn's.
        on_stop: called with the signal; an answer without an end would otherwise be waited for.
    """

    def __init__(self, config: uvicorn.Config, on_stop: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_stop = on_stop

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Take the signal."""
        self._on_stop()
        super().handle_exit(sig, frame)
