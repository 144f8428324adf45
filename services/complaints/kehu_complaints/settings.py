"""Configuration of the complaints service. Every variable is listed in README.md."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from kehu_chassis.settings import ServiceSettings, shared

__all__ = ["Settings"]


class Settings(ServiceSettings):
    """Variables begin with `COMPLAINTS_`; those that the whole suite shares with `KEHU_`."""

    model_config = SettingsConfigDict(env_prefix="COMPLAINTS_")

    port: Annotated[int, Field(ge=0, le=65535)] = 8103
    worker_port: Annotated[int, Field(ge=0, le=65535)] = 8203
    # Narratives are encrypted: without its keys the service must not start.
    key_file: Annotated[Path, Field(validation_alias=shared("key_file"))]
    statutory_pack: str = "CN-2020-3"
    """Id of the regulator pack that new complaints fall under."""
    internal_pack: str = "INTERNAL"
    """Id of the pack with the bank's own handling target."""
    rules_folder: Path | None = None
    """More packs (`pack-*.json`) and calendars (`calendar-*.json`) than the service ships."""
