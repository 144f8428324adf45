"""Typed configuration. Nothing but this module and its subclasses reads the environment.

A service subclasses `ServiceSettings` with its own prefix (`CUSTOMER_DATABASE_DSN`, `CUSTOMER_PORT`, …). What the whole
suite shares has the prefix `KEHU_` in every process (`KEHU_KAFKA_BOOTSTRAP`, `KEHU_ISSUER`, …).
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AliasChoices, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

__all__ = ["MigrationSettings", "ServiceSettings", "SigningAlgorithm", "shared"]

SigningAlgorithm = Literal["EdDSA", "RS256", "PS256", "ES256"]
"""How an issuer may sign tokens. Symmetric algorithms and `none` are not among them and cannot be configured."""


def shared(variable: str) -> AliasChoices:
    """The environment name of a setting that all processes share: `shared("issuer")` is `KEHU_ISSUER`."""
    return AliasChoices(f"KEHU_{variable.upper()}")


class MigrationSettings(BaseSettings):
    """What a migration needs, and all that it is given: it serves nobody, and opens nothing that is sealed."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    database_dsn: SecretStr
    """PostgreSQL address with the role of this process: api, worker or (for migrate) owner."""
    log_level: Annotated[Literal["debug", "info", "warning", "error"], Field(validation_alias=shared("log_level"))] = (
        "info"
    )

    @classmethod
    def of(cls, settings: type[ServiceSettings]) -> MigrationSettings:
        """Those of a service, whose variables begin as its settings' do."""
        return cls(_env_prefix=settings.model_config["env_prefix"])


class ServiceSettings(MigrationSettings):
    """What every process needs. A value that is missing or unsafe stops the start with the variable's name."""

    pool_min: Annotated[int, Field(ge=0, le=100)] = 1
    pool_max: Annotated[int, Field(ge=1, le=100)] = 10

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)]
    worker_port: Annotated[int, Field(ge=0, le=65535)]
    """Where the worker answers health and metrics."""
    stop_timeout: Annotated[float, Field(gt=0, le=300)] = 10.0
    """Seconds that requests and batches under way have to finish after a stop was asked for."""
    head_timeout: Annotated[float, Field(gt=0)] = 10.0
    """Seconds in which a request's head has to arrive."""
    body_timeout: Annotated[float, Field(gt=0)] = 30.0
    """Seconds in which its body has to arrive."""
    max_body_bytes: Annotated[int, Field(ge=1)] = 1_000_000
    idempotency_hours: Annotated[int, Field(ge=1, le=24 * 30)] = 24

    environment: Annotated[Literal["demo", "production"], Field(validation_alias=shared("environment"))] = "production"
    kafka_bootstrap: Annotated[str, Field(validation_alias=shared("kafka_bootstrap"))] = "127.0.0.1:19092"
    issuer: Annotated[str, Field(validation_alias=shared("issuer"), pattern=r"^https?://[^\s]+[^/\s]$")]
    """The `iss` that a token must carry, without a slash at the end."""
    jwks_url: Annotated[str, Field(validation_alias=shared("jwks_url"), pattern=r"^https?://\S+$")]
    """Where the issuer publishes its signing keys."""
    audience: Annotated[str, Field(validation_alias=shared("audience"), min_length=1)] = "kehu"
    token_algorithms: Annotated[
        tuple[SigningAlgorithm, ...], Field(validation_alias=shared("token_algorithms"), min_length=1)
    ] = ("EdDSA",)
    key_file: Annotated[Path | None, Field(validation_alias=shared("key_file"))] = None
    """Key-encryption and index keys (see `crypto.KeyRing`), for the services that keep personal data."""
    ledger_folder: Annotated[Path | None, Field(validation_alias=shared("ledger_folder"))] = None
    """Where the worker notes what must outlive its database (see `ledger.Ledger`); without it, in its log alone."""
    clock_file: Annotated[Path | None, Field(validation_alias=shared("clock_file"))] = None
    """The suite's clock; demo and test only."""
    trace_ratio: Annotated[float, Field(validation_alias=shared("trace_ratio"), ge=0, le=1)] = 0.01
    """The share of requests that are traced when the caller has not decided it."""
