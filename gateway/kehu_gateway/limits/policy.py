"""The limits of a gateway process, as its settings give them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

from kehu_gateway.limits.addresses import Network
from kehu_gateway.limits.buckets import Buckets
from kehu_gateway.limits.rules import Limit
from kehu_gateway.settings import Settings

__all__ = ["Limits"]


@dataclass(frozen=True, slots=True)
class Limits:
    """Who may ask how much, and the buckets that count it."""

    address: Limit
    person: Limit
    system: Limit
    trusted: Sequence[Network]
    buckets: Buckets = field(default_factory=Buckets)

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The limits that the settings name."""
        return cls(
            address=Limit("address", settings.address_rate, settings.address_burst),
            person=Limit("person", settings.person_rate, settings.person_burst),
            system=Limit("system", settings.system_rate, settings.system_burst),
            trusted=settings.trusted_proxies,
        )
