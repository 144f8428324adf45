"""HTTP: the funnel, and a customer's campaigns."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from fastapi import Request

from kehu_campaigns.deps import CustomerReader, Reader
from kehu_campaigns.response.funnel import funnel, met_by_customer
from kehu_campaigns.response.schemas import CustomerCampaignsOut, FunnelOut
from kehu_chassis.http import router, runtime_of
from kehu_chassis.problems import problems

__all__ = ["campaign_routes", "customer_routes"]

campaign_routes = router("/campaigns", tags=["campaigns"])
customer_routes = router("/customers", tags=["campaigns"])


@campaign_routes.get("/{campaign_id}/funnel", response_model=FunnelOut, responses=problems(404, 503))
async def get_funnel(campaign_id: UUID, request: Request, reader: Reader) -> dict[str, Any]:
    """Read how far a campaign has come: audience, decisions by reason, deliveries, conversions, credit."""
    return await funnel(runtime_of(request).database, reader.scope, campaign_id)


@customer_routes.get("/{customer_id}/campaigns", response_model=CustomerCampaignsOut, responses=problems(404, 503))
async def get_customer_campaigns(customer_id: UUID, request: Request, reader: CustomerReader) -> dict[str, Any]:
    """Read the campaigns that a customer was chosen for, what was decided and what came of it."""
    return {"items": await met_by_customer(runtime_of(request).database, reader.scope, customer_id)}
