"""Whoever listens to live streams, at a gateway that listens on a port."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import uvicorn

from kehu_chassis.server import ApiServer, guarded_protocol
from kehu_chassis.testing.http import TestApp

__all__ = ["Heard", "Listener", "served"]


@dataclass
class Heard:
    """One open stream, and what came."""

    response: httpx.Response
    blocks: list[dict[str, str]] = field(default_factory=list)
    ended: bool = False

    async def listen(self) -> None:
        block: dict[str, str] = {}
        async for line in self.response.aiter_lines():
            if line:
                name, _, value = line.partition(":")
                block[name] = value.strip()
            else:
                self.blocks.append(block)
                block = {}
        self.ended = True

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(block["data"]) for block in self.blocks if "data" in block and "event" not in block]

    @property
    def last_id(self) -> str:
        return [block["id"] for block in self.blocks if "id" in block][-1]

    def subjects(self) -> list[str]:
        return [event["subject"] for event in self.events]


class Listener:
    """Opens streams at a gateway that listens on a port."""

    def __init__(self, stack: AsyncExitStack) -> None:
        self._stack = stack

    async def __call__(self, address: str, token: str, last_event_id: str | None = None) -> Heard:
        headers = {"Authorization": f"Bearer {token}"}
        if last_event_id is not None:
            headers["Last-Event-ID"] = last_event_id
        client = await self._stack.enter_async_context(httpx.AsyncClient(base_url=address, timeout=30))
        response = await self._stack.enter_async_context(client.stream("GET", "/api/v1/events", headers=headers))
        heard = Heard(response)
        if response.status_code == 200:
            task = asyncio.create_task(heard.listen())
            self._stack.callback(task.cancel)
        else:
            await response.aread()
        return heard


@asynccontextmanager
async def served(app: TestApp) -> AsyncIterator[str]:
    """The gateway on a port, as it is deployed."""
    protocol = guarded_protocol(app.runtime.settings)
    config = uvicorn.Config(app.app, port=0, log_config=None, access_log=False, lifespan="off", http=protocol)
    api = ApiServer(config, app.runtime.stopping.set)
    config.load()
    api.lifespan = config.lifespan_class(config)
    await api.startup()
    serving = asyncio.create_task(api.main_loop())
    [listening] = api.servers
    yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    # A stream that is open then must not be waited for.
    api.handle_exit(signal.SIGTERM, None)
    await serving
    await api.shutdown()
