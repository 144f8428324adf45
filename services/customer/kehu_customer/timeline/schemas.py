"""Requests and answers about timelines."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from kehu_chassis.schemas import Id, In, Moment, Narrative, Out
from kehu_contracts.codes import Channel

__all__ = ["EntryType", "InteractionIn", "InteractionKind", "InteractionOut", "TimelineEntryOut"]

InteractionKind = Literal["visit", "call", "email", "message", "counter", "app", "event"]

EntryType = Literal[
    "account_opened",
    "campaign_contact_allowed",
    "campaign_converted",
    "campaign_delivery",
    "complaint_received",
    "complaint_state_changed",
    "consent_changed",
    "customer_merged",
    "customer_registered",
    "customer_unmerged",
    "interaction",
    "ownership_changed",
    "product_opened",
    "segment_entered",
    "segment_left",
    "tier_changed",
]


class InteractionIn(In):
    """A contact with the customer. Without `occurred_at` it happened now; it cannot lie in the future."""

    kind: InteractionKind
    channel: Channel
    direction: Literal["inbound", "outbound"]
    occurred_at: Moment | None = None
    note: Narrative | None = None


class InteractionOut(Out):
    """A contact that was written down. The note is not repeated."""

    id: Id
    customer_id: Id
    kind: InteractionKind
    channel: Channel
    direction: Literal["inbound", "outbound"]
    staff_id: Id | None
    actor: str
    occurred_at: datetime
    recorded_at: datetime


class TimelineEntryOut(Out):
    """One entry. `customer_id` is the customer that the fact came with, also when they are merged since.

    `note` is what was said in an interaction: for those who work with customers by name, else null.
    """

    entry_id: Id
    customer_id: Id
    occurred_at: datetime
    type: EntryType
    channel: Channel | None
    reference_id: Id | None
    attributes: dict[str, Any]
    note: str | None
