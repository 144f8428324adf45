"""A partner's server, and a gateway whose operator and worker deal with it."""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import Any
from uuid import uuid4

import httpx
from aiohttp import web

from kehu_chassis.clock import FixedClock
from kehu_chassis.database import Database
from kehu_chassis.testing.events import Deliver
from kehu_chassis.testing.http import TestApp
from kehu_contracts.customer import CustomerProfileChanged
from kehu_gateway.streams.consumers import live_subscription
from kehu_gateway.webhooks.delivery import Deliverer
from kehu_gateway.webhooks.sender import open_sender

__all__ = ["LIVE", "LOOPBACK", "TYPE", "WEBHOOKS", "Hooks", "Partner", "is_signed"]

LIVE = live_subscription()
TYPE = CustomerProfileChanged.event_type
LOOPBACK = (ip_network("127.0.0.0/8"),)
WEBHOOKS = "/api/v1/webhooks"


@dataclass
class Partner:
    """A partner's server: what it got, and what it answers."""

    address: str = ""
    status: int = 204
    headers: dict[str, str] = field(default_factory=dict)
    taken: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.Response:
        self.taken.append(({name.lower(): value for name, value in request.headers.items()}, await request.read()))
        return web.Response(status=self.status, headers=self.headers)


@dataclass
class Hooks:
    """A gateway with an operator, and its worker's deliverer."""

    app: TestApp
    operator: httpx.AsyncClient
    database: Database
    deliver: Deliver
    clock: FixedClock
    allowed: tuple[Any, ...]

    async def register(self, url: str, *types: str) -> dict[str, Any]:
        body = {"name": "Partner", "url": url, "event_types": types or (TYPE,)}
        answer = await self.operator.post(WEBHOOKS, json=body)
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made

    async def secret(self, webhook: dict[str, Any]) -> bytes:
        told = (await self.operator.get(f"{WEBHOOKS}/{webhook['webhook_id']}/secret")).json()["secret"]
        return base64.b64decode(told.removeprefix("whsec_"))

    async def happen(self, count: int = 1) -> None:
        await self.deliver(LIVE, [self.event() for _ in range(count)])

    def event(self) -> CustomerProfileChanged:
        return CustomerProfileChanged(customer_id=uuid4(), changed=("employer",), changed_at=self.clock.now())

    async def send(self) -> int:
        """One round of the worker, to its end."""
        deliverer = Deliverer(self.database, self.app.runtime.resources.webhook_secrets, self.allowed)
        async with open_sender(self.allowed) as sender:
            begun = await deliverer.begin(sender)
            await deliverer.settled()
        return begun

    async def deliveries(self, webhook: dict[str, Any]) -> list[dict[str, Any]]:
        answer = await self.operator.get(f"{WEBHOOKS}/{webhook['webhook_id']}/deliveries")
        assert answer.status_code == 200, answer.text
        items: list[dict[str, Any]] = answer.json()["items"]
        return items

    async def wait_out(self) -> None:
        """Let the time until the next attempt pass."""
        async with self.database.begin() as tx:
            await tx.connection.execute("UPDATE webhook_deliveries SET next_attempt_at = now() WHERE state = 'pending'")


def is_signed(headers: dict[str, str], body: bytes, secret: bytes) -> bool:
    text = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    wanted = "v1," + base64.b64encode(hmac.new(secret, text, hashlib.sha256).digest()).decode()
    return wanted in headers["webhook-signature"].split(" ")
