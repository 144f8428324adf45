"""Kafka: every event of the suite that stands on a customer's timeline."""

from __future__ import annotations

from kehu_chassis.subscription import Subscription
from kehu_customer.timeline.rules import ENTRIES
from kehu_customer.timeline.service import project_events

__all__ = ["TIMELINE"]

TIMELINE = Subscription(
    name="timeline",
    topics=tuple(sorted({contract.topic for contract in ENTRIES})),
    handle=project_events,
    types=tuple(ENTRIES),
    projection_tables=("timeline_entries",),
)
