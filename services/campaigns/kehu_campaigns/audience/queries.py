"""Who belongs to an audience, and who was frozen into one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Select, exists, select, union

from kehu_campaigns.audience.tables import members, memberships, segments
from kehu_campaigns.gate.tables import decisions
from kehu_chassis.database import Record, Transaction
from kehu_chassis.paging import PageQuery, PageRows, keyset, page_rows
from kehu_chassis.scope import scope_subjects, scope_units, within_scope_subject

__all__ = [
    "due_members",
    "list_members",
    "next_deferral",
    "select_some",
    "selection",
    "undecided_members",
    "versions_of",
]


async def versions_of(tx: Transaction, segment_ids: Sequence[UUID]) -> dict[UUID, int]:
    """The rule version in force of each segment that has been published."""
    statement = select(segments.c.segment_id, segments.c.rule_version).where(segments.c.segment_id.in_(segment_ids))
    return {row["segment_id"]: row["rule_version"] for row in await tx.all(statement)}


def selection(campaign: Mapping[str, Any]) -> Select[tuple[UUID]]:
    """The customers that the campaign's segments give as they now stand."""
    belongs = [_belongs_to(segment_id) for segment_id in campaign["segments_all"]]
    chosen = union(
        *(
            select(memberships.c.customer_id).where(memberships.c.segment_id == segment_id)
            for segment_id in campaign["segments_any"] or campaign["segments_all"][:1]
        )
    ).subquery("chosen")
    statement = select(chosen.c.customer_id).where(
        *(membership(chosen.c.customer_id) for membership in belongs),
        *(~_belongs_to(segment_id)(chosen.c.customer_id) for segment_id in campaign["segments_none"]),
    )
    if campaign["customers_of_unit_id"] is not None:
        statement = statement.where(_customer_of(campaign["customers_of_unit_id"], chosen.c.customer_id))
    return statement


def _belongs_to(segment_id: UUID) -> Any:
    def belongs(customer_id: Any) -> Any:
        return exists(
            select(memberships.c.segment_id).where(
                memberships.c.segment_id == segment_id, memberships.c.customer_id == customer_id
            )
        )

    return belongs


def _customer_of(unit_id: UUID, customer_id: Any) -> Any:
    subject, standing = scope_subjects.alias("subject"), scope_subjects.alias("standing")
    unit, top = scope_units.alias("unit"), scope_units.alias("top")
    return exists(
        select(subject.c.subject_id)
        .join(standing, standing.c.subject_id == subject.c.survivor_id)
        .join(unit, unit.c.unit_id == standing.c.unit_id)
        .join(top, unit.c.path.op("<@")(top.c.path))
        .where(subject.c.subject_id == customer_id, top.c.unit_id == unit_id)
    )


_AS_TAKEN: Final = (members.c.deferred_until.asc().nulls_first(), members.c.customer_id)


async def due_members(tx: Transaction, campaign_id: UUID, *, now: datetime, limit: int) -> list[UUID]:
    """Undecided members whose decision is not held back, without a lock."""
    statement = (
        select(members.c.customer_id)
        .where(
            members.c.campaign_id == campaign_id,
            ~members.c.decided,
            (members.c.deferred_until.is_(None)) | (members.c.deferred_until <= now),
        )
        .order_by(*_AS_TAKEN)
        .limit(limit)
    )
    return [row["customer_id"] for row in await tx.all(statement)]


async def undecided_members(
    tx: Transaction, campaign_id: UUID, *, limit: int, among: Sequence[UUID] | None = None
) -> list[UUID]:
    """Undecided members, locked; those that another transaction holds are left to it."""
    statement = select(members.c.customer_id).where(members.c.campaign_id == campaign_id, ~members.c.decided)
    if among is not None:
        statement = statement.where(members.c.customer_id.in_(among))
    statement = statement.order_by(*_AS_TAKEN).limit(limit).with_for_update(skip_locked=True)
    return [row["customer_id"] for row in await tx.all(statement)]


async def next_deferral(tx: Transaction, campaign_id: UUID) -> tuple[bool, datetime | None]:
    """Whether undecided members are left, and until when all of them are held back (None: they are not)."""
    statement = select(members.c.deferred_until).where(members.c.campaign_id == campaign_id, ~members.c.decided)
    row = await tx.first(statement.order_by(*_AS_TAKEN).limit(1))
    return row is not None, None if row is None else row["deferred_until"]


async def list_members(tx: Transaction, campaign_id: UUID, page: PageQuery, *, reason: str | None) -> PageRows:
    """Members of a frozen audience, of customers in reach, with their decision once there is one."""
    statement = (
        select(
            members.c.campaign_id,
            members.c.customer_id,
            members.c.frozen_at,
            members.c.deferred_until,
            decisions.c.outcome,
            decisions.c.reason,
            decisions.c.decided_at,
        )
        .select_from(
            members.outerjoin(
                decisions,
                (decisions.c.campaign_id == members.c.campaign_id) & (decisions.c.customer_id == members.c.customer_id),
            )
        )
        .where(members.c.campaign_id == campaign_id, within_scope_subject(members.c.customer_id))
    )
    if reason is not None:
        statement = statement.where(decisions.c.reason == reason)
    rows: list[Record] = await tx.all(keyset(statement, (members.c.customer_id,), page))
    return page_rows(rows, page, ("customer_id",))


async def select_some(tx: Transaction, campaign: Mapping[str, Any], *, after: UUID | None, limit: int) -> list[UUID]:
    """The next customers that the campaign's segments give now, in the order of their ids."""
    chosen = selection(campaign).subquery("audience")
    statement = select(chosen.c.customer_id).order_by(chosen.c.customer_id).limit(limit)
    if after is not None:
        statement = statement.where(chosen.c.customer_id > after)
    return [row["customer_id"] for row in await tx.all(statement)]
