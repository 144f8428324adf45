"""Contact points and consent at the time of sending, from the customer service: no answer, no send."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Protocol
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from kehu_campaigns.gate.rules import Reason
from kehu_campaigns.gate.service import Resolution
from kehu_chassis.client import CallFailed, CallRefused, ServiceClient
from kehu_contracts.codes import Channel, Purpose

__all__ = ["ContactResolver", "CustomerServiceResolver", "ResolverUnavailable"]


class ResolverUnavailable(Exception):
    """The customer service gave no answer that could be used. Nothing is sent, and it is asked again."""


class ContactResolver(Protocol):
    """Resolves customers to addresses. Asked with surviving customers, never inside a transaction."""

    async def resolve(
        self, *, purpose: Purpose, channel: Channel, customer_ids: Sequence[UUID]
    ) -> Mapping[UUID, Resolution]:
        """The answer for each customer; one that is missing in it was not answered and is asked about again.

        Raises:
            ResolverUnavailable: there is no answer at all.
        """
        ...


_REFUSALS: Final[Mapping[str, Reason]] = {
    "deceased": Reason.DECEASED,
    "closed": Reason.RELATIONSHIP_CLOSED,
    "minor": Reason.MINOR,
    "withdrawn": Reason.NO_CONSENT,
    "no_consent": Reason.NO_CONSENT,
    "no_contact_point": Reason.CONTACT_UNAVAILABLE,
    "unknown_customer": Reason.CONTACT_UNAVAILABLE,
}
"""What the verdicts of the customer service mean here. `merged` is none of them: this service's projection has to catch
up with the merge before the survivor can be asked about."""


class _Resolved(BaseModel):
    model_config = ConfigDict(extra="ignore")

    customer_id: UUID
    verdict: str
    contact_value: str | None
    language: str | None


class _Answer(BaseModel):
    model_config = ConfigDict(extra="ignore")

    items: list[_Resolved]


class CustomerServiceResolver:
    """Asks the customer service."""

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
        return {
            found.customer_id: Resolution(
                refusal=_REFUSALS.get(found.verdict), address=found.contact_value or "", language=found.language or "zh"
            )
            for found in answer.items
            if found.verdict == "allowed" or found.verdict in _REFUSALS
        }
