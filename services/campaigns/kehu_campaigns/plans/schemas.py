"""Requests and answers about campaigns."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Self
from uuid import UUID

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from kehu_campaigns.plans.rules import CampaignState
from kehu_chassis.schemas import CodeText, Id, In, Line, Moment, Narrative, Out
from kehu_contracts.codes import Channel, Purpose

__all__ = ["AudienceIn", "AudienceOut", "CampaignChangeIn", "CampaignIn", "CampaignOut", "RejectionIn", "ReviewIn"]

MAX_SEGMENTS = 20
Segments = Annotated[tuple[UUID, ...], Field(max_length=MAX_SEGMENTS)]
Message = Annotated[str, Field(min_length=1, max_length=500)]
HoldoutBasisPoints = Annotated[int, Field(ge=0, le=5_000)]
WindowDays = Annotated[int, Field(ge=1, le=365)]
TargetConversions = Annotated[int, Field(ge=1, le=10_000_000)]
TargetAmount = Annotated[Decimal, Field(gt=0, max_digits=20, decimal_places=2)]


class AudienceIn(In):
    """Whom it is for: in any of `any_of` and in all of `all_of` and in none of `none_of`."""

    any_of: Segments = ()
    all_of: Segments = ()
    none_of: Segments = ()
    customers_of_unit_id: UUID | None = None
    """Only customers of this unit and of the units below it."""

    @model_validator(mode="after")
    def _names_somebody(self) -> Self:
        if not self.any_of and not self.all_of:
            raise PydanticCustomError("empty_audience", "An audience needs a segment in any_of or all_of")
        return self


class CampaignIn(In):
    """A campaign to be planned."""

    code: CodeText
    name: Line
    objective: Narrative
    unit_id: UUID | None = None
    """The unit that owns it; the maker's own when it is not given."""
    purpose: Purpose = Purpose.MARKETING
    channel: Channel
    product_code: CodeText
    message: Message
    audience: AudienceIn
    holdout_basis_points: HoldoutBasisPoints = 0
    starts_at: Moment | None = None
    """Now when it is not given."""
    ends_at: Moment
    conversion_window_days: WindowDays = 30
    target_conversions: TargetConversions | None = None
    target_amount: TargetAmount | None = None


class CampaignChangeIn(In):
    """What is to be changed of a draft; what is not named stays."""

    name: Line | None = None
    objective: Narrative | None = None
    channel: Channel | None = None
    product_code: CodeText | None = None
    message: Message | None = None
    audience: AudienceIn | None = None
    holdout_basis_points: HoldoutBasisPoints | None = None
    starts_at: Moment | None = None
    ends_at: Moment | None = None
    conversion_window_days: WindowDays | None = None
    target_conversions: TargetConversions | None = None
    target_amount: TargetAmount | None = None


class ReviewIn(In):
    """An approval."""

    note: Narrative | None = None


class RejectionIn(In):
    """A rejection, with what has to be mended."""

    note: Narrative


class AudienceOut(Out):
    """Whom a campaign is for."""

    any_of: list[Id]
    all_of: list[Id]
    none_of: list[Id]
    customers_of_unit_id: Id | None


class CampaignOut(Out):
    """A campaign as it stands."""

    id: Id
    code: str
    name: str
    objective: str
    state: CampaignState
    unit_id: Id
    purpose: Purpose
    channel: Channel
    product_code: str
    message: str
    audience: AudienceOut
    holdout_basis_points: int
    starts_at: datetime
    ends_at: datetime
    conversion_window_days: int
    target_conversions: int | None
    target_amount: Decimal | None
    makers: list[str]
    reviewer: str | None
    review_note: str | None
    rule_versions: Annotated[dict[Id, int] | None, Field(description="Rule version of each segment at the approval")]
    audience_size: int | None
    created_at: datetime
    submitted_at: datetime | None
    reviewed_at: datetime | None
    finished_at: datetime | None
    version: int
