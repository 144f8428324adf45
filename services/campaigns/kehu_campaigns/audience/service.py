"""What is done about audiences: projections of segments, freezing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ARRAY, Uuid, bindparam, delete, func, literal, select
from sqlalchemy.dialects.postgresql import insert

from kehu_campaigns.audience import queries
from kehu_campaigns.audience.tables import members, memberships, segments
from kehu_chassis.database import Transaction
from kehu_chassis.problems import Conflict
from kehu_contracts.segment import MembershipState, SegmentPublished

__all__ = ["SegmentUnpublished", "freeze", "note_memberships", "note_publications", "published_versions"]


class SegmentUnpublished(Conflict):
    """A segment of the audience has never been published, so nobody belongs to it."""

    code = "campaign.segment_unpublished"
    title = "A segment of the audience is not published"
    title_zh = "目标客群中的客群尚未发布"


async def published_versions(tx: Transaction, campaign: Mapping[str, Any]) -> dict[UUID, int]:
    """The rule version in force of every segment of the campaign's audience."""
    named = {*campaign["segments_any"], *campaign["segments_all"], *campaign["segments_none"]}
    versions = await queries.versions_of(tx, sorted(named))
    missing = sorted(named - versions.keys())
    if missing:
        names = ", ".join(map(str, missing))
        raise SegmentUnpublished(f"Not published: {names}.", detail_zh=f"尚未发布：{names}。")
    return versions


async def freeze(tx: Transaction, campaign: Mapping[str, Any], *, now: datetime) -> int:
    """Write the audience down as it now stands, in one statement, and tell its size. Later changes do not touch it."""
    chosen = queries.selection(campaign).subquery("audience")
    rows = select(literal(campaign["id"], Uuid), chosen.c.customer_id, literal(now, members.c.frozen_at.type))
    return await tx.execute(insert(members).from_select(["campaign_id", "customer_id", "frozen_at"], rows))


async def note_publications(tx: Transaction, events: Sequence[SegmentPublished]) -> None:
    """Remember the rule version in force of segments; an older one never comes back."""
    latest: dict[UUID, SegmentPublished] = {}
    for event in events:
        known = latest.get(event.segment_id)
        if known is None or event.rule_version > known.rule_version:
            latest[event.segment_id] = event
    await tx.execute_many(
        _PUBLISHED,
        [
            {
                "segment_id": event.segment_id,
                "code": event.code,
                "rule_version": event.rule_version,
                "published_at": event.published_at,
            }
            for event in latest.values()
        ],
    )


async def note_memberships(tx: Transaction, states: Sequence[MembershipState]) -> None:
    """Make the memberships of customers equal to the last state of each."""
    latest = {state.customer_id: state for state in states}
    pairs = [(standing.segment_id, state.customer_id) for state in latest.values() for standing in state.memberships]
    given = {"segment_ids": [pair[0] for pair in pairs], "customer_ids": [pair[1] for pair in pairs]}
    await tx.execute(_LEFT, given | {"told": sorted(latest)})
    await tx.execute(_ENTERED, given)


_standing: Final = (
    func.unnest(bindparam("segment_ids", type_=ARRAY(Uuid)), bindparam("customer_ids", type_=ARRAY(Uuid)))
    .table_valued("segment_id", "customer_id", name="standing")
    .render_derived()
)

_LEFT: Final = delete(memberships).where(
    memberships.c.customer_id == func.any(bindparam("told", type_=ARRAY(Uuid))),
    ~select(_standing.c.segment_id)
    .where(_standing.c.segment_id == memberships.c.segment_id, _standing.c.customer_id == memberships.c.customer_id)
    .exists(),
)
_ENTERED: Final = (
    insert(memberships)
    .from_select(
        ["segment_id", "customer_id"],
        select(_standing.c.segment_id, _standing.c.customer_id).order_by(
            _standing.c.customer_id, _standing.c.segment_id
        ),
    )
    .on_conflict_do_nothing()
)
_published: Final = insert(segments).values(
    segment_id=bindparam("segment_id"),
    code=bindparam("code"),
    rule_version=bindparam("rule_version"),
    published_at=bindparam("published_at"),
)
_PUBLISHED: Final = _published.on_conflict_do_update(
    index_elements=[segments.c.segment_id],
    set_={name: _published.excluded[name] for name in ("code", "rule_version", "published_at")},
    where=segments.c.rule_version < _published.excluded.rule_version,
)
