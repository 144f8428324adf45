"""Answers about messages."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from kehu_chassis.schemas import Out
from kehu_contracts.codes import Channel, DeliveryState

__all__ = ["MessageOut"]


class MessageOut(Out):
    """A message on its way. Neither address nor text is kept."""

    id: UUID
    campaign_id: UUID
    customer_id: UUID
    decision_id: UUID
    channel: Channel
    state: DeliveryState
    failure: str | None
    unit_id: UUID | None
    rm_id: UUID | None
    queued_at: datetime
    sent_at: datetime | None
    delivered_at: datetime | None
    opened_at: datetime | None
    clicked_at: datetime | None
    failed_at: datetime | None
