"""Answers about what came of campaigns."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated

from pydantic import Field

from kehu_campaigns.gate.rules import Reason
from kehu_campaigns.plans.rules import CampaignState
from kehu_chassis.schemas import Id, Out
from kehu_contracts.codes import Channel, DecisionOutcome, DeliveryState

__all__ = ["ArmOut", "CreditOut", "CustomerCampaignOut", "CustomerCampaignsOut", "FunnelOut"]


class MessagesOut(Out):
    """Messages that ever reached each state."""

    queued: int
    sent: int
    delivered: int
    opened: int
    clicked: int
    failed: int


class ArmOut(Out):
    """Conversions of the contacted, or of the holdout 对照组."""

    members: int
    customers: Annotated[int, Field(description="Customers who converted, merged profiles once")]
    openings: int
    rate: Annotated[Decimal, Field(description="Customers who converted of members, in percent")]


class CreditOut(Out):
    """What one unit or relationship manager is credited with. Without an id: nobody was responsible."""

    holder_id: Id | None
    conversions: int
    share: Annotated[Decimal, Field(description="Percent; the shares of a list sum to 100")]


class AmountOut(Out):
    """An amount in its currency."""

    currency: str
    amount: Decimal


class FunnelOut(Out):
    """A campaign from audience to conversion."""

    campaign_id: Id
    state: CampaignState
    audience: int
    decided: int
    undecided: int
    reasons: dict[Reason, int] = Field(
        description="Decisions by reason; with the undecided they add up to the audience"
    )
    allowed: int
    messages: MessagesOut
    contacted: ArmOut
    holdout: ArmOut
    amounts: list[AmountOut]
    target_conversions: int | None
    target_amount: Decimal | None
    units: list[CreditOut]
    managers: list[CreditOut]


class CustomerCampaignOut(Out):
    """One campaign as one customer met it."""

    campaign_id: Id
    code: str
    name: str
    state: CampaignState
    channel: Channel
    customer_id: Id
    frozen_at: datetime
    outcome: DecisionOutcome | None
    reason: Reason | None
    decided_at: datetime | None
    delivery_state: DeliveryState | None
    conversions: int


class CustomerCampaignsOut(Out):
    """The campaigns of one customer, the newest first, at most 100."""

    items: list[CustomerCampaignOut]
