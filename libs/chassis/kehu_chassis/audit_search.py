"""Search in the audit of a service: who did what, on what, when and why; the newest first.

A search leaves an audit row itself, in the transaction that reads: who looks over others' shoulders is seen too. The
audit has no scope: whoever may read it sees the rows of the whole bank.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import Depends, Query
from sqlalchemy import Select, select

from kehu_chassis.audit import audit, audit_seals, record
from kehu_chassis.auth import Principal
from kehu_chassis.database import Transaction
from kehu_chassis.paging import PageQuery, PageRows, keyset, page_rows
from kehu_chassis.problems import FieldProblem, ValidationProblem
from kehu_chassis.schemas import Id, Moment, Out

__all__ = ["AuditFilter", "AuditQuery", "AuditRowOut", "audit_rows", "search"]

_FOUND: Final = select(audit, audit_seals.c.position.label("chain_position")).outerjoin(
    audit_seals, audit_seals.c.audit_id == audit.c.audit_id
)


class AuditRowOut(Out):
    """Who did what, on what, when and why.

    `at` is business time, `recorded_at` the machine's. `chain_position` is the row's place in the chain of hashes, null
    until it is sealed.
    """

    audit_id: Id
    at: datetime
    recorded_at: datetime
    actor: str
    staff_id: Id | None
    action: str
    resource_type: str
    resource_id: str
    reason: str | None
    details: dict[str, Any]
    trace_id: str
    chain_position: int | None


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which rows are wanted; None wants all. `since` is included, `until` is not."""

    actor: str | None = None
    staff_id: UUID | None = None
    action: str | None = None
    resource_type: str | None = None
    resource_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None


_Text = Annotated[str | None, Query(min_length=1, max_length=200)]

_HALF_A_RESOURCE: Final[FieldProblem] = {
    "pointer": "/resource_id",
    "where": "query",
    "code": "audit.half_a_resource",
    "detail": "State the type and the id of a resource together",
    "detail_zh": "对象类型与对象编号须同时给出",
}


async def audit_filter(  # noqa: PLR0913, PLR0917  a query names all that it takes
    actor: Annotated[
        _Text, Query(description="Subject of a person's or a system's token, or the name of a job")
    ] = None,
    staff_id: UUID | None = None,
    action: Annotated[_Text, Query(description="What was done, e.g. customer.revealed")] = None,
    resource_type: Annotated[_Text, Query(description="Together with resource_id")] = None,
    resource_id: Annotated[_Text, Query(description="Together with resource_type")] = None,
    since: Annotated[Moment | None, Query(alias="from", description="First moment, in business time")] = None,
    until: Annotated[Moment | None, Query(alias="to", description="The moment after the last")] = None,
) -> AuditFilter:
    """Read the filters of a search.

    Raises:
        ValidationProblem: of a resource's type and id only one is given.
    """
    if (resource_type is None) != (resource_id is None):
        raise ValidationProblem(errors=[_HALF_A_RESOURCE])
    return AuditFilter(actor, staff_id, action, resource_type, resource_id, since, until)


AuditQuery = Annotated[AuditFilter, Depends(audit_filter)]
"""A route's parameter for the audit rows that are wanted."""


def audit_rows(wanted: AuditFilter, page: PageQuery) -> Select[Any]:
    """A statement for a page of audit rows, the newest first. Each filter alone is served by an index."""
    statement = _FOUND
    for name in _EQUAL:
        if (value := getattr(wanted, name)) is not None:
            statement = statement.where(audit.c[name] == value)
    if wanted.since is not None:
        statement = statement.where(audit.c.at >= wanted.since)
    if wanted.until is not None:
        statement = statement.where(audit.c.at < wanted.until)
    return keyset(statement, (audit.c.at, audit.c.audit_id), page, descending=True)


async def search(  # noqa: PLR0913  what is wanted, who wants it and when
    tx: Transaction, service: str, wanted: AuditFilter, page: PageQuery, *, reader: Principal, now: datetime
) -> PageRows:
    """A page of audit rows, the newest first; that they were read is audited with the filters."""
    rows = await tx.all(audit_rows(wanted, page))
    found = page_rows(rows, page, ("at", "audit_id"))
    details = {"found": len(found["items"]), "filters": _told(wanted, found=bool(rows))}
    await record(tx, actor=reader, action="audit.read", resource=("audit", service), at=now, details=details)
    return found


_EQUAL: Final = ("actor", "staff_id", "action", "resource_type", "resource_id")


def _told(wanted: AuditFilter, *, found: bool) -> dict[str, str | None]:
    # What was typed may be anything, a customer's phone number too. A text that found rows stands in them already; one
    # that found none is told by its name alone.
    told: dict[str, str | None] = {}
    for name in (*_EQUAL, "since", "until"):
        value = getattr(wanted, name)
        if isinstance(value, str):
            told[name] = value if found else None
        elif value is not None:
            told[name] = value.isoformat() if isinstance(value, datetime) else str(value)
    return told
