"""`kehu.organization.v1`: the organisation tree, owned by the customer service, projected by every service."""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

from kehu_contracts.base import Event
from kehu_contracts.codes import UnitKind

__all__ = ["StaffChanged", "UnitChanged"]


class UnitChanged(Event):
    """A unit of the bank as it now stands: created, renamed, moved or closed."""

    event_type: ClassVar[str] = "kehu.organization.unit_changed"
    topic: ClassVar[str] = "kehu.organization.v1"

    unit_id: UUID
    code: str
    name: str
    kind: UnitKind
    parent_id: UUID | None
    active: bool

    def subject_id(self) -> UUID:
        """The unit."""
        return self.unit_id


class StaffChanged(Event):
    """A member of staff as they now stand: where they work and what they may do. No name: the number identifies."""

    event_type: ClassVar[str] = "kehu.organization.staff_changed"
    topic: ClassVar[str] = "kehu.organization.v1"

    staff_id: UUID
    staff_number: str
    unit_id: UUID
    roles: tuple[str, ...]
    active: bool

    def subject_id(self) -> UUID:
        """The member of staff."""
        return self.staff_id
