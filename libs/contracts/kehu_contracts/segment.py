"""`kehu.segment.v1` and the compacted `kehu.segment-state.v1`: who belongs to what, and since when."""

from __future__ import annotations

from typing import ClassVar, Literal
from uuid import UUID

from kehu_contracts.base import Contract, Event, Instant
from kehu_contracts.codes import Tier

__all__ = [
    "MembershipEntered",
    "MembershipLeft",
    "MembershipState",
    "SegmentPublished",
    "StandingMembership",
    "TierChanged",
]


class SegmentPublished(Event):
    """A version of a segment's rule came into force."""

    event_type: ClassVar[str] = "kehu.segment.published"
    topic: ClassVar[str] = "kehu.segment.v1"

    segment_id: UUID
    code: str
    rule_version: int
    published_at: Instant

    def subject_id(self) -> UUID:
        """The segment."""
        return self.segment_id


class _MembershipEvent(Event):
    customer_id: UUID
    segment_id: UUID
    segment_code: str
    rule_version: int

    def subject_id(self) -> UUID:
        """The customer."""
        return self.customer_id


class MembershipEntered(_MembershipEvent):
    """A customer began to belong to a segment 客群."""

    event_type: ClassVar[str] = "kehu.segment.membership_entered"
    topic: ClassVar[str] = "kehu.segment.v1"

    entered_at: Instant
    cause: Literal["event", "timer", "publication"]


class MembershipLeft(_MembershipEvent):
    """A customer ceased to belong to a segment."""

    event_type: ClassVar[str] = "kehu.segment.membership_left"
    topic: ClassVar[str] = "kehu.segment.v1"

    left_at: Instant
    cause: Literal["event", "timer", "publication"]


class TierChanged(Event):
    """The value tier 客户等级 of a customer changed."""

    event_type: ClassVar[str] = "kehu.segment.tier_changed"
    topic: ClassVar[str] = "kehu.segment.v1"

    customer_id: UUID
    from_tier: Tier | None
    to_tier: Tier
    changed_at: Instant

    def subject_id(self) -> UUID:
        """The customer."""
        return self.customer_id


class StandingMembership(Contract):
    """One segment that the customer belongs to now."""

    segment_id: UUID
    segment_code: str
    since: Instant


class MembershipState(Event):
    """All that a customer belongs to now: compacted."""

    event_type: ClassVar[str] = "kehu.segment.state"
    topic: ClassVar[str] = "kehu.segment-state.v1"

    customer_id: UUID
    tier: Tier | None
    memberships: tuple[StandingMembership, ...]

    def subject_id(self) -> UUID:
        """The customer."""
        return self.customer_id
