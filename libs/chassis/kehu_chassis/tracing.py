"""Trace context (W3C traceparent): comes with a request or is begun there, rides through outbox and broker, goes on.

A context is two ids and a flag in a context variable, so that a request which is not sampled pays for no span.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final

from opentelemetry import trace
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, TraceFlags

__all__ = [
    "TraceContext",
    "current_trace",
    "current_trace_id",
    "current_traceparent",
    "entered",
    "is_sampled",
    "new_trace",
    "parse_traceparent",
    "record_ended",
    "recorded",
    "span",
    "within_trace",
]

_TRACEPARENT: Final = re.compile(r"^[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?$")
_ODD: Final = frozenset("13579bdf")


@dataclass(frozen=True, slots=True)
class TraceContext:
    """Where in which trace the running code stands."""

    trace_id: str
    span_id: str
    sampled: bool

    def child(self) -> TraceContext:
        """A place of its own below this one."""
        return TraceContext(self.trace_id, _new_span_id(), self.sampled)

    @property
    def traceparent(self) -> str:
        """The W3C header."""
        return f"00-{self.trace_id}-{self.span_id}-{'01' if self.sampled else '00'}"


_current: ContextVar[TraceContext | None] = ContextVar("kehu_trace", default=None)


def current_trace() -> TraceContext | None:
    """Where the running code stands; None outside of a request or message."""
    return _current.get()


def current_traceparent() -> str | None:
    """The traceparent of the running request or message; None outside of one."""
    context = _current.get()
    return None if context is None else context.traceparent


def current_trace_id() -> str:
    """The running trace's id, for logs and problems; zeros outside of one."""
    context = _current.get()
    return "0" * 32 if context is None else context.trace_id


def parse_traceparent(value: str | None) -> TraceContext | None:
    """Read a W3C traceparent; None when it is missing or broken."""
    found = None if value is None else _TRACEPARENT.match(value)
    if found is None or found[1] == "0" * 32 or found[2] == "0" * 16:
        return None
    return TraceContext(found[1], found[2], sampled=bool(int(found[3], 16) & 1))


def is_sampled(traceparent: str | None) -> bool:
    """Whether a traceparent asks for spans, told from its last digit: for loops over many, before `record_ended`."""
    return traceparent is not None and traceparent[-1:] in _ODD


def record_ended(
    name: str, traceparent: str | None, kind: SpanKind, *, started_ns: int, attributes: Mapping[str, str | int]
) -> None:
    """A span that ends now, below the place that a row or message carries; nothing when that is not sampled.

    For work on many at once, of which each belongs to a trace of its own.
    """
    parent = parse_traceparent(traceparent)
    if parent is not None and parent.sampled:
        context = trace.set_span_in_context(_remote(parent))
        tracer = trace.get_tracer("kehu")
        tracer.start_span(name, context, kind=kind, attributes=dict(attributes), start_time=started_ns).end()


@contextmanager
def within_trace(
    traceparent: str | None, name: str = "message", attributes: Mapping[str, str | int] | None = None
) -> Iterator[None]:
    """Go on with the trace that a message came with; a broken or missing value begins an unsampled one."""
    parent = parse_traceparent(traceparent)
    with entered(parent.child() if parent else new_trace(ratio=0)):
        if parent is not None and parent.sampled:
            with recorded(name, parent, SpanKind.CONSUMER, attributes or {}):
                yield
        else:
            yield


@contextmanager
def entered(context: TraceContext) -> Iterator[None]:
    """Stand in a trace."""
    token = _current.set(context)
    try:
        yield
    finally:
        _current.reset(token)


@contextmanager
def span(name: str, **attributes: str | int) -> Iterator[None]:
    """A span inside a sampled trace; costs next to nothing in one that is not."""
    context = _current.get()
    if context is None or not context.sampled:
        yield
        return
    with recorded(name, context, SpanKind.INTERNAL, attributes):
        yield


@contextmanager
def recorded(
    name: str, parent: TraceContext | None, kind: SpanKind, attributes: Mapping[str, str | int]
) -> Iterator[trace.Span]:
    """A span of a sampled trace, below a parent that may be elsewhere."""
    remote = None if parent is None else trace.set_span_in_context(_remote(parent))
    with trace.get_tracer("kehu").start_as_current_span(
        name, context=remote, kind=kind, attributes=dict(attributes)
    ) as running:
        own = running.get_span_context()
        with entered(TraceContext(f"{own.trace_id:032x}", f"{own.span_id:016x}", sampled=True)):
            yield running


def _remote(context: TraceContext) -> NonRecordingSpan:
    return NonRecordingSpan(
        SpanContext(
            int(context.trace_id, 16),
            int(context.span_id, 16),
            is_remote=True,
            trace_flags=TraceFlags(TraceFlags.SAMPLED),
        )
    )


def _new_span_id() -> str:
    return f"{random.getrandbits(64) or 1:016x}"


def new_trace(ratio: float) -> TraceContext:
    """Begin a trace; `ratio` is the chance that it is sampled."""
    trace_id = f"{random.getrandbits(128) or 1:032x}"
    return TraceContext(trace_id, _new_span_id(), sampled=random.random() < ratio)  # noqa: S311 - a sample.
