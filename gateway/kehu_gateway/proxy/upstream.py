"""One service behind the gateway: its connections, time limits and breaker."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import aiohttp
from pydantic_core import from_json
from starlette.types import Scope, Send
from yarl import URL

from kehu_chassis.problems import DependencyUnavailable, Problem
from kehu_chassis.telemetry import get_logger
from kehu_chassis.tracing import current_traceparent
from kehu_gateway.proxy.breaker import Breaker
from kehu_gateway.proxy.rules import answer_headers, request_headers

__all__ = ["Read", "ServiceTimedOut", "Upstream", "open_client"]

log = get_logger(__name__)

_WHOLE_BYTES: Final = 65_536
"""Up to this size an answer is passed on in one piece; a larger one as it comes."""


class ServiceTimedOut(Problem):
    """The service took the request and did not answer in time; whether it acted on it is not known."""

    status = 504
    code = "gateway.timeout"
    title = "The service did not answer in time"
    title_zh = "服务响应超时"


@dataclass(frozen=True, slots=True)
class Read:
    """What a service answered to a read by the gateway itself."""

    status: int
    content: Any


def open_client(*, connect: float, silence: float) -> aiohttp.ClientSession:
    """The connections to all services.

    Args:
        connect: seconds to connect.
        silence: seconds that an answer may pause.
    """
    return aiohttp.ClientSession(
        # Shorter than the services keep a connection, so that none is used in the moment in which it is closed.
        connector=aiohttp.TCPConnector(limit=0, limit_per_host=100, keepalive_timeout=20),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=connect, sock_read=silence),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        skip_auto_headers=("User-Agent", "Accept-Encoding", "Accept", "Content-Type"),
        trust_env=False,
    )


class Upstream:
    """A service.

    Args:
        name: of the service.
        address: scheme, host and port.
        client: shared by all upstreams.
    """

    def __init__(self, name: str, address: str, client: aiohttp.ClientSession) -> None:
        self.name = name
        self._address = address
        self._client = client
        self._breaker = Breaker()

    async def forward(self, scope: Scope, body: bytes | None, send: Send) -> None:
        """Pass a request on, and its answer back as it comes.

        Raises:
            DependencyUnavailable: the service cannot be reached, or breaks off in a short answer.
            ServiceTimedOut: it fell silent before it answered.
        """
        query: bytes = scope["query_string"]
        path = scope["raw_path"].decode("latin-1") + (f"?{query.decode('latin-1')}" if query else "")
        headers = request_headers(scope["headers"])
        begun = False
        try:
            async with self._request(scope["method"], path, headers, body) as answer:
                whole = await _whole_body(answer)
                self._breaker.succeeded()
                begun = True
                await _pass_on(answer, whole, send)
        except (aiohttp.ClientError, TimeoutError) as error:
            if begun:
                # The caller has the head of the answer already: cutting the connection is the only way to tell him.
                raise
            raise self._failure(error) from None

    async def read(self, path: str, *, token: str | None, language: str = "", timeout: float) -> Read:
        """GET on behalf of a caller, for a composed view.

        Raises:
            DependencyUnavailable: the service cannot be reached, or answers that it cannot at present.
            ServiceTimedOut: it did not answer within `timeout` seconds.
        """
        headers = {"accept": "application/json", **({"accept-language": language} if language else {})}
        if token is not None:
            headers["authorization"] = f"Bearer {token}"
        try:
            async with asyncio.timeout(timeout), self._request("GET", path, headers, None) as answer:
                body = await answer.read()
                self._breaker.succeeded()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise self._failure(error) from None
        if answer.status >= 500:
            raise DependencyUnavailable
        try:
            return Read(answer.status, from_json(body))
        except ValueError:
            raise DependencyUnavailable from None

    def _request(self, method: str, path: str, headers: dict[str, str], body: bytes | None) -> Any:
        if not self._breaker.allows():
            raise self._unreachable()
        traceparent = current_traceparent()
        if traceparent is not None:
            headers["traceparent"] = traceparent
        # The path goes on byte for byte: decoded and encoded again it could become another one.
        url = URL(self._address + path, encoded=True)
        return self._client.request(method, url, headers=headers, data=body, allow_redirects=False)

    def _failure(self, error: Exception) -> Problem:
        self._breaker.failed()
        log.warning("gateway.service_failed", upstream=self.name, error=type(error).__name__)
        if isinstance(error, TimeoutError) and not isinstance(error, aiohttp.ConnectionTimeoutError):
            return ServiceTimedOut()
        return self._unreachable()

    def _unreachable(self) -> DependencyUnavailable:
        return DependencyUnavailable(
            f"The {self.name} service cannot be reached.",
            detail_zh=f"服务 {self.name} 暂时不可用。",
            headers={"Retry-After": "2"},
        )


async def _whole_body(answer: aiohttp.ClientResponse) -> bytes | None:
    """The body of an answer that is short enough to be had before the caller is told anything; None of a longer one."""
    length = answer.content_length
    return await answer.read() if length is not None and length <= _WHOLE_BYTES else None


async def _pass_on(answer: aiohttp.ClientResponse, whole: bytes | None, send: Send) -> None:
    headers = answer_headers(answer.raw_headers)
    length = answer.content_length if whole is None else len(whole)
    if length is not None:
        headers.append((b"content-length", str(length).encode()))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    if whole is None:
        async for chunk in answer.content.iter_any():
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body", "body": whole or b""})


def service_addresses(settings: Any) -> Mapping[str, str]:
    """Where each service is reached."""
    return {
        "customer": settings.customer_url,
        "segmentation": settings.segmentation_url,
        "complaints": settings.complaints_url,
        "campaigns": settings.campaigns_url,
    }
