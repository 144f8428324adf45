"""The only wiring of the campaigns service."""

from __future__ import annotations

from kehu_campaigns.audience import consumers as audience_consumers
from kehu_campaigns.audience import routes as audience_routes
from kehu_campaigns.delivery import routes as delivery_routes
from kehu_campaigns.directory import consumers as directory_consumers
from kehu_campaigns.gate import consumers as gate_consumers
from kehu_campaigns.gate import routes as gate_routes
from kehu_campaigns.plans import routes as plan_routes
from kehu_campaigns.response import consumers as response_consumers
from kehu_campaigns.response import routes as response_routes
from kehu_campaigns.runtime import jobs_of, open_resources
from kehu_campaigns.settings import CampaignsSettings
from kehu_chassis.definition import ServiceDefinition, migrations_of

__all__ = ["DEFINITION", "SUBSCRIPTIONS"]

SUBSCRIPTIONS = (
    directory_consumers.ORGANIZATION,
    directory_consumers.CUSTOMERS,
    audience_consumers.SEGMENTS,
    audience_consumers.MEMBERSHIPS,
    gate_consumers.COMPLAINTS,
    response_consumers.OPENINGS,
)

DEFINITION = ServiceDefinition(
    name="campaigns",
    schema="campaigns",
    settings=CampaignsSettings,
    migrations=migrations_of(__file__),
    routers=(
        plan_routes.routes,
        audience_routes.routes,
        gate_routes.campaign_routes,
        gate_routes.contact_routes,
        delivery_routes.routes,
        response_routes.campaign_routes,
        response_routes.customer_routes,
    ),
    subscriptions=lambda _: SUBSCRIPTIONS,
    timers=lambda runtime: jobs_of(runtime).timers(),
    resources=open_resources,
)
