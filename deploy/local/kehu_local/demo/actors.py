"""The people and systems of the demo bank, acting through the gateway with tokens of their own."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Final, Self
from uuid import UUID

import httpx

from kehu_local.api import token_of_client, token_of_user
from kehu_local.demo.organisation import SOURCE
from kehu_local.failures import Failed
from kehu_local.plan import Plan

__all__ = ["Actors"]

AT_ONCE: Final = 12
USERS: Final = ("rm", "handler", "marketer", "compliance", "head")
CLIENTS: Final = ("mobile-bank",)


class Actors:
    """`await actors.post("handler", path, body, key=…)`. The same key again has the first effect only."""

    def __init__(self, plan: Plan, run: str) -> None:
        self._plan = plan
        self._run = run
        self._known: dict[str, UUID] = {}
        self._turn = asyncio.Semaphore(AT_ONCE)

    async def __aenter__(self) -> Self:
        tokens = {user: token_of_user(self._plan, user) for user in USERS}
        tokens |= {client: token_of_client(self._plan, client) for client in CLIENTS}
        self._clients = {
            name: httpx.AsyncClient(
                base_url=self._plan.gateway_url,
                headers={"Authorization": f"Bearer {token}"},
                timeout=30,
                limits=httpx.Limits(max_connections=AT_ONCE),
            )
            for name, token in tokens.items()
        }
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for client in self._clients.values():
            await client.aclose()

    async def post(self, who: str, path: str, body: object, *, key: str) -> Any:
        """Do something once. Raises `Failed` when it is refused."""
        async with self._turn:
            response = await self._clients[who].post(
                f"/api/v1{path}", json=body, headers={"Idempotency-Key": f"demo-{self._run}-{key}"}
            )
        return _answer(response)

    async def get(self, who: str, path: str, **parameters: str) -> Any:
        """Read something. Raises `Failed` when it is refused."""
        async with self._turn:
            response = await self._clients[who].get(f"/api/v1{path}", params=parameters)
        return _answer(response)

    async def customer(self, source_id: str) -> UUID:
        """The customer that the core calls so."""
        if source_id not in self._known:
            found = await self.get("mobile-bank", "/source-records", source=SOURCE, source_id=source_id)
            self._known[source_id] = UUID(found["items"][0]["customer_id"])
        return self._known[source_id]

    async def customers(self, source_ids: Sequence[str]) -> list[UUID]:
        """The same for many, several at a time."""
        return list(await asyncio.gather(*(self.customer(source_id) for source_id in source_ids)))


def _answer(response: httpx.Response) -> Any:
    if response.is_success:
        return response.json()
    try:
        problem = response.json()
    except ValueError:
        problem = {}
    request = response.request
    errors = "; ".join(f"{error['pointer']} {error['detail']}" for error in problem.get("errors", ()))
    raise Failed(
        f"{request.method} {request.url.path}: {response.status_code} {problem.get('code', '')} {errors}",
        "The demo bank does what the API allows; see the logs of gateway and service.",
    )
