"""A service with nothing but effects to look at: what the chassis itself is tested and measured on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from kehu_chassis import outbox
from kehu_chassis.clock import FixedClock
from kehu_chassis.consumer import Message, Refused, Subscription
from kehu_chassis.database import Database, Transaction
from kehu_chassis.definition import ServiceDefinition
from kehu_chassis.settings import ServiceSettings
from kehu_contracts.customer import CustomerProfileChanged

__all__ = ["DEFINITION", "TOPIC", "Probe", "ProbeSettings"]

TOPIC: Final = CustomerProfileChanged.topic


class ProbeSettings(ServiceSettings, env_prefix="PROBE_"):
    """Settings of the probe."""

    port: int = 0
    worker_port: int = 0


DEFINITION: Final = ServiceDefinition(
    name="probe",
    schema="probe",
    settings=ProbeSettings,
    migrations=Path(__file__).parent / "migrations",
    routers=(),
)


class Probe:
    """States events whose value says what they are, and records each effect as a row of its own.

    `poison` and `refused` name values that the handler fails on; `batches` are the values it was given, call by call.
    """

    def __init__(self, database: Database, clock: FixedClock) -> None:
        self.poison: set[str] = set()
        self.refused: set[str] = set()
        self.batches: list[list[str]] = []
        self.subscription = Subscription(
            "probe",
            (TOPIC,),
            self.handle,
            types=(CustomerProfileChanged,),
            projection_tables=("projection", "effects"),
            retries=(),
        )
        self._database = database
        self._clock = clock

    def changed(self, customer_id: UUID, value: str) -> CustomerProfileChanged:
        """An event about a customer that carries a value."""
        return CustomerProfileChanged(customer_id=customer_id, changed=(value,), changed_at=self._clock.now())

    async def state(self, customer_id: UUID, *values: str) -> None:
        """Put one event per value into the outbox, in one transaction."""
        async with self._database.begin() as tx:
            for value in values:
                outbox.add(tx, self.changed(customer_id, value), at=self._clock.now())

    def with_(self, **changes: Any) -> Subscription:
        """The subscription with other options."""
        return replace(self.subscription, **changes)

    async def handle(self, tx: Transaction, messages: Sequence[Message]) -> None:
        """Record every message, then fail where told to: what was recorded must be undone."""
        self.batches.append([value_of(message) for message in messages])
        for message in messages:
            value = value_of(message)
            if value in self.refused:
                raise Refused("refused by the probe", keep_body=False)
            await tx.connection.execute(_EFFECT, message.subject, message.sequence, value)
            await tx.connection.execute(_PROJECT, message.subject, value)
            if value in self.poison:
                raise RuntimeError(f"cannot handle {value}")

    async def effects(self) -> list[str]:
        """The values in the order of their effects."""
        return [row["value"] for row in await self.rows("effects")]

    async def rows(self, table: str, order: str = "1") -> list[dict[str, Any]]:
        """All rows of a table."""
        async with self._database.begin(read_only=True) as tx:
            rows = await tx.connection.fetch(f"SELECT * FROM {table} ORDER BY {order}")  # noqa: S608  names of tests
        return [dict(row) for row in rows]


def value_of(message: Message) -> str:
    """The value that an event carries."""
    body = message.parse()
    assert isinstance(body, CustomerProfileChanged)
    return body.changed[0]


_EFFECT: Final = "INSERT INTO effects (subject, sequence, value) VALUES ($1, $2, $3)"
_PROJECT: Final = """
INSERT INTO projection AS kept (subject, value, changes) VALUES ($1, $2, 1)
ON CONFLICT (subject) DO UPDATE SET value = EXCLUDED.value, changes = kept.changes + 1
"""
