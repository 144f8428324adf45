"""What operators say about webhooks, and what they are told."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from kehu_chassis.schemas import Id, In, Line, Out

__all__ = ["DeliveryOut", "DeliveryState", "SecretOut", "WebhookChangeIn", "WebhookIn", "WebhookOut"]

DeliveryState = Literal["pending", "delivered", "dead"]
_Url = Annotated[str, Field(min_length=1, max_length=2_000, pattern=r"^[!-~]+$")]
_Types = Annotated[tuple[str, ...], Field(min_length=1, max_length=50)]


class WebhookIn(In):
    """An endpoint of a partner system: https, on a public address unless the installation allows another."""

    name: Line
    url: _Url
    event_types: _Types


class WebhookChangeIn(In):
    """What changes. An endpoint that is not active gets nothing new, and what waits for it waits on."""

    name: Line | None = None
    url: _Url | None = None
    event_types: _Types | None = None
    active: bool | None = None


class WebhookOut(Out):
    """A registered endpoint, with how many messages wait for it and how many were given up."""

    webhook_id: Id
    name: str
    url: str
    event_types: list[str]
    active: bool
    previous_secret_until: datetime | None
    created_at: datetime
    changed_at: datetime
    version: int
    pending: int
    dead: int


class SecretOut(Out):
    """The secret that messages are signed with, for the receiver's settings; `whsec_` and Base64."""

    secret: str
    previous_secret: str | None
    previous_secret_until: datetime | None


class DeliveryOut(Out):
    """A message to an endpoint. Its content is not shown; `last_error` is a kind of failure, not what was answered."""

    delivery_id: Id
    event_id: Id
    type: str
    state: DeliveryState
    attempts: int
    added_at: datetime
    next_attempt_at: datetime | None
    settled_at: datetime | None
    last_status: int | None
    last_error: str | None
