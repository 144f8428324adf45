"""Kafka: products that customers opened."""

from __future__ import annotations

from collections.abc import Sequence

from kehu_campaigns.response import service
from kehu_chassis.database import Transaction
from kehu_chassis.message import Message
from kehu_chassis.subscription import Subscription
from kehu_contracts.holding import ProductOpened

__all__ = ["OPENINGS"]


async def _opened(tx: Transaction, messages: Sequence[Message]) -> None:
    events = [message.parse() for message in messages]
    await service.note_openings(tx, [event for event in events if isinstance(event, ProductOpened)])


OPENINGS = Subscription(
    name="campaign-openings",
    topics=("kehu.holding.v1",),
    types=(ProductOpened,),
    handle=_opened,
    projection_tables=("openings",),
)
