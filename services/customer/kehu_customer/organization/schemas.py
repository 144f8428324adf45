"""Answers about the organisation."""

from __future__ import annotations

from datetime import datetime

from kehu_chassis.schemas import Id, Out
from kehu_contracts.codes import UnitKind

__all__ = ["StaffOut", "UnitOut"]


class UnitOut(Out):
    """A unit as the bank last stated it."""

    id: Id
    code: str
    name: str
    kind: UnitKind
    parent_id: Id | None
    division_code: str | None
    active: bool
    version: int
    stated_at: datetime


class StaffOut(Out):
    """A member of staff as the bank last stated them."""

    id: Id
    staff_number: str
    name: str
    unit_id: Id
    roles: list[str]
    active: bool
    version: int
    stated_at: datetime
