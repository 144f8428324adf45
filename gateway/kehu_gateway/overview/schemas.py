"""The answers of the gateway's own views."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from kehu_chassis.schemas import Id, Out

__all__ = ["OverviewOut", "SectionOut", "SectionsOut"]


class SectionOut(Out):
    """One service's part. `stale`: the service is slow, and this is what it last said, as of `as_of`.

    `data` is the answer of the service's own route, unchanged; null when the section is unavailable, and then `reason`
    says why: `unreachable`, `timeout`, `forbidden` or `not_found`.
    """

    status: Literal["ok", "stale", "unavailable"]
    as_of: datetime | None
    reason: str | None
    data: dict[str, Any] | None


class SectionsOut(Out):
    """The sections of the customer 360."""

    profile: SectionOut
    holdings: SectionOut
    segments: SectionOut
    complaints: SectionOut
    campaigns: SectionOut


class OverviewOut(Out):
    """All that the bank knows of a customer and the caller may see."""

    customer_id: Id
    sections: SectionsOut
