"""Configuration of the segmentation service. Every variable is listed in README.md."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from kehu_chassis.settings import ServiceSettings

__all__ = ["SegmentationSettings"]


class SegmentationSettings(ServiceSettings):
    """Settings of the segmentation service; variables start with SEGMENTATION_."""

    model_config = SettingsConfigDict(env_prefix="SEGMENTATION_")

    port: Annotated[int, Field(ge=0, le=65535)] = 8102
    worker_port: Annotated[int, Field(ge=0, le=65535)] = 8202
