"""What every event contract shares: the frozen models and the registry that finds a model by its type.

A producer builds the strict model, which refuses fields it does not know. A consumer parses with `parse`, which
ignores them, so that a producer may add a field before its consumers have heard of it.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, ClassVar
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, WithJsonSchema

__all__ = ["CONTRACTS", "Contract", "Currency", "Event", "Inbound", "Instant", "Money", "UnknownContract", "parse"]


def _require_zone(value: datetime) -> datetime:
    if value.tzinfo is None:
        msg = "an instant needs a time zone"
        raise ValueError(msg)
    return value


Instant = Annotated[datetime, AfterValidator(_require_zone)]
"""A moment in time with its zone; UTC on the wire."""

Money = Annotated[
    Decimal,
    Field(max_digits=20, decimal_places=4),
    WithJsonSchema({"type": "string", "pattern": r"^-?[0-9]{1,16}(\.[0-9]{1,4})?$"}),
]
"""An amount in the minor units of its currency; a string in JSON, never a float."""

Currency = Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
"""An ISO 4217 code."""


class UnknownContract(LookupError):
    """No contract has this event type."""


class Contract(BaseModel):
    """A message body with a stable type. Subclasses state `event_type`, `topic` and `version`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    event_type: ClassVar[str]
    topic: ClassVar[str]
    version: ClassVar[int] = 1

    @classmethod
    def dataschema(cls) -> str:
        """The value of `ce_dataschema`: a URI that names type and version, e.g. `urn:kehu:schema:…:1`."""
        return f"urn:kehu:schema:{cls.event_type}:{cls.version}"

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        event_type = cls.__dict__.get("event_type")
        if event_type is not None:
            if event_type in CONTRACTS:
                msg = f"two contracts have the type {event_type}"
                raise TypeError(msg)
            CONTRACTS[event_type] = cls


class Event(Contract):
    """A fact that a Kehu service states. `subject_id` orders it: `ce_sequence` is gapless per topic and subject."""

    def subject_id(self) -> UUID:
        """The aggregate that the fact is about."""
        raise NotImplementedError

    def key_id(self) -> UUID:
        """The Kafka key: the customer where there is one, else the aggregate."""
        return self.subject_id()


class Inbound(Contract):
    """A message of the bank's own systems. `source` names the system, `source_id` its key for the thing."""

    source: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{1,30}$")]
    source_id: Annotated[str, Field(min_length=1, max_length=64)]


CONTRACTS: dict[str, type[Contract]] = {}
"""Every contract by its type."""


def parse(event_type: str, body: bytes | str) -> Contract:
    """Read a message body as a consumer does: known fields are checked, unknown ones ignored.

    Raises:
        UnknownContract: no contract has this type.
        pydantic.ValidationError: the body does not fit the contract.
    """
    try:
        model = CONTRACTS[event_type]
    except KeyError:
        raise UnknownContract(event_type) from None
    return model.model_validate_json(body, extra="ignore")
