"""The segmentation service, wired: routes, consumers, timers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from kehu_chassis.definition import Runtime, ServiceDefinition, migrations_of
from kehu_chassis.subscription import Subscription
from kehu_chassis.timers import TimerHandler
from kehu_segmentation.directory.consumers import organization
from kehu_segmentation.features import consumers as features
from kehu_segmentation.features.routes import routes as feature_routes
from kehu_segmentation.membership.jobs import WINDOW, move_windows
from kehu_segmentation.membership.routes import customer_routes
from kehu_segmentation.membership.routes import routes as member_routes
from kehu_segmentation.segments.jobs import publisher
from kehu_segmentation.segments.routes import routes as segment_routes
from kehu_segmentation.segments.service import PUBLICATION
from kehu_segmentation.settings import SegmentationSettings
from kehu_segmentation.tiers.jobs import ASSESSMENT, assess_tiers
from kehu_segmentation.tiers.routes import routes as tier_routes

__all__ = ["DEFINITION"]


def _subscriptions(runtime: Runtime) -> Sequence[Subscription]:
    return (organization, features.customers(runtime.clock), features.holdings(runtime.clock))


def _timers(runtime: Runtime) -> Mapping[str, TimerHandler]:
    return {PUBLICATION: publisher(runtime.clock), WINDOW: move_windows, ASSESSMENT: assess_tiers}


DEFINITION: Final = ServiceDefinition(
    name="segmentation",
    schema="segmentation",
    settings=SegmentationSettings,
    migrations=migrations_of(__file__),
    routers=(segment_routes, member_routes, feature_routes, customer_routes, tier_routes),
    subscriptions=_subscriptions,
    timers=_timers,
)
