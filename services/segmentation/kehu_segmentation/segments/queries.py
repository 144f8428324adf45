"""What is read about segments. Definitions are the bank's; counts are of members in the caller's scope."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import Select, and_, bindparam, exists, func, select

from kehu_chassis.database import Record, Transaction
from kehu_chassis.paging import PageQuery, PageRows, Pages, keyset, page_rows
from kehu_chassis.problems import NotFound
from kehu_chassis.scope import within_scope_subject
from kehu_segmentation.membership.tables import memberships
from kehu_segmentation.segments.tables import segment_versions, segments

__all__ = ["get_publication", "get_segment", "list_publications", "list_segments"]

_under_way = segment_versions.alias("under_way")
_publishing = exists().where(_under_way.c.segment_id == segments.c.segment_id, _under_way.c.state == "publishing")
_member_count = (
    select(func.count())
    .select_from(memberships)
    .where(
        memberships.c.segment_id == segments.c.segment_id,
        memberships.c.valid_to.is_(None),
        within_scope_subject(memberships.c.customer_id),
    )
    .scalar_subquery()
)
_SEGMENTS: Select[tuple[object, ...]] = select(
    segments,
    segments.c.draft.label("rule"),
    segment_versions.c.rule.label("rule_in_force"),
    segment_versions.c.published_at,
    _publishing.label("publishing"),
    _member_count.label("member_count"),
).outerjoin(
    segment_versions,
    and_(
        segment_versions.c.segment_id == segments.c.segment_id,
        segment_versions.c.rule_version == segments.c.rule_version,
    ),
)
_BY_CODE = Pages(_SEGMENTS, (segments.c.code,))
_ONE = _SEGMENTS.where(segments.c.segment_id == bindparam("segment_id"))


async def get_segment(tx: Transaction, segment_id: UUID) -> Record:
    """A segment with its draft, its rule in force and the number of its members in scope.

    Raises:
        NotFound: there is none.
    """
    row = await tx.first(_ONE, {"segment_id": segment_id})
    if row is None:
        raise NotFound
    return row


async def list_segments(tx: Transaction, page: PageQuery) -> PageRows:
    """Segments by their code."""
    rows = await _BY_CODE.read(tx, page)
    return page_rows(rows, page, ("code",))


async def list_publications(tx: Transaction, segment_id: UUID, page: PageQuery) -> PageRows:
    """The versions of a segment's rule, the latest first.

    Raises:
        NotFound: there is no such segment.
    """
    if await tx.first(select(segments.c.segment_id).where(segments.c.segment_id == segment_id)) is None:
        raise NotFound
    versions = select(segment_versions).where(segment_versions.c.segment_id == segment_id)
    rows = await tx.all(keyset(versions, (segment_versions.c.rule_version,), page, descending=True))
    return page_rows(rows, page, ("rule_version",))


async def get_publication(tx: Transaction, segment_id: UUID, rule_version: int) -> Record:
    """One version of a segment's rule.

    Raises:
        NotFound: there is none.
    """
    row = await tx.first(
        select(segment_versions).where(
            segment_versions.c.segment_id == segment_id, segment_versions.c.rule_version == rule_version
        )
    )
    if row is None:
        raise NotFound
    return row
