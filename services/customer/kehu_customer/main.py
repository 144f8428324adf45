"""The customer service, told once: what it is made of."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Final, cast

from kehu_chassis.crypto import KeyRing, check_keys
from kehu_chassis.definition import Runtime, ServiceDefinition, migrations_of
from kehu_chassis.subscription import Subscription
from kehu_chassis.timers import TimerHandler
from kehu_customer.accounts.jobs import RETENTION, retention, schedule_retention
from kehu_customer.accounts.routes import routes as account_routes
from kehu_customer.consents.routes import resolution_routes
from kehu_customer.consents.routes import routes as consent_routes
from kehu_customer.identity.routes import routes as document_routes
from kehu_customer.merges.routes import routes as merge_routes
from kehu_customer.organization.routes import routes as organization_routes
from kehu_customer.ownership.routes import routes as ownership_routes
from kehu_customer.parties.routes import routes as customer_routes
from kehu_customer.search.jobs import REINDEX, reindexer, schedule_reindex
from kehu_customer.search.routes import routes as search_routes
from kehu_customer.settings import Settings
from kehu_customer.sources.consumers import inbound_subscriptions
from kehu_customer.sources.routes import routes as source_routes
from kehu_customer.timeline.consumers import TIMELINE
from kehu_customer.timeline.routes import routes as timeline_routes
from kehu_customer.vault import CustomerResources, Vault

__all__ = ["DEFINITION"]


@asynccontextmanager
async def _open_resources(runtime: Runtime) -> AsyncIterator[CustomerResources]:
    ring = KeyRing.from_file(cast("Settings", runtime.settings).key_file)
    resources = CustomerResources(ring, Vault(ring))
    async with runtime.database.begin() as tx:
        await check_keys(tx, ring)
        await schedule_reindex(tx, resources, at=runtime.clock.now())
        await schedule_retention(tx, at=runtime.clock.now())
    yield resources


def _subscriptions(runtime: Runtime) -> Sequence[Subscription]:
    return (*inbound_subscriptions(runtime), TIMELINE)


def _timers(runtime: Runtime) -> Mapping[str, TimerHandler]:
    return {
        REINDEX: reindexer(cast("CustomerResources", runtime.resources).vault),
        RETENTION: retention(runtime.clock),
    }


DEFINITION: Final = ServiceDefinition(
    name="customer",
    schema="customer",
    settings=Settings,
    migrations=migrations_of(__file__),
    routers=(
        customer_routes,
        search_routes,
        document_routes,
        consent_routes,
        resolution_routes,
        merge_routes,
        ownership_routes,
        account_routes,
        timeline_routes,
        source_routes,
        organization_routes,
    ),
    subscriptions=_subscriptions,
    timers=_timers,
    resources=_open_resources,
)
