"""Which events stand on a customer's timeline, and as what. Pure: an entry follows from the event alone.

The id of an entry is the id of the fact where it has one, so that the same fact is one entry however often, and by
whichever way, it arrives.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time
from typing import Any, Final
from uuid import UUID, uuid5
from zoneinfo import ZoneInfo

from kehu_contracts.base import Contract
from kehu_contracts.campaign import ContactDecided, ContactDeliveryChanged, CustomerConverted
from kehu_contracts.complaint import ComplaintReceived, ComplaintStateChanged
from kehu_contracts.customer import (
    ConsentChanged,
    CustomerMerged,
    CustomerRegistered,
    CustomerUnmerged,
    InteractionRecorded,
    OwnershipChanged,
)
from kehu_contracts.holding import AccountStated, ProductOpened
from kehu_contracts.segment import MembershipEntered, MembershipLeft, TierChanged

__all__ = ["ENTRIES", "TIMELINE_TYPES", "Entry", "entry_of"]

_BANK_ZONE: Final = ZoneInfo("Asia/Shanghai")


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a timeline. Nothing in it identifies a person."""

    customer_id: UUID
    occurred_at: datetime
    entry_id: UUID
    type: str
    channel: str | None = None
    reference_id: UUID | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)


def _begin_of(day: date) -> datetime:
    return datetime.combine(day, time.min, _BANK_ZONE)


def _registered(event: CustomerRegistered, event_id: UUID) -> Entry:
    return Entry(
        event.customer_id,
        event.registered_at,
        event_id,
        "customer_registered",
        attributes={"customer_number": event.customer_number},
    )


def _owner_changed(event: OwnershipChanged, event_id: UUID) -> Entry:
    return Entry(
        event.customer_id,
        event.effective_from,
        event_id,
        "ownership_changed",
        reference_id=event.unit_id,
        attributes={"unit_id": str(event.unit_id), "primary_rm_id": _text(event.primary_rm_id)},
    )


def _consent_changed(event: ConsentChanged, event_id: UUID) -> Entry:
    return Entry(
        event.customer_id,
        event.effective_at,
        event_id,
        "consent_changed",
        channel=event.channel,
        attributes={"purpose": event.purpose, "status": event.status},
    )


def _merged(event: CustomerMerged, event_id: UUID) -> Entry:
    return Entry(event.customer_id, event.merged_at, event_id, "customer_merged", reference_id=event.merge_id)


def _unmerged(event: CustomerUnmerged, event_id: UUID) -> Entry:
    return Entry(event.customer_id, event.unmerged_at, event_id, "customer_unmerged", reference_id=event.merge_id)


def _interaction(event: InteractionRecorded, _event_id: UUID) -> Entry:
    return Entry(
        event.customer_id,
        event.occurred_at,
        event.interaction_id,
        "interaction",
        channel=event.channel,
        reference_id=event.interaction_id,
        attributes={"direction": event.direction},
    )


def _account(event: AccountStated, _event_id: UUID) -> Entry:
    # The core states an account again and again; its opening is one fact per holder.
    return Entry(
        event.customer_id,
        _begin_of(event.opened_on),
        uuid5(event.customer_id, f"account-opened/{event.account_id}"),
        "account_opened",
        reference_id=event.account_id,
        attributes={"product_class": event.product_class, "product_code": event.product_code},
    )


def _product(event: ProductOpened, _event_id: UUID) -> Entry:
    return Entry(
        event.customer_id,
        event.opened_at,
        event.opening_id,
        "product_opened",
        reference_id=event.account_id,
        attributes={"product_class": event.product_class, "product_code": event.product_code},
    )


def _complaint(event: ComplaintReceived, event_id: UUID) -> Entry | None:
    if event.customer_id is None:
        return None
    return Entry(
        event.customer_id,
        event.received_at,
        event_id,
        "complaint_received",
        channel=event.channel,
        reference_id=event.complaint_id,
        attributes={"complaint_number": event.complaint_number, "kind": event.kind, "category": event.category},
    )


def _complaint_moved(event: ComplaintStateChanged, event_id: UUID) -> Entry | None:
    if event.customer_id is None:
        return None
    return Entry(
        event.customer_id,
        event.changed_at,
        event_id,
        "complaint_state_changed",
        reference_id=event.complaint_id,
        attributes={"complaint_number": event.complaint_number, "action": event.action, "state": event.to_state},
    )


def _decided(event: ContactDecided, _event_id: UUID) -> Entry | None:
    # A contact that the gate refused never happened to the customer.
    if event.outcome != "allowed":
        return None
    return Entry(
        event.customer_id,
        event.decided_at,
        event.decision_id,
        "campaign_contact_allowed",
        channel=event.channel,
        reference_id=event.campaign_id,
        attributes={"campaign_code": event.campaign_code},
    )


def _delivery(event: ContactDeliveryChanged, event_id: UUID) -> Entry:
    return Entry(
        event.customer_id,
        event.changed_at,
        event_id,
        "campaign_delivery",
        channel=event.channel,
        reference_id=event.campaign_id,
        attributes={"campaign_code": event.campaign_code, "state": event.state},
    )


def _converted(event: CustomerConverted, event_id: UUID) -> Entry:
    return Entry(
        event.customer_id,
        event.converted_at,
        event_id,
        "campaign_converted",
        reference_id=event.campaign_id,
        attributes={"campaign_code": event.campaign_code, "product_code": event.product_code},
    )


def _tier(event: TierChanged, event_id: UUID) -> Entry:
    return Entry(
        event.customer_id,
        event.changed_at,
        event_id,
        "tier_changed",
        attributes={"from_tier": event.from_tier, "to_tier": event.to_tier},
    )


def _entered(event: MembershipEntered, event_id: UUID) -> Entry:
    return Entry(
        event.customer_id,
        event.entered_at,
        event_id,
        "segment_entered",
        reference_id=event.segment_id,
        attributes={"segment_code": event.segment_code},
    )


def _left(event: MembershipLeft, event_id: UUID) -> Entry:
    return Entry(
        event.customer_id,
        event.left_at,
        event_id,
        "segment_left",
        reference_id=event.segment_id,
        attributes={"segment_code": event.segment_code},
    )


def _text(value: UUID | None) -> str | None:
    return None if value is None else str(value)


ENTRIES: Final[Mapping[type[Contract], Callable[[Any, UUID], Entry | None]]] = {
    CustomerRegistered: _registered,
    OwnershipChanged: _owner_changed,
    ConsentChanged: _consent_changed,
    CustomerMerged: _merged,
    CustomerUnmerged: _unmerged,
    InteractionRecorded: _interaction,
    AccountStated: _account,
    ProductOpened: _product,
    ComplaintReceived: _complaint,
    ComplaintStateChanged: _complaint_moved,
    ContactDecided: _decided,
    ContactDeliveryChanged: _delivery,
    CustomerConverted: _converted,
    TierChanged: _tier,
    MembershipEntered: _entered,
    MembershipLeft: _left,
}
"""How each contract that stands on the timeline becomes an entry."""

TIMELINE_TYPES: Final = (
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
)
"""The types by which a timeline can be filtered."""


def entry_of(event: Contract, event_id: UUID) -> Entry | None:
    """The entry that the event stands for, or None where it is no news for a person who reads the timeline."""
    return ENTRIES[type(event)](event, event_id)
