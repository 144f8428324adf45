"""Every metric, named in one place; `docs/operations.md` tells what each means and what to do about it.

Counters and histograms are moved where things happen. Gauges of what stands in tables (outbox, timers, dead letters …)
are set by the worker every few seconds, see `gauges`.
"""

from __future__ import annotations

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

__all__ = [
    "AUDIT_UNSEALED",
    "CONSUMED",
    "CONSUMER_LAG",
    "CONSUMER_STOPPED",
    "DATABASE_REFUSALS",
    "DATABASE_WAIT",
    "DEAD_LETTERS",
    "DEAD_LETTERS_OPEN",
    "EVENT_DELAY",
    "GAPS",
    "HTTP_DURATION",
    "HTTP_REQUESTS",
    "LAST_MESSAGE",
    "MEASURED",
    "OUTBOX_ADDED",
    "OUTBOX_AGE",
    "OUTBOX_DEPTH",
    "PARKED",
    "PARKED_AGE",
    "PARKED_WAITING",
    "RELAYED",
    "RELAY_ACTIVE",
    "RELAY_ERRORS",
    "STREAMS_CUT",
    "STREAMS_OPEN",
    "STREAMS_REFUSED",
    "TIMERS_DUE",
    "TIMERS_FAILING",
    "TIMERS_FIRED",
    "TIMER_ERRORS",
    "TIMER_LATENESS",
    "WEBHOOK_AGE",
    "WEBHOOK_ATTEMPTS",
    "WEBHOOK_DEAD",
]

# Consumers ------------------------------------------------------------------------------------------------------------

CONSUMED: Final = Counter(
    "kehu_consumed_messages", "Messages taken from the broker, by what became of them", ["subscription", "outcome"]
)
"""`outcome` is applied, duplicate, unwanted (a type not asked for), held (behind another) or dead."""
CONSUMER_LAG: Final = Gauge("kehu_consumer_lag", "Messages that a subscription has still to take", ["subscription"])
CONSUMER_STOPPED: Final = Gauge(
    "kehu_consumer_stopped", "1 while a consumer waits for an operator, else 0", ["subscription"]
)
LAST_MESSAGE: Final = Gauge(
    "kehu_last_message_timestamp_seconds", "The broker's timestamp of the last message taken from a topic", ["topic"]
)
EVENT_DELAY: Final = Histogram(
    "kehu_event_delay_seconds",
    "From the broker's timestamp of a message to the commit of its effect",
    ["subscription"],
    buckets=(0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 5, 30, 300),
)
GAPS: Final = Counter("kehu_sequence_gaps", "Subjects released although a message before was missing", ["subscription"])
DEAD_LETTERS: Final = Counter("kehu_dead_letters", "Messages that could not be handled", ["subscription"])
DEAD_LETTERS_OPEN: Final = Gauge("kehu_dead_letters_open", "Dead letters that nobody has settled", ["subscription"])
PARKED: Final = Counter("kehu_parked_messages", "Messages parked and released", ["direction"])
PARKED_WAITING: Final = Gauge("kehu_parked_waiting", "Messages that wait for what they belong to")
PARKED_AGE: Final = Gauge("kehu_parked_age_seconds", "How long the message that was parked first has waited")

# Outbox and relay -----------------------------------------------------------------------------------------------------

OUTBOX_ADDED: Final = Counter("kehu_outbox_events", "Events written to the outbox")
OUTBOX_DEPTH: Final = Gauge("kehu_outbox_depth", "Events that the broker has still to be given, counted up to 100,000")
OUTBOX_AGE: Final = Gauge("kehu_outbox_age_seconds", "How long the oldest event has waited in the outbox")
RELAYED: Final = Counter("kehu_relayed_events", "Events that the broker acknowledged")
RELAY_ACTIVE: Final = Gauge("kehu_relay_active", "1 in the process that relays, 0 in those that stand by")
RELAY_ERRORS: Final = Counter("kehu_relay_errors", "Times that the relay had to wait and try again", ["cause"])

# Timers ---------------------------------------------------------------------------------------------------------------

TIMERS_FIRED: Final = Counter("kehu_timers_fired", "Timers that took effect", ["kind"])
TIMER_ERRORS: Final = Counter("kehu_timer_errors", "Timers that failed and will be tried again", ["kind"])
TIMERS_DUE: Final = Gauge("kehu_timers_due", "Timers that are due and have not fired")
TIMERS_FAILING: Final = Gauge("kehu_timers_failing", "Timers that have failed and wait to be tried again")
TIMER_LATENESS: Final = Gauge("kehu_timer_lateness_seconds", "Business time since the first due timer was due")

# Database and audit ---------------------------------------------------------------------------------------------------

DATABASE_REFUSALS: Final = Counter("kehu_database_refusals", "Transactions refused for want of a connection", ["cause"])
"""`cause` is busy (the pool is too small or too slow) or down."""
for _cause in ("busy", "down"):
    # There from the start: what Prometheus first sees as 1 has, for it, not risen.
    DATABASE_REFUSALS.labels(cause=_cause)
DATABASE_WAIT: Final = Histogram(
    "kehu_database_wait_seconds",
    "How long a transaction waited for a connection, where that was a millisecond or more",
    buckets=(0.005, 0.01, 0.05, 0.1, 0.5, 1, 5),
)
AUDIT_UNSEALED: Final = Gauge("kehu_audit_unsealed_seconds", "Age of the oldest audit row that has no seal yet")
MEASURED: Final = Gauge(
    "kehu_measured_timestamp_seconds", "When the worker last read the figures above from its database"
)

# HTTP -----------------------------------------------------------------------------------------------------------------

HTTP_REQUESTS: Final = Counter("kehu_http_requests", "Answered requests", ["route", "method", "status"])
"""`route` is the template of the path; what no route answers counts as `(none)`."""
HTTP_DURATION: Final = Histogram(
    "kehu_http_request_duration_seconds",
    "From the first byte of a request to the end of its answer",
    ["route"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
)

# Live streams and webhooks --------------------------------------------------------------------------------------------

STREAMS_OPEN: Final = Gauge("kehu_streams_open", "Live streams that are open in this process")
STREAMS_REFUSED: Final = Counter("kehu_streams_refused", "Live streams refused", ["reason"])
"""`reason` is caller (he has too many) or process (it has too many)."""
for _reason in ("caller", "process"):
    STREAMS_REFUSED.labels(reason=_reason)
STREAMS_CUT: Final = Counter("kehu_streams_cut", "Live streams cut because their reader was too slow")
WEBHOOK_ATTEMPTS: Final = Counter("kehu_webhook_attempts", "Attempts to deliver to a webhook", ["outcome"])
"""`outcome` is delivered, failed (tried again later) or dead."""
WEBHOOK_AGE: Final = Gauge("kehu_webhook_age_seconds", "How long the oldest undelivered webhook message has waited")
WEBHOOK_DEAD: Final = Gauge("kehu_webhook_dead", "Webhook messages given up and not redriven")
