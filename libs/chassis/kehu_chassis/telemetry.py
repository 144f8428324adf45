"""Logs, traces and the one middleware that every request passes.

Logs are JSON lines with an event name and fields; they carry no payload and no personal data: a request's line names
the route's template, never its path or query. Trace context is the matter of `tracing`.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator, MutableMapping
from time import perf_counter
from typing import Any, Final

import structlog
from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import SpanKind, StatusCode
from pydantic_core import to_json
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.typing import Processor

from kehu_chassis import metrics
from kehu_chassis.tracing import TraceContext, current_trace, entered, new_trace, parse_traceparent, recorded

__all__ = [
    "LogSpanExporter",
    "TelemetryMiddleware",
    "configure_logging",
    "configure_tracing",
    "get_logger",
    "log_processors",
]

get_logger = structlog.get_logger

_QUIET: Final = frozenset({"/health/live", "/health/ready", "/metrics"})
"""Asked every few seconds by machines; a line for each would bury the rest."""


class TelemetryMiddleware:
    """Access line, request metrics and a sampled span for each request; whether it is sampled is decided first.

    Pure ASGI, outermost, so that it sees what the caller sees. An unexpected error is logged without its text, answered
    by `on_error` and counted as the 500 that it becomes.
    """

    def __init__(self, app: ASGIApp, *, on_error: ASGIApp, trace_ratio: float = 0.0) -> None:
        self._app = app
        self._on_error = on_error
        self._trace_ratio = trace_ratio
        self._log = get_logger("kehu.access")
        self._counters: dict[tuple[str, str, int], Any] = {}
        self._histograms: dict[str, Any] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http" or scope["path"] in _QUIET:
            await self._app(scope, receive, send)
            return
        parent = None
        for name, value in scope["headers"]:
            if name == b"traceparent":
                parent = parse_traceparent(value.decode("latin-1"))
                break
        context = new_trace(self._trace_ratio) if parent is None else parent.child()
        with entered(context):
            if context.sampled:
                await self._traced(scope, receive, send, parent)
            else:
                await self._timed(scope, receive, send)

    async def _traced(self, scope: Scope, receive: Receive, send: Send, parent: TraceContext | None) -> None:
        with recorded(scope["method"], parent, SpanKind.SERVER, {"http.request.method": scope["method"]}) as running:
            status = await self._timed(scope, receive, send)
            route = _route_of(scope)
            running.update_name(f"{scope['method']} {route}")
            running.set_attribute("http.route", route)
            running.set_attribute("http.response.status_code", status)
            if status >= 500:
                running.set_status(StatusCode.ERROR)

    async def _timed(self, scope: Scope, receive: Receive, send: Send) -> int:
        started = perf_counter()
        status = 0

        async def observe(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, observe)
        except Exception:  # The server would log the error's text, which may quote a value; we log type and place.
            self._log.exception("http.unexpected_error", method=scope["method"], route=_route_of(scope))
            if status:
                # The answer has begun: all that is left is to cut the connection, which the server does.
                raise
            await self._on_error(scope, receive, observe)
        finally:
            self._record(scope, status or 500, perf_counter() - started)
        return status

    def _record(self, scope: Scope, status: int, seconds: float) -> None:
        route = _route_of(scope)
        method = scope["method"]
        counter = self._counters.get((route, method, status))
        if counter is None:
            counter = metrics.HTTP_REQUESTS.labels(route=route, method=method, status=status)
            self._counters[route, method, status] = counter
        counter.inc()
        histogram = self._histograms.get(route)
        if histogram is None:
            histogram = self._histograms[route] = metrics.HTTP_DURATION.labels(route=route)
        histogram.observe(seconds)
        self._log.info("http.request", method=method, route=route, status=status, ms=round(seconds * 1000, 2))


def _route_of(scope: Scope) -> str:
    # What no route answers shares one label: a scanner must not create a metric for each path it tries.
    return getattr(scope.get("route"), "path", "(none)")


class LogSpanExporter(SpanExporter):
    """Writes finished spans as log lines: traces without a collector. Attributes carry no personal data."""

    def __init__(self) -> None:
        self._log = get_logger("kehu.trace")

    def export(self, spans: Any) -> SpanExportResult:
        """Write one line for each span."""
        for finished in spans:
            self._log.info("trace.span", **_span_fields(finished))
        return SpanExportResult.SUCCESS


def _span_fields(finished: ReadableSpan) -> dict[str, Any]:
    context = finished.get_span_context()
    started, ended = finished.start_time or 0, finished.end_time or 0
    return {
        "name": finished.name,
        "trace_id": f"{context.trace_id:032x}" if context else None,
        "span_id": f"{context.span_id:016x}" if context else None,
        "parent_id": f"{finished.parent.span_id:016x}" if finished.parent else None,
        "ms": round((ended - started) / 1e6, 2),
        "attributes": dict(finished.attributes or {}),
    }


def configure_tracing(service: str, exporter: SpanExporter | None = None) -> TracerProvider:
    """Give sampled spans a way out, as log lines unless told otherwise. Call once for each process, after a fork."""
    provider = TracerProvider(resource=Resource.create({"service.name": service}))
    provider.add_span_processor(BatchSpanProcessor(exporter or LogSpanExporter()))
    trace.set_tracer_provider(provider)
    return provider


def _add_trace(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    context = current_trace()
    if context is not None:
        # The line of a finished span names its own trace.
        event.setdefault("trace_id", context.trace_id)
    return event


class _JsonFormatter(logging.Formatter):
    """Lines of libraries that log through the standard library, in the same shape."""

    def format(self, record: logging.LogRecord) -> str:
        """One JSON line; of an error its type and place, not its text."""
        line: dict[str, Any] = {
            "event": record.getMessage(),
            "logger": record.name,
            "level": record.levelname.lower(),
            "timestamp": self.formatTime(record, "%Y-%m-%dT%H:%M:%S"),
        }
        if unheard := getattr(record, "unheard", 0):
            line["repeated"] = unheard
        if record.exc_info and record.exc_info[0] is not None:
            line["error"] = record.exc_info[0].__name__
            line["stack"] = "".join(_frames(record.exc_info[2]))
        return json.dumps(line, ensure_ascii=False)


class _Calm(logging.Filter):
    """Lets what a library says again and again through once in `EVERY` seconds, with how often it was said meanwhile.

    A driver that has lost its broker complains hundreds of times a second, and would fill the disk of whoever keeps logs.
    """

    EVERY: Final = 10.0

    def __init__(self) -> None:
        super().__init__()
        self._said: dict[tuple[str, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is to be written; what is alike but for its values counts as the same."""
        words = record.name, str(record.msg)
        last, unheard = self._said.get(words, (float("-inf"), 0))
        if record.created - last < self.EVERY:
            self._said[words] = last, unheard + 1
            return False
        self._said[words] = record.created, 0
        record.unheard = unheard
        return True


def _frames(traceback: Any) -> Iterator[str]:
    while traceback is not None:
        code = traceback.tb_frame.f_code
        yield f"{code.co_filename}:{traceback.tb_lineno} {code.co_name}\n"
        traceback = traceback.tb_next


def _error_without_text(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    # An exception's text may quote a value (a driver names the row it could not insert); its type and place do not.
    error = event.pop("exc_info", None)
    if error is True:
        error = sys.exc_info()[1]
    if isinstance(error, BaseException):
        event["error"] = type(error).__name__
        event["stack"] = "".join(_frames(error.__traceback__))
    return event


def log_processors(service: str) -> list[Processor]:
    """What every log line passes on its way to JSON bytes."""

    def add_service(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event["service"] = service
        return event

    return [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        add_service,
        _add_trace,
        _error_without_text,
        structlog.processors.JSONRenderer(serializer=_render),
    ]


def configure_logging(service: str, *, level: str = "info") -> None:
    """JSON lines on standard output for our loggers and the libraries'. Call once for each process."""
    number = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=log_processors(service),
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.BytesLoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(_JsonFormatter())
    handler.addFilter(_Calm())
    logging.basicConfig(handlers=[handler], level=max(number, logging.INFO), force=True)
    for chatty in ("httpx", "aiokafka", "asyncio", "alembic.runtime.plugins"):
        logging.getLogger(chatty).setLevel(max(number, logging.WARNING))


def _render(event: Any, **_: Any) -> bytes:
    return to_json(event, fallback=str)
