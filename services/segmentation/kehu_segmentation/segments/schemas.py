"""Requests and answers about segments."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints

from kehu_chassis.schemas import CodeText, Id, In, Line, Out
from kehu_segmentation.rules.schemas import RuleTree

__all__ = ["PublicationOut", "SegmentChangeIn", "SegmentIn", "SegmentOut", "SegmentSummaryOut"]

Description = Annotated[str, StringConstraints(max_length=2000), AfterValidator(str.strip)]
PublicationState = Literal["publishing", "in_force", "superseded"]


class SegmentIn(In):
    """A new segment with its draft rule."""

    code: CodeText
    name: Line
    description: Description = ""
    rule: RuleTree


class SegmentChangeIn(In):
    """What is to change in the draft; what is not given stays."""

    name: Line | None = None
    description: Description | None = None
    rule: RuleTree | None = None


class SegmentSummaryOut(Out):
    """A segment in a list."""

    segment_id: Id
    code: str
    name: str
    description: str
    rule_version: Annotated[
        int | None, Field(description="The version that members are judged by; null before publication")
    ]
    publishing: Annotated[bool, Field(description="A publication is still taking effect")]
    published_at: datetime | None
    member_count: Annotated[int, Field(description="Members now, within the caller's scope")]
    updated_at: datetime
    version: int


class SegmentOut(SegmentSummaryOut):
    """A segment with its draft and the rule in force."""

    rule: Annotated[RuleTree, Field(description="The draft")]
    rule_in_force: RuleTree | None
    created_by: str
    created_at: datetime


class PublicationOut(Out):
    """One version of a segment's rule."""

    segment_id: Id
    rule_version: int
    rule: RuleTree
    state: PublicationState
    requested_by: str
    requested_at: datetime
    published_at: datetime | None
