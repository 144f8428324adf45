"""HTTP: members of a segment, why a customer belongs, and all that a customer belongs to."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import Query

from kehu_chassis.auth import Principal
from kehu_chassis.http import Now, Tx, requires, router
from kehu_chassis.paging import CursorQuery, Page, PageRows
from kehu_chassis.problems import problems
from kehu_chassis.schemas import Moment
from kehu_contracts.access import Permission
from kehu_segmentation.membership import queries
from kehu_segmentation.membership.schemas import CustomerSegmentsOut, ExplanationOut, MemberOut

__all__ = ["customer_routes", "routes"]

routes = router("/segments", tags=["membership"])
customer_routes = router("/customers", tags=["membership"])
Reader = Annotated[Principal, requires(Permission.SEGMENT_READ)]
AsOf = Annotated[Moment | None, Query(description="A moment with its zone; now when it is not given")]


@routes.get("/{segment_id}/members", response_model=Page[MemberOut], responses=problems(404))
async def list_members(segment_id: UUID, _: Reader, tx: Tx, page: CursorQuery, as_of: AsOf = None) -> PageRows:
    """The members within the caller's scope, at a moment or now: from `valid_from` (inclusive) to `valid_to` (exclusive)."""
    return await queries.list_members(tx, segment_id, as_of=as_of, page=page)


@routes.get(
    "/{segment_id}/explanations/{customer_id}",
    response_model=ExplanationOut,
    responses=problems(404, queries.NotPublished),
)
async def explain_membership(segment_id: UUID, customer_id: UUID, _: Reader, tx: Tx, now: Now) -> dict[str, Any]:
    """Why the customer belongs or does not: each condition with its value, its threshold, its verdict and its evidence."""
    return await queries.explain_membership(tx, segment_id, customer_id, now=now)


@customer_routes.get("/{customer_id}/segments", response_model=CustomerSegmentsOut, responses=problems(404))
async def get_customer_segments(customer_id: UUID, _: Reader, tx: Tx) -> dict[str, Any]:
    """The segments and the value tier of a customer."""
    return await queries.segments_of(tx, customer_id)
