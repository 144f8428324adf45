"""Answers about audiences."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import Field

from kehu_campaigns.gate.rules import Reason
from kehu_chassis.schemas import Id, Out
from kehu_contracts.codes import DecisionOutcome

__all__ = ["MemberOut", "WaterfallOut"]


class MemberOut(Out):
    """A member of a frozen audience."""

    campaign_id: Id
    customer_id: Id
    frozen_at: datetime
    deferred_until: datetime | None
    outcome: DecisionOutcome | None
    reason: Reason | None
    decided_at: datetime | None


class WaterfallOut(Out):
    """What the gate would decide now about everybody whom the segments give now."""

    campaign_id: Id
    audience: int
    reasons: Annotated[dict[Reason, int], Field(description="By reason; they add up to the audience")]
