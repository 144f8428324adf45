"""The only wiring of the complaints service."""

from __future__ import annotations

from kehu_chassis.definition import ServiceDefinition, migrations_of
from kehu_complaints.cases.jobs import timer_handlers
from kehu_complaints.cases.routes import case_routes, category_routes, customer_routes
from kehu_complaints.clocks.routes import clock_routes
from kehu_complaints.deps import open_office
from kehu_complaints.directory import consumers as directory
from kehu_complaints.extensions.routes import extension_routes
from kehu_complaints.settings import Settings

__all__ = ["DEFINITION", "SUBSCRIPTIONS"]

SUBSCRIPTIONS = (directory.ORGANIZATION, directory.CUSTOMERS)

DEFINITION = ServiceDefinition(
    name="complaints",
    schema="complaints",
    settings=Settings,
    migrations=migrations_of(__file__),
    routers=(case_routes, clock_routes, extension_routes, customer_routes, category_routes),
    subscriptions=lambda _: SUBSCRIPTIONS,
    timers=timer_handlers,
    resources=open_office,
)
