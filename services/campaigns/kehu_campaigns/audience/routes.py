"""HTTP: the audience of a campaign, before and after it is frozen."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from fastapi import Request

from kehu_campaigns.audience import queries
from kehu_campaigns.audience.schemas import MemberOut, WaterfallOut
from kehu_campaigns.audience.waterfall import waterfall
from kehu_campaigns.deps import Reader, Resources
from kehu_campaigns.gate.rules import Reason
from kehu_campaigns.plans.queries import find_campaign
from kehu_chassis.http import Now, Tx, router, runtime_of
from kehu_chassis.paging import CursorQuery, Page, PageRows
from kehu_chassis.problems import problems

__all__ = ["routes"]

routes = router("/campaigns", tags=["campaigns"])


@routes.get("/{campaign_id}/members", response_model=Page[MemberOut], responses=problems(404))
async def list_campaign_members(
    campaign_id: UUID, _: Reader, tx: Tx, page: CursorQuery, reason: Reason | None = None
) -> PageRows:
    """List the members of a frozen audience whose customers are in reach, with their decisions."""
    await find_campaign(tx, campaign_id)
    return await queries.list_members(tx, campaign_id, page, reason=reason)


@routes.get("/{campaign_id}/waterfall", response_model=WaterfallOut, responses=problems(404, 503))
async def get_waterfall(
    campaign_id: UUID, request: Request, reader: Reader, resources: Resources, now: Now
) -> dict[str, Any]:
    """See before the launch whom the gate would let through now, and by which reasons the others drop out."""
    database = runtime_of(request).database
    return await waterfall(database, reader.scope, campaign_id, policy=resources.policy, now=now)
