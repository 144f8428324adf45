"""What is read about members, within the caller's scope."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import and_, or_, select

from kehu_chassis.database import Transaction
from kehu_chassis.paging import PageQuery, PageRows, keyset, page_rows
from kehu_chassis.problems import Conflict, NotFound
from kehu_chassis.scope import within_scope_subject
from kehu_segmentation.business_days import business_day
from kehu_segmentation.features.queries import surviving_customer
from kehu_segmentation.features.tables import customers
from kehu_segmentation.membership.service import facts_for
from kehu_segmentation.membership.tables import memberships
from kehu_segmentation.rules.rules import LeafResult, evaluate, explain
from kehu_segmentation.segments.service import active_segments
from kehu_segmentation.segments.tables import segments
from kehu_segmentation.tiers.tables import customer_tiers

__all__ = ["NotPublished", "explain_membership", "list_members", "segments_of"]


class NotPublished(Conflict):
    """The segment has no rule in force."""

    code = "segment.not_published"
    title = "The segment has not been published"
    title_zh = "该客群尚未发布"


async def list_members(tx: Transaction, segment_id: UUID, *, as_of: datetime | None, page: PageQuery) -> PageRows:
    """Members at a moment, or now, by customer id.

    Raises:
        NotFound: there is no such segment.
    """
    if await tx.first(select(segments.c.segment_id).where(segments.c.segment_id == segment_id)) is None:
        raise NotFound
    standing = (
        memberships.c.valid_to.is_(None)
        if as_of is None
        else and_(
            memberships.c.valid_from <= as_of, or_(memberships.c.valid_to.is_(None), memberships.c.valid_to > as_of)
        )
    )
    members = (
        select(
            memberships.c.customer_id,
            customers.c.customer_number,
            memberships.c.valid_from,
            memberships.c.valid_to,
            memberships.c.entered_version.label("rule_version"),
            memberships.c.entered_cause.label("cause"),
            memberships.c.entered_event_id.label("event_id"),
        )
        .join(customers, customers.c.customer_id == memberships.c.customer_id)
        .where(memberships.c.segment_id == segment_id, standing, within_scope_subject(memberships.c.customer_id))
    )
    rows = await tx.all(keyset(members, (memberships.c.customer_id,), page))
    return page_rows(rows, page, ("customer_id",))


async def explain_membership(tx: Transaction, segment_id: UUID, customer_id: UUID, *, now: datetime) -> dict[str, Any]:
    """Judge one customer by the rule in force, and show what each condition found.

    Raises:
        NotFound: there is no such segment, or no such customer in scope.
        NotPublished: the segment has no rule in force.
    """
    if await tx.first(select(segments.c.segment_id).where(segments.c.segment_id == segment_id)) is None:
        raise NotFound
    customer = await surviving_customer(tx, customer_id)
    active = await active_segments(tx, segment_id)
    if not active:
        raise NotPublished
    (segment,) = active
    survivor_id, today = customer["customer_id"], business_day(now)
    facts = (await facts_for(tx, [segment.rule], [survivor_id], today))[survivor_id]
    since = await tx.scalar(
        select(memberships.c.valid_from).where(
            memberships.c.segment_id == segment_id,
            memberships.c.customer_id == survivor_id,
            memberships.c.valid_to.is_(None),
        )
    )
    return {
        "segment_id": segment_id,
        "customer_id": survivor_id,
        "rule_version": segment.rule_version,
        "rule": segment.rule,
        "as_of": now,
        "business_date": today,
        "verdict": evaluate(segment.rule, facts, today),
        "member_since": since,
        "leaves": [_leaf(result) for result in explain(segment.rule, facts, today)],
    }


def _leaf(result: LeafResult) -> Mapping[str, Any]:
    leaf = result.leaf
    operands = getattr(leaf, "values", None) or (() if leaf.value is None else (leaf.value,))
    return {
        "pointer": result.pointer,
        "condition": leaf,
        "value": _shown(result.value),
        "threshold": [_shown(operand) for operand in operands],
        "verdict": result.verdict,
        "evidence": result.evidence,
    }


def _shown(value: Any) -> str | int | None:
    """Amounts and dates as text, without trailing zeros; counts and years as numbers."""
    match value:
        case None | int():
            return value
        case Decimal():
            return f"{value:.4f}".rstrip("0").rstrip(".")
        case date():
            return value.isoformat()
    return str(value)


async def segments_of(tx: Transaction, customer_id: UUID) -> dict[str, Any]:
    """The segments and the tier of a customer.

    Raises:
        NotFound: there is no such customer in the caller's scope.
    """
    survivor_id = (await surviving_customer(tx, customer_id))["customer_id"]
    standing = await tx.all(
        select(
            segments.c.segment_id,
            segments.c.code,
            segments.c.name,
            memberships.c.valid_from.label("since"),
            memberships.c.entered_version.label("rule_version"),
        )
        .join(segments, segments.c.segment_id == memberships.c.segment_id)
        .where(memberships.c.customer_id == survivor_id, memberships.c.valid_to.is_(None))
        .order_by(segments.c.code)
    )
    tier = await tx.first(
        select(customer_tiers, (customer_tiers.c.months_below > 0).label("watch")).where(
            customer_tiers.c.customer_id == survivor_id
        )
    )
    return {"customer_id": survivor_id, "tier": tier, "memberships": standing}
