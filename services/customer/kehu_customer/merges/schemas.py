"""Requests and answers about merges."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field

from kehu_chassis.schemas import Id, In, Line, Out

__all__ = ["MergeIn", "MergeOut", "UndoIn"]

Reason = Annotated[Line, Field(min_length=4)]


class MergeIn(In):
    """Two customers that are one party: `customer_id` is linked to `survivor_id`."""

    customer_id: UUID
    survivor_id: UUID
    reason: Reason


class UndoIn(In):
    """Why a merge was wrong."""

    reason: Reason


class MergeOut(Out):
    """A merge; `undone_at` is empty while it stands."""

    id: Id
    customer_id: Id
    survivor_id: Id
    reason: str
    merged_by: str
    merged_at: datetime
    undo_reason: str | None
    undone_by: str | None
    undone_at: datetime | None
    version: int
