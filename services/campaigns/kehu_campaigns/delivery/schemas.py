"""Answers about messages."""

from __future__ import annotations

from datetime import datetime

from kehu_chassis.schemas import Id, Out
from kehu_contracts.codes import Channel, DeliveryState

__all__ = ["MessageOut"]


class MessageOut(Out):
    """A message on its way. Neither address nor text is kept."""

    id: Id
    campaign_id: Id
    customer_id: Id
    decision_id: Id
    channel: Channel
    state: DeliveryState
    failure: str | None
    unit_id: Id | None
    rm_id: Id | None
    queued_at: datetime
    sent_at: datetime | None
    delivered_at: datetime | None
    opened_at: datetime | None
    clicked_at: datetime | None
    failed_at: datetime | None
