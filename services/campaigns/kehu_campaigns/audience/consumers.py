"""Kafka: segments and who belongs to them."""

from __future__ import annotations

from collections.abc import Sequence

from kehu_campaigns.audience import service
from kehu_chassis.database import Transaction
from kehu_chassis.message import Message
from kehu_chassis.subscription import Subscription
from kehu_contracts.segment import MembershipState, SegmentPublished

__all__ = ["MEMBERSHIPS", "SEGMENTS"]


async def _published(tx: Transaction, messages: Sequence[Message]) -> None:
    events = [message.parse() for message in messages]
    await service.note_publications(tx, [event for event in events if isinstance(event, SegmentPublished)])


async def _belongs(tx: Transaction, messages: Sequence[Message]) -> None:
    states = [message.parse() for message in messages]
    await service.note_memberships(tx, [state for state in states if isinstance(state, MembershipState)])


SEGMENTS = Subscription(
    name="campaign-segments",
    topics=("kehu.segment.v1",),
    types=(SegmentPublished,),
    handle=_published,
    projection_tables=("segments",),
)
MEMBERSHIPS = Subscription(
    name="campaign-memberships",
    topics=("kehu.segment-state.v1",),
    types=(MembershipState,),
    handle=_belongs,
    projection_tables=("memberships",),
)
