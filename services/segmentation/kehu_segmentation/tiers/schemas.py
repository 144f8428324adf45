"""Answers about the tier scheme."""

from __future__ import annotations

from datetime import date, time
from typing import Annotated

from pydantic import Field, WithJsonSchema

from kehu_chassis.schemas import Out
from kehu_contracts.base import Money
from kehu_contracts.codes import Tier

__all__ = ["TierSchemeOut"]


class TierOut(Out):
    """One tier of the scheme and how many customers within the caller's scope stand in it."""

    tier: Tier
    threshold: Annotated[Money, Field(description="The average of a month's assets from which the tier is reached")]
    months_below: Annotated[
        int | None, Field(description="Months in a row below after which it is lost; null: it cannot be lost")
    ]
    customer_count: int
    watch_count: Annotated[int, Field(description="Customers of the tier whose last month was below it")]


class TierSchemeOut(Out):
    """The scheme in force, from the lowest tier to the highest."""

    scheme_version: int
    effective_from: date
    currency: str
    assessed_at: Annotated[
        time,
        # The format `time` of JSON Schema has a zone; this is the clock on the wall of the bank.
        WithJsonSchema({"type": "string", "pattern": r"^\d{2}:\d{2}:\d{2}$"}),
        Field(description="In Asia/Shanghai, on the first of each month"),
    ]
    tiers: list[TierOut]
    unassessed_count: Annotated[int, Field(description="Customers within the caller's scope who have no tier yet")]
