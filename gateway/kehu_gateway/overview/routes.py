"""The customer 360."""

from __future__ import annotations

from typing import Annotated, Any, cast
from uuid import UUID

from fastapi import Request

from kehu_chassis.auth import Principal
from kehu_chassis.http import bearer_token, requires, router, runtime_of
from kehu_chassis.problems import problems
from kehu_contracts.access import Permission
from kehu_gateway.overview import service
from kehu_gateway.overview.schemas import OverviewOut
from kehu_gateway.resources import resources_of
from kehu_gateway.settings import Settings

__all__ = ["routes"]

routes = router("/customers", tags=["customer 360"])
Reader = Annotated[Principal, requires(Permission.CUSTOMER_READ)]


@routes.get("/{customer_id}/overview", response_model=OverviewOut, responses=problems(404))
async def read_overview(customer_id: UUID, actor: Reader, request: Request) -> dict[str, Any]:
    """The customer 360 in one call: a section for each service, which stands for itself when others are away."""
    resources = resources_of(request)
    settings = cast("Settings", runtime_of(request).settings)
    caller = service.Caller(actor.subject, bearer_token(request), request.headers.get("accept-language", ""))
    return await service.read_overview(
        resources.upstreams, resources.memory, customer_id, caller, timeout=settings.section_timeout
    )
