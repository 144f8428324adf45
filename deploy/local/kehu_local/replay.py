"""`kehu replay`: rebuild a projection from the start of its topics."""

from __future__ import annotations

import asyncio
import importlib
import os

from kehu_chassis.app import open_runtime
from kehu_chassis.definition import ServiceDefinition
from kehu_chassis.kafka import Kafka
from kehu_chassis.replay import NotReplayable, rebuild
from kehu_local.environment import process_environment
from kehu_local.failures import Failed
from kehu_local.plan import SERVICES, Plan
from kehu_local.secrets import Secrets

__all__ = ["replay"]


def replay(plan: Plan, service: str, subscription: str) -> int:
    """Rebuild what a subscription of a service projects; how many messages were read. The suite may run meanwhile."""
    if service not in SERVICES:
        raise Failed(f"There is no service {service!r}.", f"The services are: {', '.join(SERVICES)}.")
    os.environ.update(process_environment(plan, Secrets.load_or_make(plan), service, "worker"))
    definition: ServiceDefinition = importlib.import_module(f"kehu_{service}.main").DEFINITION
    return asyncio.run(_replay(definition, subscription))


async def _replay(definition: ServiceDefinition, name: str) -> int:
    settings = definition.settings()
    async with open_runtime(definition, settings, "replay") as runtime:
        subscriptions = {subscription.name: subscription for subscription in definition.subscriptions(runtime)}
        projections = ", ".join(key for key, each in subscriptions.items() if each.projection_tables)
        if name not in subscriptions:
            raise Failed(f"{definition.name} has no subscription {name!r}.", f"Its projections are: {projections}.")
        try:
            return await rebuild(
                runtime.database, subscriptions[name], Kafka(settings.kafka_bootstrap, client_id="kehu-replay")
            )
        except NotReplayable:
            cause = f"The subscription {name!r} does more than project: it cannot be replayed."
            raise Failed(cause, f"The projections of {definition.name} are: {projections}.") from None
