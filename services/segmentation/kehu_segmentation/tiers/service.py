"""The monthly assessment, and what it changes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from kehu_chassis import outbox
from kehu_chassis.database import Transaction
from kehu_contracts.codes import Tier
from kehu_contracts.segment import TierChanged
from kehu_segmentation.features.averages import ASSETS, average_balances
from kehu_segmentation.membership.service import lock_customers, lock_evaluations, state_memberships
from kehu_segmentation.tiers.rules import Scheme, Standing, assess, read_scheme

__all__ = ["SchemeInForce", "assess_slice", "scheme_in_force"]

SLICE: Final = 5_000
"""Customers assessed in one transaction."""


@dataclass(frozen=True, slots=True)
class SchemeInForce:
    """A scheme with what surrounds its rules."""

    scheme: Scheme
    currency: str
    assessed_at: time
    effective_from: date


_SCHEME: Final = """
SELECT * FROM tier_schemes WHERE effective_from <= $1 ORDER BY effective_from DESC, scheme_version DESC LIMIT 1
"""

# Customers who were assessed for the month stay out, so that a slice that ran twice changes nothing.
_NEXT: Final = """
SELECT c.customer_id FROM customers AS c
WHERE c.customer_id = c.survivor_id AND c.customer_id > $1
  AND NOT EXISTS (SELECT 1 FROM customer_tiers AS t WHERE t.customer_id = c.customer_id{already})
ORDER BY c.customer_id LIMIT $2
"""
_NEXT_OF_ALL: Final = _NEXT.format(already=" AND t.month >= $3")
_NEXT_WITHOUT_TIER: Final = _NEXT.format(already="")

_STANDINGS: Final = "SELECT customer_id, tier, months_below FROM customer_tiers WHERE customer_id = ANY ($1::uuid[])"

_PUT: Final = """
INSERT INTO customer_tiers AS kept (customer_id, tier, since, months_below, month, average, scheme_version)
SELECT customer_id, tier, $3, months_below, $5, average, $6
FROM unnest($1::uuid[], $2::text[], $4::int[], $7::numeric[]) AS given (customer_id, tier, months_below, average)
ON CONFLICT (customer_id) DO UPDATE
SET since = CASE WHEN kept.tier = EXCLUDED.tier THEN kept.since ELSE EXCLUDED.since END,
    tier = EXCLUDED.tier, months_below = EXCLUDED.months_below, month = EXCLUDED.month, average = EXCLUDED.average,
    scheme_version = EXCLUDED.scheme_version
"""

_NOTE: Final = """
INSERT INTO tier_changes (customer_id, from_tier, to_tier, changed_at, month, average, scheme_version)
SELECT customer_id, from_tier, to_tier, $4, $5, average, $6
FROM unnest($1::uuid[], $2::text[], $3::text[], $7::numeric[]) AS given (customer_id, from_tier, to_tier, average)
"""


async def scheme_in_force(tx: Transaction, day: date) -> SchemeInForce:
    """The scheme that holds on a day."""
    row = await tx.connection.fetchrow(_SCHEME, day)
    scheme = read_scheme(row["scheme_version"], row["tiers"])
    return SchemeInForce(scheme, row["currency"], row["assessed_at"], row["effective_from"])


async def assess_slice(  # noqa: PLR0913  the slice, the month and the moment
    tx: Transaction, *, after: UUID, month: date, until: date, everybody: bool, at: datetime
) -> UUID | None:
    """Assess the next customers by their average over a month, and tell after whom to go on; None at the end.

    Args:
        tx: the transaction.
        after: the customer to go on after.
        month: its first day.
        until: the day after its last.
        everybody: all who were not assessed for the month; else only those without a tier.
        at: the moment of the change.
    """
    if everybody:
        rows = await tx.connection.fetch(_NEXT_OF_ALL, after, SLICE, month)
    else:
        rows = await tx.connection.fetch(_NEXT_WITHOUT_TIER, after, SLICE)
    customer_ids = [row["customer_id"] for row in rows]
    if not customer_ids:
        return None
    await lock_evaluations(tx)
    await lock_customers(tx, customer_ids)
    in_force = await scheme_in_force(tx, until)
    averages = await _averages(tx, customer_ids, in_force.currency, first=month, until=until)
    before = {
        row["customer_id"]: Standing(Tier(row["tier"]), row["months_below"])
        for row in await tx.connection.fetch(_STANDINGS, customer_ids)
    }
    after_assessment = {
        customer_id: assess(in_force.scheme, before.get(customer_id), averages[customer_id])
        for customer_id in customer_ids
    }
    await tx.connection.execute(
        _PUT,
        customer_ids,
        [standing.tier.value for standing in after_assessment.values()],
        at,
        [standing.months_below for standing in after_assessment.values()],
        month,
        in_force.scheme.version,
        [averages[customer_id] for customer_id in customer_ids],
    )
    changes = [
        (customer_id, before[customer_id].tier if customer_id in before else None, standing.tier)
        for customer_id, standing in after_assessment.items()
        if customer_id not in before or before[customer_id].tier is not standing.tier
    ]
    await _tell(tx, changes, averages, month=month, version=in_force.scheme.version, at=at)
    return customer_ids[-1] if len(customer_ids) == SLICE else None


async def _averages(
    tx: Transaction, customer_ids: Sequence[UUID], currency: str, *, first: date, until: date
) -> Mapping[UUID, Decimal]:
    totals: dict[UUID, Decimal] = defaultdict(Decimal)
    for row in await average_balances(tx, customer_ids, first=first, until=until, classes=ASSETS):
        if row["currency"] == currency:
            totals[row["customer_id"]] += row["average"]
    return totals


async def _tell(
    tx: Transaction,
    changes: Sequence[tuple[UUID, Tier | None, Tier]],
    averages: Mapping[UUID, Decimal],
    **noted: Any,
) -> None:
    if not changes:
        return
    await tx.connection.execute(
        _NOTE,
        [customer_id for customer_id, _, _ in changes],
        [None if from_tier is None else from_tier.value for _, from_tier, _ in changes],
        [to_tier.value for _, _, to_tier in changes],
        noted["at"],
        noted["month"],
        noted["version"],
        [averages[customer_id] for customer_id, _, _ in changes],
    )
    for customer_id, from_tier, to_tier in changes:
        changed = TierChanged(customer_id=customer_id, from_tier=from_tier, to_tier=to_tier, changed_at=noted["at"])
        outbox.add(tx, changed, at=noted["at"])
    await state_memberships(tx, {customer_id for customer_id, _, _ in changes}, at=noted["at"])
