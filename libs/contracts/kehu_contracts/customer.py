"""`kehu.customer.v1` and the compacted `kehu.customer-state.v1`: what happened to a customer, never who they are."""

from __future__ import annotations

from datetime import date
from typing import ClassVar, Literal
from uuid import UUID

from kehu_contracts.base import Contract, Event, Instant
from kehu_contracts.codes import Channel, ConsentStatus, CustomerStatus, Gender, PartyKind, Purpose

__all__ = [
    "ConsentChanged",
    "CustomerMerged",
    "CustomerProfileChanged",
    "CustomerRegistered",
    "CustomerState",
    "CustomerUnmerged",
    "InteractionRecorded",
    "OwnershipChanged",
    "StandingConsent",
]


class _CustomerEvent(Event):
    customer_id: UUID

    def subject_id(self) -> UUID:
        """The customer."""
        return self.customer_id


class CustomerRegistered(_CustomerEvent):
    """A party became known to the bank and got its customer number."""

    event_type: ClassVar[str] = "kehu.customer.registered"
    topic: ClassVar[str] = "kehu.customer.v1"

    customer_number: str
    kind: PartyKind
    unit_id: UUID | None
    registered_at: Instant


class CustomerProfileChanged(_CustomerEvent):
    """Attributes changed. Their names are given, their values are not: they may identify a person."""

    event_type: ClassVar[str] = "kehu.customer.profile_changed"
    topic: ClassVar[str] = "kehu.customer.v1"

    changed: tuple[str, ...]
    changed_at: Instant


class OwnershipChanged(_CustomerEvent):
    """The owning branch or the primary relationship manager changed."""

    event_type: ClassVar[str] = "kehu.customer.ownership_changed"
    topic: ClassVar[str] = "kehu.customer.v1"

    unit_id: UUID
    primary_rm_id: UUID | None
    effective_from: Instant


class ConsentChanged(_CustomerEvent):
    """A consent was given or withdrawn (PIPL Art. 14 and 15)."""

    event_type: ClassVar[str] = "kehu.customer.consent_changed"
    topic: ClassVar[str] = "kehu.customer.v1"

    purpose: Purpose
    channel: Channel
    contact_point_id: UUID | None
    status: ConsentStatus
    notice_version: str
    effective_at: Instant


class CustomerMerged(_CustomerEvent):
    """`customer_id` turned out to be the same party as `survivor_id`. A link: no fact moves."""

    event_type: ClassVar[str] = "kehu.customer.merged"
    topic: ClassVar[str] = "kehu.customer.v1"

    merge_id: UUID
    survivor_id: UUID
    merged_at: Instant


class CustomerUnmerged(_CustomerEvent):
    """The link was taken back: `customer_id` stands for itself again."""

    event_type: ClassVar[str] = "kehu.customer.unmerged"
    topic: ClassVar[str] = "kehu.customer.v1"

    merge_id: UUID
    survivor_id: UUID
    unmerged_at: Instant


class InteractionRecorded(_CustomerEvent):
    """Somebody of the bank had contact with the customer. What was said stays in the customer service."""

    event_type: ClassVar[str] = "kehu.customer.interaction_recorded"
    topic: ClassVar[str] = "kehu.customer.v1"

    interaction_id: UUID
    channel: Channel
    direction: Literal["inbound", "outbound"]
    occurred_at: Instant


class StandingConsent(Contract):
    """One line of the consents in force."""

    purpose: Purpose
    channel: Channel
    status: ConsentStatus


class CustomerState(_CustomerEvent):
    """The customer as others need it: compacted, so that a new consumer can start from it. Nothing identifies."""

    event_type: ClassVar[str] = "kehu.customer.state"
    topic: ClassVar[str] = "kehu.customer-state.v1"

    customer_number: str
    kind: PartyKind
    status: CustomerStatus
    gender: Gender
    birth_year: int | None
    unit_id: UUID | None
    primary_rm_id: UUID | None
    survivor_id: UUID
    """The customer that this one is merged into, itself when it is not merged."""
    customer_since: date
    consents: tuple[StandingConsent, ...]
