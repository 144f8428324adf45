"""Contact points and consent at the time of sending, from the customer service: no answer, no send."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from kehu_campaigns.gate.service import Resolution
from kehu_chassis.client import CallFailed, CallRefused, ServiceClient
from kehu_contracts.codes import Channel, Purpose

__all__ = ["ContactResolver", "CustomerServiceResolver", "ResolverUnavailable"]


class ResolverUnavailable(Exception):
    """The customer service gave no answer that could be used. Nothing is sent, and it is asked again."""


class ContactResolver(Protocol):
    """Resolves customers to addresses."""

    async def resolve(
        self, *, purpose: Purpose, channel: Channel, customer_ids: Sequence[UUID]
    ) -> Mapping[UUID, Resolution]:
        """The answer for every customer that was asked about.

        Raises:
            ResolverUnavailable: there is no answer at all.
        """
        ...


class _Resolved(BaseModel):
    model_config = ConfigDict(extra="ignore")

    customer_id: UUID
    consented: bool
    address: str | None
    salutation: str


class _Answer(BaseModel):
    model_config = ConfigDict(extra="ignore")

    items: list[_Resolved]


class CustomerServiceResolver:
    """Asks the customer service. Never inside a transaction."""

    def __init__(self, client: ServiceClient) -> None:
        self._client = client

    async def resolve(
        self, *, purpose: Purpose, channel: Channel, customer_ids: Sequence[UUID]
    ) -> Mapping[UUID, Resolution]:
        """One call for all of them; retried by the client when the service cannot be reached."""
        body = {"purpose": purpose, "channel": channel, "customer_ids": [str(found) for found in customer_ids]}
        try:
            answer = _Answer.model_validate(await self._client.post_json("/api/v1/contact-resolutions", body))
        except (CallFailed, CallRefused, ValueError) as error:
            # A refusal (say, of our token) is no word on any customer either.
            raise ResolverUnavailable(type(error).__name__) from error
        # Whom the customer service does not know cannot be reached.
        resolved = dict.fromkeys(customer_ids, Resolution(consents=True, address=None, salutation=""))
        for found in answer.items:
            resolved[found.customer_id] = Resolution(found.consented, found.address, found.salutation)
        return resolved
