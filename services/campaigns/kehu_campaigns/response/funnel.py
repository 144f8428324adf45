"""What is read beyond the caller's own rows, once he may: totals of a campaign, which name nobody, and campaigns' names."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from kehu_campaigns.gate.queries import require_customer
from kehu_campaigns.gate.rules import Reason
from kehu_campaigns.plans import queries as plans
from kehu_campaigns.response import queries
from kehu_campaigns.response.rules import shares
from kehu_campaigns.response.service import CONTACTED, HELD_OUT
from kehu_chassis.database import Database, Transaction
from kehu_chassis.scope import EVERYTHING, Scope

__all__ = ["funnel", "met_by_customer"]

_MOST_CAMPAIGNS: Final = 100


async def funnel(database: Database, scope: Scope, campaign_id: UUID) -> dict[str, Any]:
    """The figures of a campaign that the caller may see.

    Whether he may is decided in his own scope. The counts are then taken over all customers: a branch must see what its
    campaign did, and a total that left out other branches' customers would be wrong and differ from reader to reader.

    Raises:
        NotFound: the campaign is out of the caller's scope, or there is none.
    """
    async with database.begin(scope=scope, read_only=True) as tx:
        campaign = await plans.find_campaign(tx, campaign_id)
    async with database.begin(scope=EVERYTHING, read_only=True) as tx:
        return await _figures(tx, campaign)


async def met_by_customer(database: Database, scope: Scope, customer_id: UUID) -> list[dict[str, Any]]:
    """The campaigns that a customer was chosen for, head office's too: who looks after him must know of them.

    Raises:
        NotFound: the customer is out of the caller's scope, or there is none.
    """
    async with database.begin(scope=scope, read_only=True) as tx:
        await require_customer(tx, customer_id)
        contacts = await queries.contacts_of_customer(tx, customer_id, limit=_MOST_CAMPAIGNS)
    async with database.begin(scope=EVERYTHING, read_only=True) as tx:
        named = await queries.name_campaigns(tx, [contact["campaign_id"] for contact in contacts])
    return [{**named[contact["campaign_id"]], **contact} for contact in contacts]


async def _figures(tx: Transaction, campaign: Mapping[str, Any]) -> dict[str, Any]:
    campaign_id: UUID = campaign["id"]
    # Counted in this order, so that a decision made meanwhile cannot make the parts exceed the whole.
    reasons = await queries.count_reasons(tx, campaign_id)
    audience = await queries.count_audience(tx, campaign_id)
    messages = await queries.count_messages(tx, campaign_id)
    arms = await queries.count_conversions(tx, campaign_id)
    decided = sum(reasons.values())
    return {
        "campaign_id": campaign_id,
        "state": campaign["state"],
        "audience": audience,
        "decided": decided,
        "undecided": audience - decided,
        "reasons": reasons,
        "allowed": reasons.get(Reason.ALLOWED, 0),
        "messages": messages,
        "contacted": _arm(messages["delivered"], arms.get(CONTACTED)),
        "holdout": _arm(reasons.get(Reason.HOLDOUT, 0), arms.get(HELD_OUT)),
        "amounts": await queries.amounts_of(tx, campaign_id),
        "target_conversions": campaign["target_conversions"],
        "target_amount": campaign["target_amount"],
        "units": await _credits(tx, campaign_id, "unit_id"),
        "managers": await _credits(tx, campaign_id, "rm_id"),
    }


def _arm(members: int, counted: Mapping[str, Any] | None) -> dict[str, Any]:
    customers = 0 if counted is None else counted["customers"]
    rate = Decimal(100 * customers) / members if members else Decimal(0)
    return {
        "members": members,
        "customers": customers,
        "openings": 0 if counted is None else counted["openings"],
        "rate": rate.quantize(Decimal("0.01")),
    }


async def _credits(tx: Transaction, campaign_id: UUID, column: Any) -> list[dict[str, Any]]:
    rows = await queries.credits_of(tx, campaign_id, column)
    credited = shares([row["conversions"] for row in rows])
    return [{**row, "share": share} for row, share in zip(rows, credited, strict=True)]
