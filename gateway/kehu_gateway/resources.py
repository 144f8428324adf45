"""What a gateway process holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from fastapi import Request

from kehu_chassis.crypto import KeyRing
from kehu_chassis.http import runtime_of
from kehu_gateway.console.files import Console
from kehu_gateway.issuer.attempts import Attempts
from kehu_gateway.issuer.service import Issuer
from kehu_gateway.limits.policy import Limits
from kehu_gateway.openapi.service import Documents
from kehu_gateway.overview.memory import Memory
from kehu_gateway.proxy.upstream import Upstream
from kehu_gateway.sessions.service import Sessions
from kehu_gateway.streams.service import Feed, Places
from kehu_gateway.webhooks.secrets import SecretKeeper

__all__ = ["GatewayResources", "WorkerResources", "resources_of"]


@dataclass(frozen=True, slots=True)
class WorkerResources:
    """What every other process than an api holds: the worker answers nobody."""

    ring: KeyRing
    webhook_secrets: SecretKeeper


@dataclass(frozen=True, slots=True)
class GatewayResources:
    """Opened once for each api process; `issuer` is None when people log in elsewhere."""

    issuer: Issuer | None
    attempts: Attempts
    sessions: Sessions
    upstreams: Mapping[str, Upstream]
    memory: Memory
    documents: Documents
    limits: Limits
    feed: Feed
    places: Places
    console: Console
    webhook_secrets: SecretKeeper


def resources_of(request: Request) -> GatewayResources:
    """The resources of the process that answers a request."""
    return cast("GatewayResources", runtime_of(request).resources)
