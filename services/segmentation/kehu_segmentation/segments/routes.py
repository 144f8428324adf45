"""HTTP: segments, their drafts and publications."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import Path, Response

from kehu_chassis.auth import Principal
from kehu_chassis.database import Record
from kehu_chassis.http import IfMatch, Now, Tx, etag, requires, router
from kehu_chassis.paging import CursorQuery, Page, PageRows
from kehu_chassis.problems import problems
from kehu_contracts.access import Permission
from kehu_segmentation.segments import queries, service
from kehu_segmentation.segments.schemas import (
    PublicationOut,
    SegmentChangeIn,
    SegmentIn,
    SegmentOut,
    SegmentSummaryOut,
)

__all__ = ["routes"]

routes = router("/segments", tags=["segments"])
Reader = Annotated[Principal, requires(Permission.SEGMENT_READ)]
Author = Annotated[Principal, requires(Permission.SEGMENT_WRITE)]
RuleVersion = Annotated[int, Path(ge=1, le=1_000_000)]


@routes.get("", response_model=Page[SegmentSummaryOut])
async def list_segments(_: Reader, tx: Tx, page: CursorQuery) -> PageRows:
    """List segments by code, each with the number of its members in the caller's scope."""
    return await queries.list_segments(tx, page)


@routes.post("", response_model=SegmentOut, status_code=201, responses=problems(service.CodeTaken))
async def create_segment(body: SegmentIn, actor: Author, tx: Tx, now: Now, response: Response) -> Record:
    """Begin a segment as a draft; it has no members until it is published."""
    created = await service.create_segment(tx, body, actor=actor, now=now)
    response.headers["ETag"] = etag(created["version"])
    response.headers["Location"] = f"/api/v1/segments/{created['segment_id']}"
    return await queries.get_segment(tx, created["segment_id"])


@routes.get("/{segment_id}", response_model=SegmentOut, responses=problems(404))
async def get_segment(segment_id: UUID, _: Reader, tx: Tx, response: Response) -> Record:
    """A segment: its draft, the rule in force, the number of members in the caller's scope."""
    row = await queries.get_segment(tx, segment_id)
    response.headers["ETag"] = etag(row["version"])
    return row


@routes.patch("/{segment_id}", response_model=SegmentOut, responses=problems(404))
async def change_segment(  # noqa: PLR0913, PLR0917  path, body, headers and what every route needs
    segment_id: UUID, body: SegmentChangeIn, expected: IfMatch, actor: Author, tx: Tx, now: Now, response: Response
) -> Record:
    """Change the draft; the rule in force stays until the draft is published."""
    changed = await service.change_draft(tx, segment_id, body, expected=expected, actor=actor, now=now)
    response.headers["ETag"] = etag(changed["version"])
    return await queries.get_segment(tx, segment_id)


@routes.get("/{segment_id}/publications", response_model=Page[PublicationOut], responses=problems(404))
async def list_publications(segment_id: UUID, _: Reader, tx: Tx, page: CursorQuery) -> PageRows:
    """The versions of the segment's rule, the latest first."""
    return await queries.list_publications(tx, segment_id, page)


@routes.post(
    "/{segment_id}/publications",
    response_model=PublicationOut,
    status_code=202,
    responses=problems(404, service.PublicationRunning),
)
async def publish_segment(segment_id: UUID, actor: Author, tx: Tx, now: Now, response: Response) -> Any:
    """Publish the draft as the next version of the rule. The members follow within seconds: see the version's state."""
    version = await service.request_publication(tx, segment_id, actor=actor, now=now)
    response.headers["Location"] = f"/api/v1/segments/{segment_id}/publications/{version['rule_version']}"
    return version


@routes.get("/{segment_id}/publications/{rule_version}", response_model=PublicationOut, responses=problems(404))
async def get_publication(segment_id: UUID, rule_version: RuleVersion, _: Reader, tx: Tx) -> Record:
    """One version of the segment's rule; `in_force` once every customer has been judged by it."""
    return await queries.get_publication(tx, segment_id, rule_version)
