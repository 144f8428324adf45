"""Calls between services, trace context, and settings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest
import stamina
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from pydantic import SecretStr, ValidationError
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from kehu_chassis import app as chassis_app
from kehu_chassis.app import KehuApp
from kehu_chassis.client import CallFailed, CallRefused, ServiceClient
from kehu_chassis.definition import ServiceDefinition
from kehu_chassis.health import health_routes
from kehu_chassis.settings import ServiceSettings
from kehu_chassis.telemetry import TelemetryMiddleware
from kehu_chassis.tracing import current_trace_id, current_traceparent, span, within_trace

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
UNSAMPLED = PARENT[:-2] + "00"


@pytest.fixture(autouse=True)
def _no_waiting() -> Any:
    with stamina.set_testing(True, attempts=3):
        yield


def client(answer: Callable[[httpx.Request], httpx.Response]) -> ServiceClient:
    async def token() -> str:
        return "t0ken"

    return ServiceClient("http://other.test", token=token, transport=httpx.MockTransport(answer))


async def test_a_call_carries_token_and_trace() -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json={"ok": True})

    async with client(answer) as other:
        with within_trace(UNSAMPLED):
            assert await other.get_json("/things", params={"a": 1}) == {"ok": True}
    assert seen[0].headers["authorization"] == "Bearer t0ken"
    assert seen[0].headers["traceparent"].startswith("00-0af7651916cd43dd8448eb211c80319c-")
    assert seen[0].url.params["a"] == "1"


async def test_what_can_recover_is_tried_again() -> None:
    answers = iter([httpx.Response(503), httpx.Response(502), httpx.Response(200, json=1)])
    async with client(lambda _: next(answers)) as other:
        assert await other.post_json("/things", {}) == 1


async def test_what_does_not_recover_fails() -> None:
    calls = 0

    def refuse(_: httpx.Request) -> httpx.Response:
        nonlocal calls
        calls += 1
        raise httpx.ConnectError("refused")

    async with client(refuse) as other:
        with pytest.raises(CallFailed):
            await other.get_json("/things")
    assert calls == 3


async def test_a_refusal_is_told_at_once_with_its_code() -> None:
    calls = 0

    def refuse(_: httpx.Request) -> httpx.Response:
        nonlocal calls
        calls += 1
        return httpx.Response(409, json={"code": "thing.taken"})

    async with client(refuse) as other:
        with pytest.raises(CallRefused) as refusal:
            await other.post_json("/things", {})
    assert (refusal.value.status, refusal.value.code, calls) == (409, "thing.taken", 1)


@pytest.fixture(scope="module")
def spans() -> InMemorySpanExporter:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    return exporter


async def ask(app: TelemetryMiddleware, **headers: str) -> str:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as caller:
        return (await caller.get("/", headers=headers)).text


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    with span("inner", rows=3):
        response = PlainTextResponse(f"{current_trace_id()} {current_traceparent()}")
    await response(scope, receive, send)


async def test_a_sampled_request_leaves_spans_of_the_callers_trace(spans: InMemorySpanExporter) -> None:
    spans.clear()
    told = await ask(TelemetryMiddleware(echo, on_error=echo), traceparent=PARENT)
    assert told.startswith("0af7651916cd43dd8448eb211c80319c 00-0af7651916cd43dd8448eb211c80319c-")
    inner, outer = spans.get_finished_spans()
    assert (inner.name, outer.name) == ("inner", "GET (none)")
    assert outer.context is not None
    assert inner.parent is not None
    assert outer.parent is not None
    assert inner.parent.span_id == outer.context.span_id
    assert f"{outer.parent.span_id:016x}" == "b7ad6b7169203331"
    assert outer.attributes is not None
    assert outer.attributes["http.response.status_code"] == 200


async def test_an_unsampled_request_leaves_none_but_has_a_trace(spans: InMemorySpanExporter) -> None:
    spans.clear()
    app = TelemetryMiddleware(echo, on_error=echo, trace_ratio=0)
    assert (await ask(app, traceparent=UNSAMPLED)).endswith("-00")
    assert (await ask(app, traceparent="nonsense")).endswith("-00")
    assert spans.get_finished_spans() == ()
    assert current_traceparent() is None


async def test_the_ratio_decides_where_the_caller_has_not(spans: InMemorySpanExporter) -> None:
    spans.clear()
    assert (await ask(TelemetryMiddleware(echo, on_error=echo, trace_ratio=1))).endswith("-01")
    assert len(spans.get_finished_spans()) == 2


class Settings(ServiceSettings, env_prefix="PROBE_"):
    port: int = 0
    worker_port: int = 0


async def test_an_application_leaves_no_spans_of_its_own_accord(spans: InMemorySpanExporter) -> None:
    spans.clear()
    settings = Settings(
        database_dsn=SecretStr("postgresql://host/db"),
        issuer="http://issuer.test",
        jwks_url="http://issuer.test/jwks",
        trace_ratio=0,
    )
    app = KehuApp(settings)
    app.router.routes.extend(health_routes({}))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as caller:
        assert (await caller.get("/health/ready")).status_code == 200
    assert spans.get_finished_spans() == ()


def test_settings_come_from_the_services_prefix_and_the_shared_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROBE_DATABASE_DSN", "postgresql://secret@host/db")
    monkeypatch.setenv("KEHU_ISSUER", "http://issuer.test")
    monkeypatch.setenv("KEHU_JWKS_URL", "http://issuer.test/jwks")
    settings = Settings()
    assert settings.environment == "production"
    assert settings.issuer == "http://issuer.test"
    assert "secret" not in repr(settings)


@pytest.mark.parametrize("algorithm", ["none", "HS256"])
def test_a_symmetric_or_missing_signature_cannot_be_configured(algorithm: str) -> None:
    with pytest.raises(ValidationError):
        Settings(database_dsn="x", issuer="http://i", jwks_url="http://i/j", token_algorithms=(algorithm,))


def test_a_start_without_settings_names_the_variables_and_no_value(
    monkeypatch: pytest.MonkeyPatch, definition_of_probe: ServiceDefinition
) -> None:
    monkeypatch.setenv("PROBE_DATABASE_DSN", "postgresql://secret@host/db")
    monkeypatch.setenv("KEHU_ISSUER", "not a secret address")
    with pytest.raises(SystemExit) as stop:
        chassis_app.main(definition_of_probe, ["api"])
    told = str(stop.value)
    assert "KEHU_ISSUER" in told
    assert "KEHU_JWKS_URL" in told
    assert "secret" not in told
