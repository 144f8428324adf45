"""One trace leads from an HTTP write through outbox and broker to its effect in another service's tables."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest
from aiohttp import web

from kehu_chassis.crypto import create_key_file
from kehu_chassis.kafka import Kafka, create_topics
from kehu_chassis.testing.databases import ServiceDatabase, copied_database, ensure_template
from kehu_chassis.testing.servers import free_port
from kehu_chassis.testing.tokens import AUDIENCE, ISSUER, default_issuer
from kehu_contracts.access import Role
from kehu_contracts.topics import TOPICS

PROCESS = Path(__file__).with_name("process.py")
PARENT_SPAN = "00f067aa0ba902b7"


@dataclass
class Processes:
    """What was started, and what each process has written."""

    logs: Path
    stack: AsyncExitStack
    environment: dict[str, str]
    prefix: str

    async def start(self, service: str, process: str, **variables: str) -> None:
        log = self.stack.enter_context((self.logs / f"{service}-{process}").open("wb"))
        arguments = (sys.executable, str(PROCESS), service, process, self.prefix)
        own = {f"{service.upper()}_{name.upper()}": value for name, value in variables.items()}
        child = await asyncio.create_subprocess_exec(
            *arguments, env={**os.environ, **self.environment, **own}, stdout=log, stderr=log
        )
        self.stack.push_async_callback(_end, child)

    def lines(self, name: str, trace_id: str) -> list[dict[str, Any]]:
        """The lines of a process that belong to a trace."""
        written = (self.logs / name).read_text(encoding="utf-8").splitlines()
        found = (json.loads(line) for line in written if line.startswith("{") and line.endswith("}"))
        return [line for line in found if line.get("trace_id") == trace_id]

    def spans(self, name: str, trace_id: str) -> list[dict[str, Any]]:
        return [line for line in self.lines(name, trace_id) if line["event"] == "trace.span"]


async def _end(child: asyncio.subprocess.Process) -> None:
    child.terminate()
    # The api raises the signal again once it has ended in order.
    assert await child.wait() in {0, -signal.SIGTERM}


@asynccontextmanager
async def keys_published() -> AsyncIterator[str]:
    """The address at which the processes find the issuer's keys."""

    async def answer(_: web.Request) -> web.Response:
        return web.json_response(await default_issuer().key_set())

    app = web.Application()
    app.router.add_get("/jwks", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    yield f"http://{host}:{port}/jwks"
    await runner.cleanup()


async def database_of(stack: AsyncExitStack, postgres: str, service: str) -> ServiceDatabase:
    definition = import_module(f"kehu_{service}.main").DEFINITION
    template = await ensure_template(postgres, definition.schema, definition.migrations)
    return await stack.enter_async_context(copied_database(postgres, definition.schema, template))


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as opened:
        yield opened


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait for three processes that import everything, on a machine that has other things to do."""
    async with asyncio.timeout(120):
        while not await condition():  # noqa: ASYNC110  what is waited for is in another process
            await asyncio.sleep(0.05)


def names(spans: Iterable[dict[str, Any]]) -> set[str]:
    return {span["name"] for span in spans}


async def test_a_trace_leads_from_the_request_to_the_effect_in_another_service(
    postgres: str, kafka: Kafka, stack: AsyncExitStack, tmp_path: Path
) -> None:
    await create_topics(kafka, TOPICS)
    create_key_file(tmp_path / "keys.json")
    environment = {
        "KEHU_ENVIRONMENT": "demo",
        "KEHU_KAFKA_BOOTSTRAP": kafka.bootstrap,
        "KEHU_ISSUER": ISSUER,
        "KEHU_AUDIENCE": AUDIENCE,
        "KEHU_JWKS_URL": await stack.enter_async_context(keys_published()),
        "KEHU_KEY_FILE": str(tmp_path / "keys.json"),
        "KEHU_TRACE_RATIO": "0",
        "OTEL_BSP_SCHEDULE_DELAY": "100",
    }
    customer = await database_of(stack, postgres, "customer")
    complaints = await database_of(stack, postgres, "complaints")
    logs = tmp_path / "logs"
    logs.mkdir()
    processes = Processes(logs, stack, environment, kafka.prefix)
    port = free_port()
    await processes.start("customer", "api", database_dsn=customer.dsn("api"), port=str(port))
    await processes.start("customer", "worker", database_dsn=customer.dsn("worker"), worker_port="0")
    await processes.start("complaints", "worker", database_dsn=complaints.dsn("worker"), worker_port="0")
    observer = await asyncpg.connect(complaints.dsn())
    stack.push_async_callback(observer.close)

    token = default_issuer().token([Role.SYSTEM], subject="core")
    client = await stack.enter_async_context(
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers={"Authorization": f"Bearer {token}"})
    )

    async def is_ready() -> bool:
        try:
            return (await client.get("/health/ready")).status_code == 200
        except httpx.TransportError:
            return False

    await until(is_ready)
    trace_id = uuid4().hex
    answer = await client.post(
        "/api/v1/customers",
        json={"kind": "individual", "name": "王伟"},
        headers={"traceparent": f"00-{trace_id}-{PARENT_SPAN}-01"},
    )
    assert answer.status_code == 201, answer.text
    customer_id = UUID(answer.json()["id"])

    async def has_its_effect() -> bool:
        found = await observer.fetchval(
            "SELECT count(*) FROM complaints.scope_subjects WHERE subject_id = $1", customer_id
        )
        return bool(found)

    async def is_told() -> bool:
        return bool(processes.spans("complaints-worker", trace_id)) and bool(
            processes.spans("customer-worker", trace_id)
        )

    await until(has_its_effect)
    await until(is_told)
    [request] = [span for span in processes.spans("customer-api", trace_id) if span["parent_id"] == PARENT_SPAN]
    assert request["name"] == "POST /api/v1/customers"
    sent = processes.spans("customer-worker", trace_id)
    assert "send kehu.customer-state.v1" in names(sent)
    assert {span["parent_id"] for span in sent} == {request["span_id"]}
    [taken] = processes.spans("complaints-worker", trace_id)
    assert taken["name"] == "complaints-customers kehu.customer.state"
    assert taken["parent_id"] == request["span_id"]
    assert taken["attributes"]["messaging.destination.name"] == "kehu.customer-state.v1"
    [line] = [line for line in processes.lines("customer-api", trace_id) if line["event"] == "http.request"]
    assert (line["route"], line["status"]) == ("/api/v1/customers", 201)
