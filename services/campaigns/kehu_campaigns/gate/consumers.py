"""Kafka: complaints, which stop marketing while they are open."""

from __future__ import annotations

from collections.abc import Sequence

from kehu_campaigns.gate import service
from kehu_chassis.database import Transaction
from kehu_chassis.message import Message
from kehu_chassis.subscription import Subscription
from kehu_contracts.complaint import ComplaintReceived, ComplaintStateChanged

__all__ = ["COMPLAINTS"]


async def _complaints(tx: Transaction, messages: Sequence[Message]) -> None:
    for message in messages:
        event = message.parse()
        assert isinstance(event, ComplaintReceived | ComplaintStateChanged)
        if event.customer_id is not None:
            await service.note_complaint(
                tx,
                event.complaint_id,
                event.customer_id,
                is_open=event.open,
                changed_at=message.time,
                sequence=message.sequence,
            )


COMPLAINTS = Subscription(
    name="campaign-complaints",
    topics=("kehu.complaint.v1",),
    types=(ComplaintReceived, ComplaintStateChanged),
    handle=_complaints,
    projection_tables=("complaints",),
)
