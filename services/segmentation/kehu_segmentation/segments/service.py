"""What may be done to a segment: draft it, change the draft, ask for its publication."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import bindparam, insert, select, update

from kehu_chassis import audit, outbox, timers
from kehu_chassis.auth import Principal
from kehu_chassis.database import Record, Transaction
from kehu_chassis.http import check_version
from kehu_chassis.problems import Conflict, NotFound
from kehu_contracts.segment import SegmentPublished
from kehu_segmentation.rules.schemas import Rule, parse_rule
from kehu_segmentation.segments.schemas import SegmentChangeIn, SegmentIn
from kehu_segmentation.segments.tables import segment_versions, segments

__all__ = [
    "PUBLICATION",
    "ActiveSegment",
    "CodeTaken",
    "PublicationRunning",
    "active_segments",
    "change_draft",
    "create_segment",
    "finish_publication",
    "request_publication",
    "start_publication",
]

PUBLICATION: Final = "segment.publication"
"""The timer that makes a publication take effect: at once, in the worker, which reaches every customer."""


class CodeTaken(Conflict):
    """Another segment has this code."""

    code = "segment.code_taken"
    title = "Another segment has this code"
    title_zh = "该客群编码已被使用"


class PublicationRunning(Conflict):
    """The publication before is still taking effect."""

    code = "segment.publication_running"
    title = "A publication of this segment is still under way"
    title_zh = "该客群的上一次发布尚未完成"


@dataclass(frozen=True, slots=True)
class ActiveSegment:
    """A segment with the rule that members are judged by."""

    segment_id: UUID
    code: str
    rule_version: int
    rule: Rule


_ACTIVE = select(segments.c.segment_id, segments.c.code, segment_versions.c.rule_version, segment_versions.c.rule).join(
    segment_versions,
    (segment_versions.c.segment_id == segments.c.segment_id)
    & (segment_versions.c.rule_version == segments.c.rule_version),
)
_ALL_ACTIVE = _ACTIVE.order_by(segments.c.segment_id)
_ONE_ACTIVE = _ACTIVE.where(segments.c.segment_id == bindparam("segment_id"))


async def active_segments(tx: Transaction, segment_id: UUID | None = None) -> list[ActiveSegment]:
    """The segments with a rule in force: all of them, or the one asked for if it has one."""
    rows = await (tx.all(_ALL_ACTIVE) if segment_id is None else tx.all(_ONE_ACTIVE, {"segment_id": segment_id}))
    return [_active(row) for row in rows]


def _active(row: Record) -> ActiveSegment:
    return ActiveSegment(row["segment_id"], row["code"], row["rule_version"], parse_rule(row["rule"]))


async def create_segment(tx: Transaction, draft: SegmentIn, *, actor: Principal, now: datetime) -> Record:
    """Begin a draft.

    Raises:
        CodeTaken: the code is in use.
    """
    if await tx.first(select(segments.c.segment_id).where(segments.c.code == draft.code)) is not None:
        raise CodeTaken
    row = await tx.one(
        insert(segments)
        .values(
            code=draft.code,
            name=draft.name,
            description=draft.description,
            draft=draft.rule.model_dump(mode="json"),
            created_by=actor.subject,
            created_at=now,
            updated_at=now,
        )
        .returning(segments)
    )
    await _note(tx, actor, "segment.created", row, now)
    return row


async def change_draft(  # noqa: PLR0913  what to change, on which state of it, and who does it when
    tx: Transaction, segment_id: UUID, change: SegmentChangeIn, *, expected: int, actor: Principal, now: datetime
) -> Record:
    """Change name, description or draft rule; whoever saw an older version is refused.

    Raises:
        NotFound: there is no such segment.
        PreconditionFailed: it has changed since `expected`.
    """
    row = await _lock(tx, segment_id)
    check_version(row["version"], expected)
    values: dict[str, Any] = {
        name: value for name, value in (("name", change.name), ("description", change.description)) if value is not None
    }
    if change.rule is not None:
        values["draft"] = change.rule.model_dump(mode="json")
    changed = await tx.one(
        update(segments)
        .where(segments.c.segment_id == segment_id)
        .values(**values, updated_at=now, version=segments.c.version + 1)
        .returning(segments)
    )
    await _note(tx, actor, "segment.draft_changed", changed, now)
    return changed


async def request_publication(tx: Transaction, segment_id: UUID, *, actor: Principal, now: datetime) -> Record:
    """Freeze the draft as the next version of the rule; the worker then recomputes the members.

    An unchanged draft may be published again: everybody is judged anew.

    Raises:
        NotFound: there is no such segment.
        PublicationRunning: the one before has not taken effect yet.
    """
    row = await _lock(tx, segment_id)
    latest = await tx.first(
        select(segment_versions)
        .where(segment_versions.c.segment_id == segment_id)
        .order_by(segment_versions.c.rule_version.desc())
        .limit(1)
    )
    if latest is not None and latest["state"] == "publishing":
        raise PublicationRunning
    version = await tx.one(
        insert(segment_versions)
        .values(
            segment_id=segment_id,
            rule_version=1 if latest is None else latest["rule_version"] + 1,
            rule=row["draft"],
            state="publishing",
            requested_by=actor.subject,
            requested_at=now,
        )
        .returning(segment_versions)
    )
    await timers.schedule(tx, due_at=now, kind=PUBLICATION, key=str(segment_id))
    await _note(tx, actor, "segment.publication_requested", row, now)
    return version


async def start_publication(tx: Transaction, segment_id: UUID) -> ActiveSegment | None:
    """Judge by the version that is being published from now on; None when none is."""
    version = await tx.first(
        select(segment_versions)
        .where(segment_versions.c.segment_id == segment_id, segment_versions.c.state == "publishing")
        .with_for_update()
    )
    if version is None:
        return None
    row = await tx.one(
        update(segments)
        .where(segments.c.segment_id == segment_id)
        .values(rule_version=version["rule_version"])
        .returning(segments.c.code)
    )
    return ActiveSegment(segment_id, row["code"], version["rule_version"], parse_rule(version["rule"]))


async def finish_publication(tx: Transaction, segment: ActiveSegment, *, now: datetime) -> None:
    """State that the version is in force: every customer has been judged by it."""
    of_segment = segment_versions.c.segment_id == segment.segment_id
    await tx.execute(
        update(segment_versions).where(of_segment, segment_versions.c.state == "in_force").values(state="superseded")
    )
    await tx.execute(
        update(segment_versions)
        .where(of_segment, segment_versions.c.rule_version == segment.rule_version)
        .values(state="in_force", published_at=now)
    )
    published = SegmentPublished(
        segment_id=segment.segment_id, code=segment.code, rule_version=segment.rule_version, published_at=now
    )
    outbox.add(tx, published, at=now)


async def _lock(tx: Transaction, segment_id: UUID) -> Record:
    row = await tx.first(select(segments).where(segments.c.segment_id == segment_id).with_for_update())
    if row is None:
        raise NotFound
    return row


async def _note(tx: Transaction, actor: Principal, action: str, row: Record, now: datetime) -> None:
    resource = ("segment", row["segment_id"])
    await audit.record(tx, actor=actor, action=action, resource=resource, at=now, details={"code": row["code"]})
