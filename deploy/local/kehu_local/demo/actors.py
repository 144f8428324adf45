"""The people and systems of the demo bank, acting through the gateway with tokens of their own."""

from __future__ import annotations

import asyncio
import time
from http import HTTPStatus
from types import TracebackType
from typing import Any, Final, Self
from uuid import UUID

import aiohttp

from kehu_local.api import token_of_client, token_of_user
from kehu_local.demo.organisation import SOURCE
from kehu_local.failures import Failed
from kehu_local.plan import Plan

__all__ = ["Actors"]

AT_ONCE: Final = 12
USERS: Final = ("handler", "marketer", "compliance")
SYSTEM: Final = "mobile-bank"
PATIENCE: Final = 300.0
"""Seconds for which a busy suite is asked again: a service on a machine that has other work may be slow to answer."""
_BUSY: Final = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})


class Actors:
    """`await actors.post("handler", path, body, key=…)`. The same key again has the first effect only."""

    def __init__(self, plan: Plan, run: str) -> None:
        self._plan = plan
        self._run = run
        self._by_number: dict[str, UUID] = {}

    async def __aenter__(self) -> Self:
        tokens = {user: token_of_user(self._plan, user) for user in USERS}
        tokens[SYSTEM] = token_of_client(self._plan, SYSTEM)
        self._headers = {name: {"Authorization": f"Bearer {token}"} for name, token in tokens.items()}
        self._http = aiohttp.ClientSession(
            self._plan.gateway_url,
            connector=aiohttp.TCPConnector(limit=AT_ONCE),
            # Waiting for one's turn counts, too: thousands stand in line.
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=30),
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.close()

    async def post(self, who: str, path: str, body: object, *, key: str) -> Any:
        """Do something once. Raises `Failed` when it is refused."""
        headers = self._headers[who] | {"Idempotency-Key": f"demo-{self._run}-{key}"}
        return await self._call("POST", path, headers=headers, json=body)

    async def get(self, who: str, path: str, **parameters: str) -> Any:
        """Read something. Raises `Failed` when it is refused."""
        return await self._call("GET", path, headers=self._headers[who], params=parameters)

    async def meet_customers(self) -> None:
        """Learn the ids of all customers, by their numbers.

        Raises:
            Failed: numbers were not given in the order in which the core stated the customers.
        """
        cursor: str | None = None
        while True:
            page = await self.get(SYSTEM, "/customers", limit="200", **({} if cursor is None else {"cursor": cursor}))
            # The number is C, ten digits that count the customers, and a check digit.
            self._by_number |= {
                f"P{int(found['customer_number'][1:-1]):06}": UUID(found["id"]) for found in page["items"]
            }
            cursor = page["next_cursor"]
            if cursor is None:
                break
        for source_id in (min(self._by_number), max(self._by_number)):
            known = await self.get(SYSTEM, "/source-records", source=SOURCE, source_id=source_id)
            if [UUID(found["customer_id"]) for found in known["items"]] != [self._by_number[source_id]]:
                raise Failed(
                    "The suite has other customers than the demo bank's.",
                    "Start with an empty data folder (--data FOLDER), or without the demo bank: DEMO=0",
                )

    def customer(self, source_id: str) -> UUID:
        """The customer that the core calls so."""
        return self._by_number[source_id]

    async def _call(self, method: str, path: str, **options: Any) -> Any:
        deadline = time.monotonic() + PATIENCE
        while True:
            wait = 1.0
            try:
                async with self._http.request(method, f"/api/v1{path}", **options) as response:
                    if response.ok:
                        return await response.json()
                    told, is_busy = await _refusal(response), response.status in _BUSY
                    wait = float(response.headers.get("Retry-After", "1"))
            except (aiohttp.ClientConnectionError, TimeoutError) as error:
                # Whether it was done is not known: sent again under its key, it is done once.
                told, is_busy = f"no answer ({type(error).__name__})", True
            if not is_busy or time.monotonic() > deadline:
                raise Failed(f"{method} {path}: {told}", f"See the logs of gateway and service in {self._plan.logs}.")
            await asyncio.sleep(wait)


async def _refusal(response: aiohttp.ClientResponse) -> str:
    try:
        content = await response.json()
    except (aiohttp.ContentTypeError, ValueError):
        content = {}
    errors = "; ".join(f"{error['pointer']} {error['detail']}" for error in content.get("errors", ()))
    return f"{response.status} {content.get('code', '')} {errors}".rstrip()
