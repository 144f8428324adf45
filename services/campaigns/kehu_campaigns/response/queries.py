"""What came of a campaign, in figures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Literal
from uuid import UUID

from sqlalchemy import Uuid, bindparam, func, select

from kehu_campaigns.audience.tables import members
from kehu_campaigns.delivery.tables import messages
from kehu_campaigns.gate.tables import decisions
from kehu_campaigns.plans.tables import campaigns
from kehu_campaigns.response.service import CONTACTED, HELD_OUT
from kehu_campaigns.response.tables import conversions
from kehu_chassis.database import Record, Transaction
from kehu_chassis.scope import scope_subjects, within_scope_subject

__all__ = [
    "amounts_of",
    "contacts_of_customer",
    "count_audience",
    "count_conversions",
    "count_messages",
    "count_reasons",
    "credits_of",
    "name_campaigns",
]

_campaign: Final = bindparam("campaign_id", type_=Uuid)
_standing: Final = func.coalesce(scope_subjects.c.survivor_id, conversions.c.customer_id)


async def count_audience(tx: Transaction, campaign_id: UUID) -> int:
    """Members of the frozen audience."""
    count: int = await tx.scalar(
        select(func.count()).select_from(members).where(members.c.campaign_id == _campaign),
        {"campaign_id": campaign_id},
    )
    return count


async def count_reasons(tx: Transaction, campaign_id: UUID) -> dict[str, int]:
    """Decisions by reason."""
    statement = (
        select(decisions.c.reason, func.count().label("count"))
        .where(decisions.c.campaign_id == _campaign)
        .group_by(decisions.c.reason)
    )
    return {row["reason"]: row["count"] for row in await tx.all(statement, {"campaign_id": campaign_id})}


async def count_messages(tx: Transaction, campaign_id: UUID) -> Record:
    """Messages that ever reached each state."""
    reached = {
        "queued": func.count(),
        "sent": func.count(messages.c.sent_at),
        "delivered": func.count(messages.c.delivered_at),
        "opened": func.count(messages.c.opened_at),
        "clicked": func.count(messages.c.clicked_at),
        "failed": func.count(messages.c.failed_at),
    }
    statement = select(*(count.label(name) for name, count in reached.items())).where(
        messages.c.campaign_id == _campaign
    )
    return await tx.one(statement, {"campaign_id": campaign_id})


async def count_conversions(tx: Transaction, campaign_id: UUID) -> dict[str, Record]:
    """Openings, parties (merged profiles once) and amounts of each arm."""
    statement = (
        select(
            conversions.c.arm,
            func.count().label("openings"),
            func.count(_standing.distinct()).label("customers"),
        )
        .select_from(conversions.outerjoin(scope_subjects, scope_subjects.c.subject_id == conversions.c.customer_id))
        .where(conversions.c.campaign_id == _campaign)
        .group_by(conversions.c.arm)
    )
    rows = await tx.all(statement, {"campaign_id": campaign_id})
    return {row["arm"]: row for row in rows if row["arm"] in {CONTACTED, HELD_OUT}}


async def credits_of(tx: Transaction, campaign_id: UUID, column: Literal["unit_id", "rm_id"]) -> list[Record]:
    """Conversions by the unit, or by the relationship manager, who was responsible when the message arrived."""
    holder = conversions.c[column]
    statement = (
        select(holder.label("holder_id"), func.count().label("conversions"))
        .where(conversions.c.campaign_id == _campaign, conversions.c.arm == CONTACTED)
        .group_by(holder)
        .order_by(func.count().desc(), holder.asc().nulls_last())
    )
    return await tx.all(statement, {"campaign_id": campaign_id})


async def amounts_of(tx: Transaction, campaign_id: UUID) -> list[Record]:
    """What contacted customers brought in, by currency."""
    statement = (
        select(conversions.c.currency, func.sum(conversions.c.amount).label("amount"))
        .where(
            conversions.c.campaign_id == _campaign,
            conversions.c.arm == CONTACTED,
            conversions.c.amount.is_not(None),
        )
        .group_by(conversions.c.currency)
        .order_by(conversions.c.currency)
    )
    return await tx.all(statement, {"campaign_id": campaign_id})


async def contacts_of_customer(tx: Transaction, customer_id: UUID, *, limit: int) -> list[Record]:
    """What a customer, or a profile merged with it, was chosen for, the newest first; without the campaign itself."""
    asked = scope_subjects.alias("asked")
    converted: Any = (
        select(func.count())
        .where(conversions.c.campaign_id == members.c.campaign_id, conversions.c.customer_id == members.c.customer_id)
        .correlate(members)
        .scalar_subquery()
    )
    statement = (
        select(
            members.c.campaign_id,
            members.c.customer_id,
            members.c.frozen_at,
            decisions.c.outcome,
            decisions.c.reason,
            decisions.c.decided_at,
            messages.c.state.label("delivery_state"),
            converted.label("conversions"),
        )
        .select_from(asked)
        .join(scope_subjects, scope_subjects.c.survivor_id == asked.c.survivor_id)
        .join(members, members.c.customer_id == scope_subjects.c.subject_id)
        .outerjoin(
            decisions,
            (decisions.c.campaign_id == members.c.campaign_id) & (decisions.c.customer_id == members.c.customer_id),
        )
        .outerjoin(messages, messages.c.decision_id == decisions.c.id)
        .where(asked.c.subject_id == customer_id, within_scope_subject(members.c.customer_id))
        .order_by(members.c.frozen_at.desc(), members.c.campaign_id, members.c.customer_id)
        .limit(limit)
    )
    return await tx.all(statement)


async def name_campaigns(tx: Transaction, campaign_ids: Sequence[UUID]) -> dict[UUID, Record]:
    """What may be told of a campaign to whoever looks after a customer that it was for."""
    statement = select(campaigns.c.code, campaigns.c.name, campaigns.c.state, campaigns.c.channel, campaigns.c.id)
    rows = await tx.all(statement.where(campaigns.c.id.in_(list(campaign_ids))))
    return {row["id"]: row for row in rows}
