"""What is read about tiers: the scheme, and how the customers in the caller's scope are spread over it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import func, select

from kehu_chassis.database import Transaction
from kehu_chassis.scope import within_scope_subject
from kehu_segmentation.business_days import business_day
from kehu_segmentation.features.tables import customers
from kehu_segmentation.tiers.service import scheme_in_force
from kehu_segmentation.tiers.tables import customer_tiers

__all__ = ["describe_tiers"]

_SPREAD = (
    select(
        customer_tiers.c.tier,
        func.count().label("customer_count"),
        func.count().filter(customer_tiers.c.months_below > 0).label("watch_count"),
    )
    .select_from(customers)
    .outerjoin(customer_tiers, customer_tiers.c.customer_id == customers.c.customer_id)
    .where(customers.c.customer_id == customers.c.survivor_id, within_scope_subject(customers.c.customer_id))
    .group_by(customer_tiers.c.tier)
)


async def describe_tiers(tx: Transaction, *, now: datetime) -> dict[str, Any]:
    """The scheme in force with the number of customers in each tier."""
    in_force = await scheme_in_force(tx, business_day(now))
    spread = {row["tier"]: row for row in await tx.all(_SPREAD)}
    return {
        "scheme_version": in_force.scheme.version,
        "effective_from": in_force.effective_from,
        "currency": in_force.currency,
        "assessed_at": in_force.assessed_at,
        "tiers": [
            {
                "tier": terms.tier,
                "threshold": terms.threshold,
                "months_below": terms.months_below,
                "customer_count": spread[terms.tier]["customer_count"] if terms.tier in spread else 0,
                "watch_count": spread[terms.tier]["watch_count"] if terms.tier in spread else 0,
            }
            for terms in in_force.scheme.tiers
        ],
        "unassessed_count": spread[None]["customer_count"] if None in spread else 0,
    }
