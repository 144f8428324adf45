"""`kehu replay`: rebuild a projection from the start of its topics."""

from __future__ import annotations

import asyncio

from aiokafka.errors import KafkaError

from kehu_chassis.database import TRANSIENT
from kehu_chassis.kafka import Kafka
from kehu_chassis.replay import NotReplayable, TopicLost, rebuild
from kehu_local.definitions import definition_of, open_worker
from kehu_local.failures import Failed
from kehu_local.plan import Plan
from kehu_local.secrets import Secrets

__all__ = ["AGAIN", "replay"]

AGAIN = "See whether the suite runs (kehu status) and repeat the command: until it ends well, the projection may lack something."


def replay(plan: Plan, service: str, subscription: str, *, anyway: bool = False) -> int:
    """Rebuild what a subscription of a service projects; how many messages were read. The suite may run meanwhile.

    Raises:
        Failed: there is no such projection, its topics are lost, or PostgreSQL or Kafka did not answer.
    """
    try:
        return asyncio.run(_replay(plan, service, subscription, anyway=anyway))
    except (*TRANSIENT, KafkaError) as error:
        raise Failed(f"The projection was not rebuilt: {str(error) or type(error).__name__}", AGAIN) from error


async def _replay(plan: Plan, service: str, name: str, *, anyway: bool) -> int:
    definition = definition_of(service)
    async with open_worker(plan, Secrets.load_or_make(plan), service, "replay") as runtime:
        subscriptions = {subscription.name: subscription for subscription in definition.subscriptions(runtime)}
        projections = ", ".join(key for key, each in subscriptions.items() if each.projection_tables)
        if name not in subscriptions:
            raise Failed(f"{service} has no subscription {name!r}.", f"Its projections are: {projections}.")
        try:
            kafka = Kafka(plan.kafka_bootstrap, client_id="kehu-replay")
            return await rebuild(runtime.database, subscriptions[name], kafka, anyway=anyway)
        except NotReplayable:
            cause = f"The subscription {name!r} does more than project: it cannot be replayed."
            raise Failed(cause, f"The projections of {service} are: {projections}.") from None
        except TopicLost as lost:
            remedy = "What is not on its topics cannot be read again: kehu verify tells what is missing now. To go on: --anyway"
            raise Failed(f"{lost}.", remedy) from None
