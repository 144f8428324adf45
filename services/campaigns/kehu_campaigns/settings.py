"""Configuration of the campaigns service. Every variable is listed in README.md."""

from __future__ import annotations

from datetime import time, timedelta
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field
from pydantic_settings import SettingsConfigDict

from kehu_campaigns.delivery.rules import SimulatedBehaviour
from kehu_campaigns.gate.policy import GatePolicy
from kehu_campaigns.gate.rules import QuietHours
from kehu_chassis.settings import ServiceSettings

__all__ = ["CampaignsSettings"]


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        msg = f"there is no time zone {name}"
        raise ValueError(msg) from None
    return name


BasisPoints = Annotated[int, Field(ge=0, le=10_000)]


class CampaignsSettings(ServiceSettings):
    """What the campaigns service can be told."""

    model_config = SettingsConfigDict(env_prefix="CAMPAIGNS_")

    port: Annotated[int, Field(ge=0, le=65535)] = 8104
    worker_port: Annotated[int, Field(ge=0, le=65535)] = 8204

    customer_url: Annotated[str, Field(pattern=r"^https?://[^\s]+[^/\s]$")] = "http://127.0.0.1:8101"
    """Where the worker resolves contact points."""
    token_url: Annotated[str, Field(pattern=r"^https?://\S+$")] = "http://127.0.0.1:8080/oauth2/token"  # noqa: S105  # An address, no secret.
    client_id: str = "campaigns-service"
    client_secret_file: Path | None = None
    """The worker needs it; the api does not."""

    frequency_cap: Annotated[int, Field(ge=1, le=1000)] = 2
    """Marketing contacts that one customer may get within the window, all channels together."""
    frequency_window_days: Annotated[int, Field(ge=1, le=366)] = 7
    quiet_hours_start: time = time(21)
    quiet_hours_end: time = time(8)
    quiet_hours_zone: Annotated[str, AfterValidator(_known_zone)] = "Asia/Shanghai"
    complaint_cool_off_hours: Annotated[int, Field(ge=0, le=24 * 90)] = 0
    """How long marketing rests after a complaint was closed."""

    slice_size: Annotated[int, Field(ge=1, le=1000)] = 200
    """Members that are decided, and messages that are sent, in one transaction."""
    retry_seconds: Annotated[float, Field(gt=0, le=3600)] = 5.0
    """When to ask again after contact points could not be resolved."""

    simulator_failed: BasisPoints = 0
    simulator_opened: BasisPoints = 4_000
    simulator_clicked: BasisPoints = 2_500
    simulator_delivery_seconds: Annotated[float, Field(gt=0, le=3600)] = 1.0
    simulator_reading_seconds: Annotated[float, Field(ge=0)] = 6 * 3600.0

    def gate_policy(self) -> GatePolicy:
        """What the bank allows, as the gate reads it."""
        return GatePolicy(
            frequency_cap=self.frequency_cap,
            frequency_window=timedelta(days=self.frequency_window_days),
            quiet_hours=QuietHours(self.quiet_hours_start, self.quiet_hours_end, ZoneInfo(self.quiet_hours_zone)),
            complaint_cool_off=timedelta(hours=self.complaint_cool_off_hours),
        )

    def simulated_behaviour(self) -> SimulatedBehaviour:
        """How the simulated channel's customers behave."""
        return SimulatedBehaviour(
            failed=self.simulator_failed,
            opened=self.simulator_opened,
            clicked=self.simulator_clicked,
            delivery_delay=timedelta(seconds=self.simulator_delivery_seconds),
            longest_reading_delay=timedelta(seconds=self.simulator_reading_seconds),
        )
