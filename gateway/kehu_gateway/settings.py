"""Configuration of the gateway. Every variable is listed in README.md."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import SettingsConfigDict

from kehu_chassis.settings import ServiceSettings

__all__ = ["Settings"]

_Rate = Annotated[float, Field(gt=0)]
_Burst = Annotated[int, Field(ge=1)]
_Url = Annotated[str, Field(pattern=r"^https?://[^\s]+[^/\s]$")]


class Settings(ServiceSettings):
    """Settings of one gateway process; the prefix is `GATEWAY_`."""

    model_config = SettingsConfigDict(env_prefix="GATEWAY_")

    port: Annotated[int, Field(ge=0, le=65535)] = 8080
    worker_port: Annotated[int, Field(ge=0, le=65535)] = 8200
    public_url: _Url
    """Where browsers reach the gateway; the log-in comes back to it."""
    console: Path
    """The console's built files."""
    session_key: Annotated[SecretStr, Field(min_length=32)]
    """Seals the tokens of console sessions; the same in all gateway processes."""
    webhook_key_file: Path
    """The keys that the secrets of webhooks are kept under (`crypto.create_wrapping_key_file`)."""
    session_idle_minutes: Annotated[int, Field(ge=1)] = 30
    session_hours: Annotated[int, Field(ge=1)] = 12

    console_client_id: str = "kehu-console"
    console_client_secret: SecretStr | None = None
    """For an external issuer that knows the console as a confidential client."""
    issuer_key_file: Path | None = None
    """PEM file with the built-in issuer's private keys (Ed25519): the first signs, the others are still published."""
    client_secrets: Path | None = None
    """Folder with the secret of each system that the built-in issuer knows, in a file of its name."""

    customer_url: _Url = "http://127.0.0.1:8101"
    segmentation_url: _Url = "http://127.0.0.1:8102"
    complaints_url: _Url = "http://127.0.0.1:8103"
    campaigns_url: _Url = "http://127.0.0.1:8104"
    upstream_connect_timeout: Annotated[float, Field(gt=0)] = 0.5
    upstream_timeout: Annotated[float, Field(gt=0)] = 30.0
    """Seconds that a service may stay silent before the caller is told 504."""
    section_timeout: Annotated[float, Field(gt=0)] = 2.0
    """Seconds that a section of the customer 360 may take before it is called unavailable."""

    person_rate: _Rate = 300.0
    """Requests a second that one person may make, in all gateway processes together; tools work under a person's name, too."""
    person_burst: _Burst = 1_500
    system_rate: _Rate = 1_000.0
    """The same for one system."""
    system_burst: _Burst = 4_000
    address_rate: _Rate = 1_500.0
    """The same for one address; a branch, or several systems, behind one address need more than each of them."""
    address_burst: _Burst = 6_000
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...] = ()
    """Networks of the proxies in front, as JSON: only what these write into `X-Forwarded-For` is believed."""
    streams_of_caller: Annotated[int, Field(ge=1)] = 8
    """Live streams that one caller may have open in each gateway process."""
    streams: Annotated[int, Field(ge=1)] = 1_000
    """Live streams of all callers in each gateway process."""
    webhook_networks: tuple[IPv4Network | IPv6Network, ...] = ()
    """Networks, as JSON, to which webhooks may go although their addresses are not public; http is allowed there too."""
    login_attempts: Annotated[int, Field(ge=1)] = 5
    """Wrong passwords for one user name from one address before the delay begins, which doubles each time."""
    login_attempts_of_address: Annotated[int, Field(ge=1)] = 50
    """The same for one address, whatever names it tries."""
    login_longest_delay: Annotated[int, Field(ge=1)] = 900
    """Seconds beyond which that delay does not grow."""

    @property
    def builtin_issuer(self) -> bool:
        """Whether the gateway is its own issuer, with demo users."""
        return self.issuer == self.public_url

    @model_validator(mode="after")
    def _no_demo_users_in_production(self) -> Self:
        if self.builtin_issuer and self.environment != "demo":
            msg = "the built-in issuer with its demo users runs in the environment demo only: name another issuer"
            raise ValueError(msg)
        if self.builtin_issuer and (self.issuer_key_file is None or self.client_secrets is None):
            msg = "the built-in issuer needs GATEWAY_ISSUER_KEY_FILE and GATEWAY_CLIENT_SECRETS"
            raise ValueError(msg)
        return self
