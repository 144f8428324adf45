"""What is asked about the organisation. The whole bank may see its own tree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import any_, literal, select

from kehu_chassis.columns import Text
from kehu_chassis.database import Transaction
from kehu_chassis.paging import PageQuery, PageRows, keyset, page_rows
from kehu_contracts.access import Role
from kehu_contracts.codes import UnitKind
from kehu_customer.organization.tables import staff, units

__all__ = ["StaffFilter", "list_staff", "list_units"]


async def list_units(
    tx: Transaction, page: PageQuery, *, kind: UnitKind | None, parent_id: UUID | None, active: bool | None
) -> PageRows:
    """Units by code."""
    statement = select(units)
    if kind is not None:
        statement = statement.where(units.c.kind == kind)
    if parent_id is not None:
        statement = statement.where(units.c.parent_id == parent_id)
    if active is not None:
        statement = statement.where(units.c.active.is_(active))
    rows = await tx.all(keyset(statement, (units.c.code,), page))
    return page_rows(rows, page, ("code",))


@dataclass(frozen=True, slots=True)
class StaffFilter:
    """Which staff are wanted; None wants all."""

    ids: Sequence[UUID] | None = None
    unit_id: UUID | None = None
    role: Role | None = None
    active: bool | None = None


async def list_staff(tx: Transaction, page: PageQuery, wanted: StaffFilter) -> PageRows:
    """Staff by number."""
    statement = select(staff)
    if wanted.ids is not None:
        statement = statement.where(staff.c.id.in_(wanted.ids))
    if wanted.unit_id is not None:
        statement = statement.where(staff.c.unit_id == wanted.unit_id)
    if wanted.role is not None:
        statement = statement.where(literal(wanted.role, Text) == any_(staff.c.roles))
    if wanted.active is not None:
        statement = statement.where(staff.c.active.is_(wanted.active))
    rows = await tx.all(keyset(statement, (staff.c.staff_number,), page))
    return page_rows(rows, page, ("staff_number",))
