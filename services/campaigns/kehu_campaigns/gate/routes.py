"""HTTP: decisions that were made, and the gate asked without consequence."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from fastapi import Request

from kehu_campaigns.deps import CustomerReader, Reader, Resources
from kehu_campaigns.gate import checking, queries
from kehu_campaigns.gate.rules import Reason
from kehu_campaigns.gate.schemas import ContactDecisionIn, ContactDecisionOut, DecisionOut
from kehu_campaigns.plans.queries import find_campaign
from kehu_chassis.http import Now, Tx, router, runtime_of
from kehu_chassis.paging import CursorQuery, Page, PageRows
from kehu_chassis.problems import problems

__all__ = ["campaign_routes", "contact_routes"]

campaign_routes = router("/campaigns", tags=["campaigns"])
contact_routes = router("/contact-decisions", tags=["campaigns"])


@campaign_routes.get("/{campaign_id}/decisions", response_model=Page[DecisionOut], responses=problems(404))
async def list_campaign_decisions(
    campaign_id: UUID, _: Reader, tx: Tx, page: CursorQuery, reason: Reason | None = None
) -> PageRows:
    """List the decisions about customers in reach, the newest first."""
    await find_campaign(tx, campaign_id)
    return await queries.list_decisions(tx, campaign_id, page, reason=reason)


@contact_routes.post("", response_model=ContactDecisionOut, responses=problems(404, 503))
async def check_contact(
    body: ContactDecisionIn, request: Request, reader: CustomerReader, resources: Resources, now: Now
) -> dict[str, Any]:
    """Ask the gate whether a customer may be contacted now, and if not, why. Nothing is written or sent.

    Consent is what was last heard of it; whether there is an address is only known when sending.
    """
    database = runtime_of(request).database
    return await checking.check_contact(database, reader.scope, body, policy=resources.policy, now=now)
