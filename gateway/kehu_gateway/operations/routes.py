"""The state of all services and of the gateway in one call; what can be done about it lies below /operations/{service}."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Literal, cast

from fastapi import Request

from kehu_chassis.auth import Principal
from kehu_chassis.database import DatabaseUnavailable
from kehu_chassis.definition import Runtime
from kehu_chassis.http import bearer_token, requires, router, runtime_of
from kehu_chassis.operations import HealthOut, service_health
from kehu_chassis.problems import DependencyUnavailable
from kehu_chassis.schemas import Out
from kehu_contracts.access import Permission
from kehu_gateway.proxy.rules import SERVICES, Service
from kehu_gateway.proxy.upstream import ServiceTimedOut, Upstream
from kehu_gateway.resources import resources_of
from kehu_gateway.settings import Settings

__all__ = ["routes"]

routes = router("/operations", tags=["operations"])
Reader = Annotated[Principal, requires(Permission.OPERATIONS_READ)]


class ServiceStateOut(Out):
    """A service: whether it answers and is ready, and what its own health route says (null when it does not answer)."""

    service: str
    status: Literal["ok", "degraded", "unavailable"]
    ready: bool
    health: dict[str, Any] | None


class OperationsOut(Out):
    """All services."""

    services: list[ServiceStateOut]


@routes.get("", response_model=OperationsOut)
async def read_operations(_: Reader, request: Request) -> dict[str, Any]:
    """Health, consumer lag, outbox depth and dead letters of every service, asked for concurrently."""
    upstreams = resources_of(request).upstreams
    token = bearer_token(request)
    timeout = cast("Settings", runtime_of(request).settings).section_timeout
    states = await asyncio.gather(*(_state(name, upstreams[name], token, timeout) for name in SERVICES))
    return {"services": [*states, await _own_state(runtime_of(request))]}


async def _own_state(runtime: Runtime) -> dict[str, Any]:
    try:
        async with runtime.database.begin(read_only=True) as tx:
            health = HealthOut.model_validate(await service_health(tx, runtime.clock.now()))
    except DatabaseUnavailable:
        return {"service": "gateway", "status": "unavailable", "ready": False, "health": None}
    return {"service": "gateway", "status": health.status, "ready": True, "health": health.model_dump(mode="json")}


async def _state(name: Service, upstream: Upstream, token: str, timeout: float) -> dict[str, Any]:
    try:
        health = await upstream.read(f"/api/v1/operations/{name}/health", token=token, timeout=timeout)
        ready = await upstream.read("/health/ready", token=None, timeout=timeout)
    except (DependencyUnavailable, ServiceTimedOut):
        return {"service": name, "status": "unavailable", "ready": False, "health": None}
    if health.status != 200:
        return {"service": name, "status": "unavailable", "ready": ready.status == 200, "health": None}
    status = health.content.get("status", "degraded")
    return {"service": name, "status": status, "ready": ready.status == 200, "health": health.content}
