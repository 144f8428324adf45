"""Answers about the organisation."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from kehu_chassis.schemas import Out
from kehu_contracts.codes import UnitKind

__all__ = ["StaffOut", "UnitOut"]


class UnitOut(Out):
    """A unit as the bank last stated it."""

    id: UUID
    code: str
    name: str
    kind: UnitKind
    parent_id: UUID | None
    division_code: str | None
    active: bool
    version: int
    stated_at: datetime


class StaffOut(Out):
    """A member of staff as the bank last stated them."""

    id: UUID
    staff_number: str
    name: str
    unit_id: UUID
    roles: list[str]
    active: bool
    version: int
    stated_at: datetime
