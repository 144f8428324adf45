"""The customer service, told once: what it is made of."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Final, cast

from kehu_chassis.crypto import KeyRing
from kehu_chassis.database import Transaction
from kehu_chassis.definition import Runtime, ServiceDefinition, migrations_of
from kehu_chassis.ledger import Ledger
from kehu_chassis.rotation import REWRAP, followed, rewrapper, schedule_rewrap
from kehu_chassis.subscription import Subscription
from kehu_chassis.timers import PreparedTimer, TimerHandler
from kehu_customer.accounts.jobs import RETENTION, retention, schedule_retention
from kehu_customer.accounts.routes import routes as account_routes
from kehu_customer.consents.routes import resolution_routes
from kehu_customer.consents.routes import routes as consent_routes
from kehu_customer.erasures.routes import routes as erasure_routes
from kehu_customer.erasures.service import NOTE, noter
from kehu_customer.identity.routes import routes as document_routes
from kehu_customer.merges.routes import routes as merge_routes
from kehu_customer.organization.routes import routes as organization_routes
from kehu_customer.ownership.routes import routes as ownership_routes
from kehu_customer.parties.routes import routes as customer_routes
from kehu_customer.parties.tables import customers
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
    path = cast("Settings", runtime.settings).key_file
    ring = KeyRing.from_file(path)
    async with runtime.database.begin() as tx:
        await schedule_retention(tx, at=runtime.clock.now())
    async with followed(runtime, ring, path, _schedule_key_jobs):
        yield CustomerResources(ring, Vault(ring))


async def _schedule_key_jobs(tx: Transaction, ring: KeyRing, at: datetime) -> None:
    await schedule_rewrap(tx, ring, at)
    await schedule_reindex(tx, ring, at)


def _subscriptions(runtime: Runtime) -> Sequence[Subscription]:
    return (*inbound_subscriptions(runtime), TIMELINE)


def _timers(runtime: Runtime) -> Mapping[str, TimerHandler | PreparedTimer]:
    resources = cast("CustomerResources", runtime.resources)
    return {
        REINDEX: reindexer(resources.vault),
        REWRAP: rewrapper(resources.ring, customers),
        NOTE: noter(Ledger(runtime.settings.ledger_folder, runtime.name)),
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
        erasure_routes,
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
