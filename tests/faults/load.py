"""Clients that write over HTTP and remember what they were told."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections import Counter, deque
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

import httpx

from .suite import FaultySuite

__all__ = ["PLAN", "Clients", "Sent"]

TRANSIENT: Final = frozenset({408, 429, 502, 503, 504})
STEPS: Final[tuple[tuple[str, dict[str, Any]], ...]] = (
    ("acceptances", {}),
    ("investigations", {}),
    ("decisions", {"outcome": "upheld"}),
    ("notifications", {"channel": "phone"}),
    ("closures", {}),
)
"""How a case is closed."""
PLAN: Final[dict[str, Any]] = {
    "code": "after-the-outage",
    "name": "春季存款",
    "objective": "留住到期资金",
    "channel": "sms",
    "product_code": "TD-12M",
    "message": "{{ salutation }}您好，{{ product }} 今日开售。退订回复T。",
    "ends_at": "2030-12-31T00:00:00Z",
}
"""A campaign that lacks its audience alone."""


@dataclass
class Sent:
    """One write: what was asked, and the answer once there was one."""

    kind: str
    path: str
    body: Any
    key: str
    answer: dict[str, Any] | None = None
    repeated: bool = False
    """Whether the answer was the one that an earlier try had got, and not heard."""


@dataclass
class Clients:
    """Writers who send each write, under one Idempotency-Key, until they have an answer.

    `refused` has the answers that no client should ever get: a correct write that was turned down, or a fault of ours.
    """

    suite: FaultySuite
    random: Random
    unit_id: str = ""
    sent: list[Sent] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    failures: Counter[str] = field(default_factory=Counter)
    last_failures: deque[str] = field(default_factory=lambda: deque(maxlen=5))
    _tokens: dict[str, str] = field(default_factory=dict)
    _customers: deque[str] = field(default_factory=deque)
    _cases: deque[tuple[str, int]] = field(default_factory=deque)

    async def run(self, stop: asyncio.Event, writers: int) -> None:
        """Write until told to stop; then finish what is under way."""
        limits = httpx.Limits(max_connections=writers, max_keepalive_connections=writers)
        async with (
            httpx.AsyncClient(base_url=self.suite.url, timeout=10, limits=limits) as client,
            asyncio.TaskGroup() as group,
        ):
            for _ in range(writers):
                group.create_task(self._write_on(client, stop))

    async def write(self, client: httpx.AsyncClient, user: str, kind: str, path: str, body: Any, **how: Any) -> Sent:
        """One write, sent again until it is answered."""
        sent = Sent(kind, path, body, uuid.uuid4().hex)
        self.sent.append(sent)
        headers = {"Idempotency-Key": sent.key, **how.get("headers", {})}
        answer = await self.ask(client, user, how.get("method", "POST"), path, json=body, headers=headers)
        if answer.is_success:
            sent.answer, sent.repeated = answer.json(), "idempotency-replayed" in answer.headers
        elif not (answer.status_code == 422 and how.get("may_be_refused")):
            self.refused.append(f"{path}: {answer.status_code} {answer.text}")
        return sent

    async def ask(self, client: httpx.AsyncClient, user: str, method: str, path: str, **request: Any) -> httpx.Response:
        """The answer to a request, however often it takes."""
        headers = request.pop("headers", {})
        again = TRANSIENT | request.pop("again", frozenset())
        while True:
            try:
                if user not in self._tokens:
                    self._tokens[user] = await asyncio.to_thread(self.suite.token, user)
                token = self._tokens[user]
                bearer = {"Authorization": f"Bearer {token}"}
                answer = await client.request(method, path, headers=headers | bearer, **request)
            except Exception as error:  # noqa: BLE001  whatever kept the answer from us, the write is sent again
                self._failed(type(error).__name__, f"{method} {path}: {error!r}")
            else:
                if answer.status_code == 401:
                    # It has expired, after an hour; another writer may have noticed before, and have a new one.
                    if self._tokens.get(user) == token:
                        del self._tokens[user]
                elif answer.status_code not in again:
                    return answer
                self._failed(str(answer.status_code), f"{method} {path}: {answer.status_code} {answer.text}")
            await asyncio.sleep(0.2)

    def _failed(self, kind: str, told: str) -> None:
        self.failures[kind] += 1
        self.last_failures.append(told)

    async def _write_on(self, client: httpx.AsyncClient, stop: asyncio.Event) -> None:
        while not stop.is_set():
            began = time.monotonic()
            draw = self.random.random()
            if draw < 0.25 or len(self._customers) < 4:
                await self._register(client)
            elif draw < 0.8:
                await self._about_a_customer(client, draw)
            elif draw < 0.87 or not self._cases:
                await self._complain(client)
            else:
                await self._take_a_step(client)
            # A person at a counter, not a flood: faults are what is tried here.
            await asyncio.sleep(max(0.0, 0.05 - (time.monotonic() - began)))

    async def _register(self, client: httpx.AsyncClient) -> None:
        body = {"kind": "individual", "name": "王小明", "unit_id": self.unit_id, "occupation": uuid.uuid4().hex[:20]}
        sent = await self.write(client, "mobile-bank", "register", "/api/v1/customers", body)
        if sent.answer:
            self._customers.append(sent.answer["id"])

    async def _about_a_customer(self, client: httpx.AsyncClient, draw: float) -> None:
        # Taken out while it is worked on: two writers would rightly find one another's version stale.
        customer = self._customers.popleft()
        path = f"/api/v1/customers/{customer}"
        marker = uuid.uuid4().hex[:20]
        if draw < 0.5:
            body = {
                "purpose": "marketing",
                "channel": self.random.choice(("sms", "phone")),
                "status": self.random.choice(("granted", "withdrawn")),
                "notice_version": "2026-01",
                "proof": marker,
            }
            await self.write(client, "mobile-bank", "consent", f"{path}/consents", body)
        elif draw < 0.6:
            phone = {"type": "phone", "value": f"+8613{self.random.randrange(10**9):09d}"}
            await self.write(client, "mobile-bank", "contact point", f"{path}/contact-points", phone)
        elif draw < 0.7:
            told = {"kind": "call", "channel": "phone", "direction": "inbound"}
            await self.write(client, "mobile-bank", "interaction", f"{path}/interactions", told)
        else:
            read = await self.ask(client, "mobile-bank", "GET", path)
            match = {"If-Match": read.headers["etag"]}
            change = {"industry": marker}
            await self.write(client, "mobile-bank", "profile", path, change, method="PATCH", headers=match)
        self._customers.append(customer)

    async def _complain(self, client: httpx.AsyncClient) -> None:
        # Of a new customer the complaints service may not have heard yet: then it turns the case down.
        customer = self.random.choice(self._customers) if self._customers else None
        body = {"channel": "phone", "narrative": "Charged twice.", "customer_id": customer, "unit_id": self.unit_id}
        sent = await self.write(client, "handler", "complaint", "/api/v1/complaints", body, may_be_refused=True)
        if sent.answer:
            self._cases.append((sent.answer["complaint_id"], 0))

    async def _take_a_step(self, client: httpx.AsyncClient) -> None:
        case, step = self._cases.popleft()
        noun, body = STEPS[step]
        await self.write(client, "handler", "complaint step", f"/api/v1/complaints/{case}/{noun}", body)
        if step + 1 < len(STEPS):
            self._cases.append((case, step + 1))
