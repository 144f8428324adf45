"""SELECTs on cases, each within the caller's scope."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, bindparam, func, or_, select
from sqlalchemy.sql.selectable import NamedFromClause

from kehu_chassis.database import Record, Transaction
from kehu_chassis.paging import PageQuery, PageRows, Pages, keyset, page_rows
from kehu_chassis.scope import scope_staff, scope_subjects, scope_units, within_scope
from kehu_complaints.cases.tables import complaint_history, complaints
from kehu_complaints.clocks.tables import complaint_clocks
from kehu_contracts.codes import ComplaintState

__all__ = [
    "QueueFilter",
    "customer_unit",
    "customers_merged_with",
    "find_case",
    "history_of",
    "is_active_staff",
    "list_customer_cases",
    "list_queue",
    "lock_case",
    "open_count",
    "reachable_unit",
    "reaches_unit",
    "unit_of_staff",
]

_STATUTORY: Final = complaint_clocks.alias("statutory")
_INTERNAL: Final = complaint_clocks.alias("internal")
_SUMMARY: Final = (
    "complaint_id",
    "complaint_number",
    "kind",
    "state",
    "channel",
    "category",
    "customer_id",
    "unit_id",
    "handler_id",
    "received_at",
    "open",
    "queue_at",
)


def _clock(alias: NamedFromClause[Any], name: str) -> list[ColumnElement[Any]]:
    columns = ("rule_id", "status", "due_on", "due_at", "provisional", "overdue")
    return [alias.c[column].label(f"{name}_{column}") for column in columns]


def _is_overdue(alias: NamedFromClause[Any], now: datetime) -> ColumnElement[bool]:
    due_by_now = and_(alias.c.status == "running", alias.c.due_at <= now)
    return or_(alias.c.overdue, due_by_now)


def _with_clocks(columns: Sequence[ColumnElement[Any]]) -> Select[Any]:
    source = complaints.outerjoin(
        _STATUTORY, and_(_STATUTORY.c.complaint_id == complaints.c.complaint_id, _STATUTORY.c.clock == "statutory")
    ).outerjoin(_INTERNAL, and_(_INTERNAL.c.complaint_id == complaints.c.complaint_id, _INTERNAL.c.clock == "internal"))
    return (
        select(*columns, *_clock(_STATUTORY, "statutory"), *_clock(_INTERNAL, "internal"))
        .select_from(source)
        .where(within_scope(complaints.c.unit_id))
    )


_LIST: Final = _with_clocks([complaints.c[name] for name in _SUMMARY])
_FIND: Final = _with_clocks(list(complaints.c)).where(complaints.c.complaint_id == bindparam("complaint_id"))
_LOCK: Final = (
    select(complaints)
    .where(complaints.c.complaint_id == bindparam("complaint_id"), within_scope(complaints.c.unit_id))
    .with_for_update()
)
_HISTORY: Final = Pages(
    select(complaint_history).where(complaint_history.c.complaint_id == bindparam("complaint_id")),
    (complaint_history.c.position,),
)
_STAFF_UNIT: Final = select(scope_staff.c.unit_id).where(
    scope_staff.c.staff_id == bindparam("staff_id"), scope_staff.c.active
)
_WORKPLACE: Final = scope_units.alias("workplace")
_CASE_UNIT: Final = scope_units.alias("case_unit")
_REACHES_UNIT: Final = (
    select(scope_staff.c.staff_id)
    .join(_WORKPLACE, _WORKPLACE.c.unit_id == scope_staff.c.unit_id)
    .join(
        _CASE_UNIT,
        or_(_CASE_UNIT.c.unit_id == _WORKPLACE.c.unit_id, _WORKPLACE.c.path.op("@>")(_CASE_UNIT.c.path)),
    )
    .where(
        scope_staff.c.staff_id == bindparam("staff_id"),
        scope_staff.c.active,
        _CASE_UNIT.c.unit_id == bindparam("unit_id"),
    )
)
_SURVIVOR: Final = scope_subjects.alias("survivor")


def _in_reach(unit_id: ColumnElement[Any]) -> ColumnElement[bool]:
    """Asked of the database itself: units and subjects of the directory have no row-level security behind the query."""
    return or_(func.scope_all(), unit_id == func.any(func.scope_units_in_reach()))


_CUSTOMER: Final = (
    select(_SURVIVOR.c.subject_id, _SURVIVOR.c.unit_id)
    .select_from(scope_subjects.join(_SURVIVOR, _SURVIVOR.c.subject_id == scope_subjects.c.survivor_id))
    .where(scope_subjects.c.subject_id == bindparam("customer_id"), _in_reach(_SURVIVOR.c.unit_id))
)
_UNIT: Final = select(scope_units.c.unit_id).where(
    scope_units.c.unit_id == bindparam("unit_id"), scope_units.c.active, _in_reach(scope_units.c.unit_id)
)
_MERGED: Final = select(scope_subjects.c.subject_id).where(
    scope_subjects.c.survivor_id == bindparam("survivor_id"),
    scope_subjects.c.survivor_id != scope_subjects.c.subject_id,
)


@dataclass(frozen=True, slots=True)
class QueueFilter:
    """Which cases of the queue are wanted; None leaves a filter out."""

    state: ComplaintState | None = None
    unit_id: UUID | None = None
    handler_id: UUID | None = None
    overdue: bool | None = None
    open: bool | None = None
    customer_ids: Sequence[UUID] | None = None


async def find_case(tx: Transaction, complaint_id: UUID) -> Record | None:
    """A case with its clocks, or None when there is none in reach."""
    return await tx.first(_FIND, {"complaint_id": complaint_id})


async def lock_case(tx: Transaction, complaint_id: UUID) -> Record | None:
    """A case, locked until the transaction ends, or None when there is none in reach."""
    return await tx.first(_LOCK, {"complaint_id": complaint_id})


async def list_queue(tx: Transaction, wanted: QueueFilter, page: PageQuery, now: datetime) -> PageRows:
    """Cases by their next statutory deadline; those without a running statutory clock stand at the end."""
    statement = _filtered(_LIST, wanted, now)
    found = keyset(statement, (complaints.c.queue_at, complaints.c.complaint_id), page)
    return page_rows(await tx.all(found), page, ("queue_at", "complaint_id"))


def _filtered(statement: Select[Any], wanted: QueueFilter, now: datetime) -> Select[Any]:
    if wanted.state is not None:
        statement = statement.where(complaints.c.state == wanted.state)
    if wanted.unit_id is not None:
        statement = statement.where(complaints.c.unit_id == wanted.unit_id)
    if wanted.handler_id is not None:
        statement = statement.where(complaints.c.handler_id == wanted.handler_id)
    if wanted.open is not None:
        statement = statement.where(complaints.c.open.is_(wanted.open))
    if wanted.customer_ids is not None:
        statement = statement.where(complaints.c.customer_id.in_(wanted.customer_ids))
    if wanted.overdue is not None:
        overdue = func.coalesce(_is_overdue(_STATUTORY, now), False)
        statement = statement.where(overdue if wanted.overdue else ~overdue)
    return statement


async def list_customer_cases(tx: Transaction, customer_ids: Sequence[UUID], page: PageQuery) -> PageRows:
    """Cases of a customer's records, newest first."""
    statement = _LIST.where(complaints.c.customer_id.in_(customer_ids))
    found = keyset(statement, (complaints.c.received_at, complaints.c.complaint_id), page, descending=True)
    return page_rows(await tx.all(found), page, ("received_at", "complaint_id"))


async def open_count(tx: Transaction, customer_ids: Sequence[UUID]) -> int:
    """How many of a customer's complaints stop marketing, as far as the caller sees."""
    counted = select(func.count()).where(
        complaints.c.customer_id.in_(customer_ids), complaints.c.open, within_scope(complaints.c.unit_id)
    )
    return int(await tx.scalar(counted))


async def history_of(tx: Transaction, complaint_id: UUID, page: PageQuery) -> PageRows:
    """The history of a case, oldest first. The caller has found the case in its scope."""
    rows = await _HISTORY.read(tx, page, {"complaint_id": complaint_id})
    return page_rows(rows, page, ("position",))


async def customer_unit(tx: Transaction, customer_id: UUID) -> Record | None:
    """The surviving customer (`subject_id`) and its owning unit, or None when it is not in reach."""
    return await tx.first(_CUSTOMER, {"customer_id": customer_id})


async def customers_merged_with(tx: Transaction, survivor_id: UUID) -> list[UUID]:
    """The ids of all records that now stand for one customer."""
    return [survivor_id, *(row["subject_id"] for row in await tx.all(_MERGED, {"survivor_id": survivor_id}))]


async def reachable_unit(tx: Transaction, unit_id: UUID) -> bool:
    """Whether the unit exists and lies in the caller's reach."""
    return await tx.first(_UNIT, {"unit_id": unit_id}) is not None


async def unit_of_staff(tx: Transaction, staff_id: UUID) -> UUID | None:
    """Where a member of staff works, or None when they do not."""
    unit_id: UUID | None = await tx.scalar(_STAFF_UNIT, {"staff_id": staff_id})
    return unit_id


async def reaches_unit(tx: Transaction, staff_id: UUID, unit_id: UUID) -> bool:
    """Whether a member of staff works in the unit or above it, and so reaches its cases."""
    return await tx.first(_REACHES_UNIT, {"staff_id": staff_id, "unit_id": unit_id}) is not None


async def is_active_staff(tx: Transaction, staff_id: UUID) -> bool:
    """Whether this is a member of staff who works here."""
    return await unit_of_staff(tx, staff_id) is not None
