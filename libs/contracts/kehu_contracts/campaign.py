"""`kehu.campaign.v1`: campaigns, the decision on every contact, deliveries and conversions."""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

from kehu_contracts.base import Currency, Event, Instant, Money
from kehu_contracts.codes import Channel, DecisionOutcome, DeliveryState, Purpose

__all__ = ["CampaignStateChanged", "ContactDecided", "ContactDeliveryChanged", "CustomerConverted"]


class CampaignStateChanged(Event):
    """A campaign moved: draft, in_review, running, finished."""

    event_type: ClassVar[str] = "kehu.campaign.state_changed"
    topic: ClassVar[str] = "kehu.campaign.v1"

    campaign_id: UUID
    code: str
    from_state: str | None
    to_state: str
    changed_at: Instant
    unit_id: UUID | None = None
    """The owning unit. Events of before this field have none."""

    def subject_id(self) -> UUID:
        """The campaign."""
        return self.campaign_id


class _ContactEvent(Event):
    campaign_id: UUID
    campaign_code: str
    customer_id: UUID

    def subject_id(self) -> UUID:
        """The customer."""
        return self.customer_id


class ContactDecided(_ContactEvent):
    """The gate decided about one member of an audience: exactly once per campaign and member."""

    event_type: ClassVar[str] = "kehu.campaign.contact_decided"
    topic: ClassVar[str] = "kehu.campaign.v1"

    decision_id: UUID
    purpose: Purpose
    channel: Channel
    outcome: DecisionOutcome
    reason: str
    decided_at: Instant


class ContactDeliveryChanged(_ContactEvent):
    """A message to the customer reached another delivery state."""

    event_type: ClassVar[str] = "kehu.campaign.delivery_changed"
    topic: ClassVar[str] = "kehu.campaign.v1"

    message_id: UUID
    channel: Channel
    state: DeliveryState
    changed_at: Instant


class CustomerConverted(_ContactEvent):
    """The customer did what the campaign was for, within its window."""

    event_type: ClassVar[str] = "kehu.campaign.converted"
    topic: ClassVar[str] = "kehu.campaign.v1"

    opening_id: UUID
    product_code: str
    amount: Money | None
    currency: Currency
    unit_id: UUID | None
    rm_id: UUID | None
    converted_at: Instant
