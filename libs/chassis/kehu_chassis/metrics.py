"""Every metric, named in one place."""

from __future__ import annotations

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

__all__ = [
    "CONSUMED",
    "CONSUMER_LAG",
    "DATABASE_WAITS",
    "DEAD_LETTERS",
    "EVENT_DELAY",
    "GAPS",
    "HTTP_DURATION",
    "HTTP_REQUESTS",
    "OUTBOX_ADDED",
    "PARKED",
    "RELAYED",
    "RELAY_ERRORS",
    "TIMERS_FIRED",
    "TIMER_ERRORS",
]

CONSUMED: Final = Counter(
    "kehu_consumed_messages", "Messages taken from the broker, by what became of them", ["subscription", "outcome"]
)
"""`outcome` is applied, duplicate, unwanted (a type not asked for), held (behind another) or dead."""

CONSUMER_LAG: Final = Gauge("kehu_consumer_lag", "Messages that a subscription has still to take", ["subscription"])
DEAD_LETTERS: Final = Counter("kehu_dead_letters", "Messages that could not be handled", ["subscription"])
EVENT_DELAY: Final = Histogram(
    "kehu_event_delay_seconds",
    "From the broker's timestamp of a message to the commit of its effect",
    ["subscription"],
    buckets=(0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 5, 30, 300),
)
GAPS: Final = Counter("kehu_sequence_gaps", "Subjects released although a message before was missing", ["subscription"])
PARKED: Final = Counter("kehu_parked_messages", "Messages parked and released", ["direction"])

OUTBOX_ADDED: Final = Counter("kehu_outbox_events", "Events written to the outbox")
RELAYED: Final = Counter("kehu_relayed_events", "Events that the broker acknowledged")
RELAY_ERRORS: Final = Counter("kehu_relay_errors", "Times that the relay had to wait and try again", ["cause"])

TIMERS_FIRED: Final = Counter("kehu_timers_fired", "Timers that took effect", ["kind"])
TIMER_ERRORS: Final = Counter("kehu_timer_errors", "Timers that failed and will be tried again", ["kind"])

DATABASE_WAITS: Final = Counter("kehu_database_refusals", "Transactions refused for want of a connection", ["cause"])

HTTP_REQUESTS: Final = Counter("kehu_http_requests", "Answered requests", ["route", "method", "status"])
"""`route` is the template of the path; what no route answers counts as `(none)`."""
HTTP_DURATION: Final = Histogram(
    "kehu_http_request_duration_seconds",
    "From the first byte of a request to the end of its answer",
    ["route"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
)
