"""What counts as success of a campaign, each product opening once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ARRAY, Uuid, and_, bindparam, case, func, literal, or_, select
from sqlalchemy.dialects.postgresql import distinct_on, insert

from kehu_campaigns.delivery.tables import messages
from kehu_campaigns.gate.rules import Reason
from kehu_campaigns.gate.tables import contact_locks, decisions
from kehu_campaigns.plans.tables import campaigns
from kehu_campaigns.response.tables import conversions, openings
from kehu_chassis import outbox
from kehu_chassis.columns import Text
from kehu_chassis.database import Transaction
from kehu_chassis.scope import scope_subjects
from kehu_contracts.campaign import CustomerConverted
from kehu_contracts.holding import ProductOpened

__all__ = ["CONTACTED", "HELD_OUT", "attribute", "note_openings"]

CONTACTED: Final = "contacted"
HELD_OUT: Final = "holdout"


async def note_openings(tx: Transaction, events: Sequence[ProductOpened]) -> None:
    """Remember openings, each once, and count those that a campaign may claim."""
    await tx.execute_many(
        _OPENED,
        [
            {
                "opening_id": event.opening_id,
                "customer_id": event.customer_id,
                "product_code": event.product_code,
                "amount": event.amount,
                "currency": event.currency,
                "opened_at": event.opened_at,
            }
            for event in sorted(events, key=lambda event: event.opening_id)
        ],
    )
    await attribute(tx, sorted({event.customer_id for event in events}))


async def attribute(tx: Transaction, customer_ids: Sequence[UUID]) -> None:
    """Count openings of these customers, and of profiles merged with them, for every campaign that may claim them.

    A campaign may when the product is its own and was opened within its window after the message arrived, or after the
    customer was held out: those are the control group. It does not matter which of opening and delivery is heard of
    first, nor how often: of two that are heard of at the same moment, the second waits and sees the first.
    """
    await tx.all(_ONE_AT_A_TIME, {"customer_ids": list(customer_ids)})
    for row in await tx.all(_ATTRIBUTE, {"customer_ids": list(customer_ids)}):
        if row["arm"] == CONTACTED:
            event = CustomerConverted(
                campaign_id=row["campaign_id"],
                campaign_code=await tx.scalar(_CODE, {"campaign_id": row["campaign_id"]}),
                customer_id=row["customer_id"],
                opening_id=row["opening_id"],
                product_code=row["product_code"],
                amount=row["amount"],
                currency=row["currency"],
                unit_id=row["unit_id"],
                rm_id=row["rm_id"],
                converted_at=row["converted_at"],
            )
            outbox.add(tx, event, at=row["converted_at"])


# Who was reached has been decided about before, so the row is there. Whoever was not has nothing to be claimed.
_ONE_AT_A_TIME: Final = (
    select(contact_locks.c.customer_id)
    .where(
        contact_locks.c.customer_id.in_(
            select(scope_subjects.c.survivor_id).where(
                scope_subjects.c.subject_id == func.any(bindparam("customer_ids", type_=ARRAY(Uuid)))
            )
        )
    )
    .order_by(contact_locks.c.customer_id)
    .with_for_update()
)

_CODE: Final = select(campaigns.c.code).where(campaigns.c.id == bindparam("campaign_id", type_=Uuid))

_OPENED: Final = (
    insert(openings)
    .values({column.name: bindparam(column.name) for column in openings.columns})
    .on_conflict_do_nothing()
)


def _attribution() -> Any:
    asked, opener, member = (scope_subjects.alias(name) for name in ("asked", "opener", "member"))
    standing = scope_subjects.alias("standing")
    # When the member was exposed; for the control group, when it was set apart.
    exposed_at = func.coalesce(messages.c.delivered_at, decisions.c.decided_at)
    held_out = decisions.c.reason == literal(Reason.HOLDOUT.value, Text)
    claims = (
        select(
            decisions.c.campaign_id,
            openings.c.opening_id,
            decisions.c.customer_id,
            case((held_out, literal(HELD_OUT, Text)), else_=literal(CONTACTED, Text)).label("arm"),
            openings.c.product_code,
            openings.c.amount,
            openings.c.currency,
            case((held_out, standing.c.unit_id), else_=messages.c.unit_id).label("unit_id"),
            case((held_out, standing.c.manager_id), else_=messages.c.rm_id).label("rm_id"),
            openings.c.opened_at,
            decisions.c.id,
        )
        .ext(distinct_on(decisions.c.campaign_id, openings.c.opening_id))
        .select_from(asked)
        .join(opener, opener.c.survivor_id == asked.c.survivor_id)
        .join(openings, openings.c.customer_id == opener.c.subject_id)
        .join(member, member.c.survivor_id == asked.c.survivor_id)
        .join(standing, standing.c.subject_id == asked.c.survivor_id)
        .join(decisions, decisions.c.customer_id == member.c.subject_id)
        .join(campaigns, campaigns.c.id == decisions.c.campaign_id)
        .outerjoin(messages, messages.c.decision_id == decisions.c.id)
        .where(
            asked.c.subject_id == func.any(bindparam("customer_ids", type_=ARRAY(Uuid))),
            or_(held_out, messages.c.delivered_at.is_not(None)),
            openings.c.product_code == campaigns.c.product_code,
            and_(
                openings.c.opened_at >= exposed_at,
                openings.c.opened_at < exposed_at + func.make_interval(0, 0, 0, campaigns.c.conversion_window_days),
            ),
        )
        .order_by(decisions.c.campaign_id, openings.c.opening_id, exposed_at)
    )
    columns = (
        "campaign_id",
        "opening_id",
        "customer_id",
        "arm",
        "product_code",
        "amount",
        "currency",
        "unit_id",
        "rm_id",
        "converted_at",
        "decision_id",
    )
    return insert(conversions).from_select(columns, claims).on_conflict_do_nothing().returning(conversions)


_ATTRIBUTE: Final = _attribution()
