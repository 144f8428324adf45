"""What a process of this service holds beside the chassis: the gate's policy, the resolver, the channel."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import cast

from pydantic import SecretStr

from kehu_campaigns.delivery.channels import ChannelAdapter, SimulatorChannel
from kehu_campaigns.delivery.jobs import CampaignJobs
from kehu_campaigns.delivery.resolver import ContactResolver, CustomerServiceResolver
from kehu_campaigns.gate.policy import GatePolicy
from kehu_campaigns.settings import CampaignsSettings
from kehu_chassis.client import ClientCredentials, ServiceClient
from kehu_chassis.definition import Runtime

__all__ = ["CampaignsResources", "jobs_of", "open_resources"]


@dataclass(frozen=True, slots=True)
class CampaignsResources:
    """Opened with the process, closed with it."""

    policy: GatePolicy
    resolver: ContactResolver
    channel: ChannelAdapter


@asynccontextmanager
async def open_resources(runtime: Runtime) -> AsyncIterator[CampaignsResources]:
    """Open the client of the customer service; it connects when it is first used."""
    settings = cast("CampaignsSettings", runtime.settings)
    secret = "" if settings.client_secret_file is None else settings.client_secret_file.read_text().strip()
    token = ClientCredentials(settings.token_url, settings.client_id, SecretStr(secret))
    # A slice of customers is decrypted for the answer.
    async with ServiceClient(settings.customer_url, token=token, timeout=10.0) as client:
        yield CampaignsResources(
            policy=settings.gate_policy(),
            resolver=CustomerServiceResolver(client),
            channel=SimulatorChannel(runtime.database, settings.simulated_behaviour()),
        )


def jobs_of(runtime: Runtime) -> CampaignJobs:
    """The timers' handlers of a worker."""
    settings = cast("CampaignsSettings", runtime.settings)
    resources = cast("CampaignsResources", runtime.resources)
    return CampaignJobs(
        runtime.database,
        runtime.clock,
        resources.resolver,
        resources.channel,
        resources.policy,
        slice_size=settings.slice_size,
        retry=timedelta(seconds=settings.retry_seconds),
    )
