"""The gateway, told once: what it is made of."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import Final, cast

from kehu_chassis.auth import TokenVerifier
from kehu_chassis.crypto import KeyRing
from kehu_chassis.database import TRANSIENT
from kehu_chassis.definition import Runtime, ServiceDefinition, WorkerPart, migrations_of
from kehu_chassis.rotation import REWRAP, followed, rewrapper, schedule_rewrap
from kehu_chassis.telemetry import get_logger
from kehu_chassis.timers import PreparedTimer, TimerHandler
from kehu_gateway.console.files import Console
from kehu_gateway.console.routes import documents as document_routes
from kehu_gateway.console.routes import routes as console_routes
from kehu_gateway.directory.consumers import DIRECTORY
from kehu_gateway.issuer import service as issuing
from kehu_gateway.issuer.accounts import Accounts
from kehu_gateway.issuer.attempts import Attempts, forget_attempts
from kehu_gateway.issuer.keys import SigningKeys
from kehu_gateway.issuer.routes import routes as issuer_routes
from kehu_gateway.limits.buckets import Buckets
from kehu_gateway.limits.middleware import AddressLimit, CallerLimit
from kehu_gateway.limits.policy import Limits
from kehu_gateway.openapi.service import Documents
from kehu_gateway.operations.routes import routes as operations_routes
from kehu_gateway.overview.memory import Memory
from kehu_gateway.overview.routes import routes as overview_routes
from kehu_gateway.proxy.routes import routes as proxy_routes
from kehu_gateway.proxy.upstream import Upstream, open_client, service_addresses
from kehu_gateway.resources import GatewayResources, WorkerResources
from kehu_gateway.sessions import service as sessions
from kehu_gateway.sessions.middleware import SessionMiddleware
from kehu_gateway.sessions.providers import BuiltInProvider, DiscoveredProvider, Provider
from kehu_gateway.sessions.routes import routes as session_routes
from kehu_gateway.sessions.sealing import Sealer
from kehu_gateway.settings import Settings
from kehu_gateway.streams.consumers import KEPT, live_subscription
from kehu_gateway.streams.routes import routes as stream_routes
from kehu_gateway.streams.service import Feed, Places, forget_old
from kehu_gateway.webhooks.delivery import Deliverer, forget_settled
from kehu_gateway.webhooks.routes import routes as webhook_routes
from kehu_gateway.webhooks.secrets import SecretKeeper, take_over_secrets
from kehu_gateway.webhooks.tables import webhooks

__all__ = ["DEFINITION"]

log = get_logger(__name__)
_CLEAN_EVERY: Final = 300.0


@asynccontextmanager
async def _open_resources(runtime: Runtime) -> AsyncIterator[GatewayResources | WorkerResources]:
    settings = cast("Settings", runtime.settings)
    ring = KeyRing.from_file(settings.webhook_key_file)
    secrets = SecretKeeper(ring, Sealer(settings.session_key))
    redirect_uri = f"{settings.public_url}/auth/callback"
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(followed(runtime, ring, settings.webhook_key_file, schedule_rewrap))
        async with runtime.database.begin() as tx:
            await take_over_secrets(tx, secrets)
        if runtime.process != "api":
            yield WorkerResources(ring, secrets)
            return
        issuer = _issuer(settings, redirect_uri)
        if issuer is not None:
            # The issuer is this very process: it need not ask itself over the network for its keys.
            runtime.verifier = TokenVerifier(
                issuer=settings.issuer, audience=settings.audience, keys=issuer.keys.published
            )
        client = await stack.enter_async_context(
            open_client(connect=settings.upstream_connect_timeout, silence=settings.upstream_timeout)
        )
        upstreams = {name: Upstream(name, address, client) for name, address in service_addresses(settings).items()}
        idle = timedelta(minutes=settings.session_idle_minutes)
        cleaning = asyncio.create_task(_clean(runtime, idle))
        stack.callback(cleaning.cancel)
        limits = Limits.of(settings)
        leasing = asyncio.create_task(limits.buckets.run(runtime.database))
        stack.callback(leasing.cancel)
        yield GatewayResources(
            issuer=issuer,
            attempts=Attempts(
                runtime.database,
                free=settings.login_attempts,
                free_of_address=settings.login_attempts_of_address,
                longest=timedelta(seconds=settings.login_longest_delay),
            ),
            sessions=sessions.Sessions(
                database=runtime.database,
                provider=_provider(settings, runtime, issuer, stack),
                verifier=runtime.verifier,
                sealer=Sealer(settings.session_key),
                redirect_uri=redirect_uri,
                client_id=settings.console_client_id,
                idle=idle,
                life=timedelta(hours=settings.session_hours),
            ),
            upstreams=upstreams,
            memory=Memory(),
            documents=Documents(upstreams),
            limits=limits,
            feed=Feed(runtime.database, runtime.stopping),
            places=Places(of_caller=settings.streams_of_caller, of_process=settings.streams),
            console=Console(settings.console),
            webhook_secrets=secrets,
        )


def _issuer(settings: Settings, redirect_uri: str) -> issuing.Issuer | None:
    if not settings.builtin_issuer:
        return None
    assert settings.issuer_key_file is not None
    assert settings.client_secrets is not None
    return issuing.Issuer(
        address=settings.issuer,
        audience=settings.audience,
        accounts=Accounts.demo(settings.client_secrets),
        keys=SigningKeys(settings.issuer_key_file),
        console_client=settings.console_client_id,
        redirect_uri=redirect_uri,
    )


def _provider(settings: Settings, runtime: Runtime, issuer: issuing.Issuer | None, stack: AsyncExitStack) -> Provider:
    if issuer is not None:
        return BuiltInProvider(issuer, runtime.database, settings.console_client_id)
    provider = DiscoveredProvider(
        settings.issuer, settings.console_client_id, settings.console_client_secret, transport=None
    )
    stack.push_async_callback(provider.close)
    return provider


async def _clean(runtime: Runtime, idle: timedelta) -> None:
    while True:
        await asyncio.sleep(_CLEAN_EVERY)
        try:
            async with runtime.database.begin() as tx:
                await sessions.forget_expired(tx, idle)
                await issuing.forget_expired(tx)
                await forget_attempts(tx)
            await Buckets.forget_old(runtime.database)
            await forget_old(runtime.database, KEPT)
            await forget_settled(runtime.database)
        except TRANSIENT as error:
            log.warning("gateway.cleaning_postponed", error=type(error).__name__)


def _parts(runtime: Runtime) -> tuple[WorkerPart, ...]:
    settings, resources = cast("Settings", runtime.settings), cast("WorkerResources", runtime.resources)
    return (Deliverer(runtime.database, resources.webhook_secrets, settings.webhook_networks),)


def _timers(runtime: Runtime) -> Mapping[str, TimerHandler | PreparedTimer]:
    return {REWRAP: rewrapper(cast("WorkerResources", runtime.resources).ring, webhooks)}


DEFINITION: Final = ServiceDefinition(
    name="gateway",
    schema="gateway",
    settings=Settings,
    migrations=migrations_of(__file__),
    routers=(
        issuer_routes,
        session_routes,
        document_routes,
        overview_routes,
        operations_routes,
        stream_routes,
        webhook_routes,
        proxy_routes,
        console_routes,
    ),
    subscriptions=lambda _: (DIRECTORY, live_subscription()),
    timers=_timers,
    parts=_parts,
    resources=_open_resources,
    middleware=(AddressLimit, SessionMiddleware, CallerLimit),
    # The document at /openapi.json is the whole suite's.
    openapi_url=None,
)
