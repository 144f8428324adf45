"""HTTP: the bank's units and staff."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from kehu_chassis.auth import Principal
from kehu_chassis.http import Tx, requires, router
from kehu_chassis.paging import CursorQuery, Page, PageRows
from kehu_contracts.access import Permission, Role
from kehu_contracts.codes import UnitKind
from kehu_customer.organization import queries
from kehu_customer.organization.queries import StaffFilter
from kehu_customer.organization.schemas import StaffOut, UnitOut

__all__ = ["routes"]

routes: APIRouter = router("", tags=["organization"])

Reader = Annotated[Principal, requires(Permission.ORGANIZATION_READ)]


@routes.get("/units", response_model=Page[UnitOut])
async def list_units(
    _reader: Reader,
    tx: Tx,
    page: CursorQuery,
    kind: UnitKind | None = None,
    parent_id: UUID | None = None,
    active: bool | None = None,  # noqa: FBT001  a parameter of the query
) -> PageRows:
    """The units of the bank by code: head office, branches, sub-branches, departments."""
    return await queries.list_units(tx, page, kind=kind, parent_id=parent_id, active=active)


@routes.get("/staff", response_model=Page[StaffOut])
async def list_staff(  # noqa: PLR0913, PLR0917  a route names all that it takes
    _reader: Reader,
    tx: Tx,
    page: CursorQuery,
    staff_id: Annotated[list[UUID] | None, Query(max_length=50, description="These alone, by their ids")] = None,
    unit_id: UUID | None = None,
    role: Role | None = None,
    active: bool | None = None,  # noqa: FBT001  a parameter of the query
) -> PageRows:
    """The staff of the bank by number, with the unit they work in and their roles."""
    wanted = StaffFilter(ids=staff_id, unit_id=unit_id, role=role, active=active)
    return await queries.list_staff(tx, page, wanted)
