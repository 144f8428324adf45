"""Reads from one service to another: a stated timeout, retries of what can recover, and a typed failure to fall back on.

    directory = ServiceClient("http://127.0.0.1:8101", token=ClientCredentials(...))
    try:
        found = await directory.post_json("/api/v1/contact-resolutions", body)
    except CallFailed:
        ...  # the caller's fallback

Never call from inside a transaction or on a write path. Retried are failures to connect and 502, 503 and 504, with
jittered back-off; never another answer. The trace goes along.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from time import monotonic
from types import TracebackType
from typing import Any, Final, Self

import httpx
import stamina
from pydantic import SecretStr

from kehu_chassis.tracing import current_traceparent

__all__ = ["CallFailed", "CallRefused", "ClientCredentials", "ServiceClient", "TokenSource"]

TokenSource = Callable[[], Awaitable[str]]
"""Gives the bearer token for a call."""

_TRANSIENT: Final = frozenset({502, 503, 504})


class CallFailed(Exception):
    """The service did not answer in time, or answered that it cannot at present."""


class CallRefused(Exception):
    """The service answered with a refusal; asking again would not help.

    Attributes:
        status: of the answer.
        code: of the problem, empty when the answer is none.
    """

    def __init__(self, status: int, code: str) -> None:
        super().__init__(f"{status} {code}")
        self.status = status
        self.code = code


class _TransientAnswer(Exception):
    pass


class ClientCredentials:
    """Tokens for a system, by the client credentials grant; each is used until shortly before it expires."""

    def __init__(self, token_url: str, client_id: str, client_secret: SecretStr) -> None:
        self._token_url = token_url
        self._client_id = client_id
        self._client_secret = client_secret
        self._token = ""
        self._until = 0.0
        self._lock = asyncio.Lock()

    async def __call__(self) -> str:
        """A token that holds for at least half a minute.

        Raises:
            CallFailed: the issuer does not answer or refuses.
        """
        async with self._lock:
            if monotonic() >= self._until:
                await self._fetch()
            return self._token

    async def _fetch(self) -> None:
        try:
            async with httpx.AsyncClient(timeout=2.0, trust_env=False) as client:
                response = await client.post(
                    self._token_url,
                    data={"grant_type": "client_credentials"},
                    auth=(self._client_id, self._client_secret.get_secret_value()),
                )
                response.raise_for_status()
                told = response.json()
                self._token = str(told["access_token"])
                self._until = monotonic() + float(told["expires_in"]) - 30
        except (httpx.HTTPError, ValueError, KeyError, TypeError):
            raise CallFailed("no token for calls between services") from None


class ServiceClient:
    """Calls one service.

    Args:
        base_url: scheme, host and port.
        token: where the bearer token comes from; without it, give `token=` with each call.
        timeout: seconds for one try; connecting may take half a second of it.
        attempts: how often a transient failure is tried, the first included.
        transport: for tests.
    """

    def __init__(
        self,
        base_url: str,
        *,
        token: TokenSource | None = None,
        timeout: float = 2.0,
        attempts: int = 3,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._client = httpx.AsyncClient(
            base_url=base_url,
            timeout=httpx.Timeout(timeout, connect=0.5, pool=0.5),
            transport=transport,
            trust_env=False,
        )
        self._token = token
        self._attempts = attempts

    async def get_json(self, path: str, *, params: Mapping[str, Any] | None = None, token: str | None = None) -> Any:
        """GET a resource.

        Raises:
            CallFailed: no answer in time, after all attempts.
            CallRefused: an answer of 400 to 499, or an unexpected one.
        """
        return await self._call("GET", path, params=params, token=token)

    async def post_json(self, path: str, body: Any, *, token: str | None = None) -> Any:
        """POST a question whose answer changes nothing (a search, a resolution); it may be sent more than once.

        Raises:
            CallFailed: no answer in time, after all attempts.
            CallRefused: an answer of 400 to 499, or an unexpected one.
        """
        return await self._call("POST", path, json=body, token=token)

    async def _call(self, method: str, path: str, *, token: str | None, **options: Any) -> Any:
        bearer = token if token is not None else (await self._token() if self._token is not None else None)
        headers = {} if bearer is None else {"Authorization": f"Bearer {bearer}"}
        traceparent = current_traceparent()
        if traceparent is not None:
            headers["traceparent"] = traceparent
        try:
            async for attempt in stamina.retry_context(
                on=(httpx.TransportError, _TransientAnswer),
                attempts=self._attempts,
                wait_initial=0.05,
                wait_max=0.5,
                wait_jitter=0.05,
            ):
                with attempt:
                    response = await self._send(method, path, headers=headers, **options)
        except (httpx.TransportError, _TransientAnswer) as error:
            raise CallFailed(f"{method} {path}: {type(error).__name__}") from None
        return _content(response)

    async def _send(self, method: str, path: str, **options: Any) -> httpx.Response:
        response = await self._client.request(method, path, **options)
        if response.status_code in _TRANSIENT:
            raise _TransientAnswer
        return response

    async def close(self) -> None:
        """Give the connections back."""
        await self._client.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()


def _content(response: httpx.Response) -> Any:
    try:
        content = response.json()
    except ValueError:
        raise CallRefused(response.status_code, "") from None
    if response.is_success:
        return content
    raise CallRefused(response.status_code, str(content.get("code", "")) if isinstance(content, dict) else "")
