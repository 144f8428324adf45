"""Requests and answers about ownership."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from kehu_chassis.schemas import Id, In, Line, Out

__all__ = ["OwnershipIn", "OwnershipIntervalOut", "OwnershipOut"]


class OwnershipIn(In):
    """The owner that a customer shall have from now on. Without a manager the customer belongs to the unit's pool."""

    unit_id: UUID
    primary_rm_id: UUID | None
    reason: Line


class OwnershipIntervalOut(Out):
    """Who owned the customer from (included) until (excluded; null while it lasts)."""

    unit_id: Id
    unit_code: str
    unit_name: str
    primary_rm_id: Id | None
    primary_rm_number: str | None
    primary_rm_name: str | None
    valid_from: datetime
    valid_until: datetime | None
    reason: str
    actor: str


class OwnershipOut(Out):
    """Who owns the customer, and the history, newest first."""

    customer_id: Id
    version: int
    unit_id: Id | None
    primary_rm_id: Id | None
    history: list[OwnershipIntervalOut]
