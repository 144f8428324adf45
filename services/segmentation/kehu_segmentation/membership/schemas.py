"""Answers about members and why they are."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import Field

from kehu_chassis.schemas import Id, Out
from kehu_contracts.base import Money
from kehu_contracts.codes import Tier
from kehu_segmentation.rules.schemas import Leaf, RuleTree

__all__ = ["CustomerSegmentsOut", "ExplanationOut", "MemberOut"]

Cause = Literal["event", "timer", "publication"]


class MemberOut(Out):
    """One interval of membership."""

    customer_id: Id
    customer_number: str
    valid_from: datetime
    valid_to: datetime | None
    rule_version: Annotated[int, Field(description="The version by which the customer entered")]
    cause: Annotated[Cause, Field(description="What the customer entered by")]
    event_id: Annotated[Id | None, Field(description="The event that led to it, when it was one")]


class EvidenceOut(Out):
    """A row behind a value: an account on a date, a movement, or a holding with the date it was opened on."""

    account_id: Id
    transaction_id: Id | None
    on: date
    amount: Money | None


class LeafOut(Out):
    """What one condition found."""

    pointer: Annotated[str, Field(description="JSON Pointer to the condition within the rule")]
    condition: Leaf
    value: Annotated[str | int | None, Field(description="What was found; null when it is unknown")]
    threshold: Annotated[list[str | int], Field(description="What the value is compared with")]
    verdict: Annotated[bool | None, Field(description="null is UNKNOWN")]
    evidence: Annotated[list[EvidenceOut], Field(description="At most 20 rows, the strongest first")]


class ExplanationOut(Out):
    """Why a customer belongs to a segment or does not, by the rule in force and the facts as they stand."""

    segment_id: Id
    customer_id: Annotated[Id, Field(description="The surviving customer when the one asked for is merged")]
    rule_version: int
    rule: RuleTree
    as_of: datetime
    business_date: date
    verdict: Annotated[bool | None, Field(description="null is UNKNOWN, which is not enough to belong")]
    member_since: Annotated[datetime | None, Field(description="null when the customer is not a member")]
    leaves: list[LeafOut]


class StandingOut(Out):
    """A segment that the customer belongs to."""

    segment_id: Id
    code: str
    name: str
    since: datetime
    rule_version: int


class CustomerTierOut(Out):
    """The customer's value tier."""

    tier: Tier
    since: datetime
    watch: Annotated[
        bool, Field(description="The monthly average is below the tier, which will be lost if that goes on")
    ]
    months_below: int
    month: Annotated[date, Field(description="The month last assessed, by its first day")]
    average: Money


class CustomerSegmentsOut(Out):
    """All that a customer belongs to now."""

    customer_id: Annotated[Id, Field(description="The surviving customer when the one asked for is merged")]
    tier: CustomerTierOut | None
    memberships: list[StandingOut]
