"""Configuration of the customer service. Every variable is listed in README.md."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from kehu_chassis.settings import ServiceSettings, shared

__all__ = ["Settings"]


class Settings(ServiceSettings):
    """Settings of one process of the customer service; the prefix is `CUSTOMER_`."""

    model_config = SettingsConfigDict(env_prefix="CUSTOMER_")

    port: Annotated[int, Field(ge=0, le=65535)] = 8101
    worker_port: Annotated[int, Field(ge=0, le=65535)] = 8201
    # This service keeps personal data: without its keys it must not start.
    key_file: Annotated[Path, Field(validation_alias=shared("key_file"))]
    allow_clear_identity: bool = False
    """Take party messages whose identity is not encrypted: only while a bank migrates to encrypted ones."""
