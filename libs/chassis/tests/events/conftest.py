"""A service that consumes customers' events and keeps what came, so that a test sees every effect and its order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from kehu_chassis.clock import FixedClock
from kehu_chassis.consumer import Message, Refused, Subscription
from kehu_chassis.database import Database, Transaction
from kehu_chassis.definition import ServiceDefinition
from kehu_chassis.settings import ServiceSettings
from kehu_contracts.customer import CustomerProfileChanged

TOPIC = "kehu.customer.v1"


class Settings(ServiceSettings, env_prefix="PROBE_"):
    port: int = 0
    worker_port: int = 0


@pytest.fixture(scope="session")
def definition() -> ServiceDefinition:
    return ServiceDefinition(
        name="probe",
        schema="probe",
        settings=Settings,
        migrations=Path(__file__).parent / "probe_migrations",
        routers=(),
    )


class Recorder:
    """A handler whose effects are rows: one per message, never merged. It fails as it is told."""

    def __init__(self) -> None:
        self.poison: set[str] = set()
        self.refused: set[str] = set()
        self.batches: list[list[str]] = []

    async def __call__(self, tx: Transaction, messages: Sequence[Message]) -> None:
        self.batches.append([value_of(message) for message in messages])
        for message in messages:
            value = value_of(message)
            if value in self.refused:
                raise Refused("refused by the test", keep_body=False)
            await tx.connection.execute(
                "INSERT INTO effects (subscription, subject, sequence, value) VALUES ('probe', $1, $2, $3)",
                message.subject,
                message.sequence,
                value,
            )
            if value in self.poison:
                raise RuntimeError(f"cannot handle {value}")


def value_of(message: Message) -> str:
    body = message.parse()
    assert isinstance(body, CustomerProfileChanged)
    return body.changed[0]


def changed(customer_id: UUID, value: str, clock: FixedClock) -> CustomerProfileChanged:
    return CustomerProfileChanged(customer_id=customer_id, changed=(value,), changed_at=clock.now())


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def subscription(recorder: Recorder) -> Subscription:
    return Subscription("probe", (TOPIC,), recorder, types=(CustomerProfileChanged,), retries=())


async def effects(database: Database) -> list[str]:
    """The values in the order of their effects."""
    async with database.begin(read_only=True) as tx:
        return [row["value"] for row in await tx.connection.fetch("SELECT value FROM effects ORDER BY effect_id")]


async def rows_of(database: Database, table: str) -> list[dict[str, Any]]:
    async with database.begin(read_only=True) as tx:
        return [dict(row) for row in await tx.connection.fetch(f"SELECT * FROM {table} ORDER BY 1")]  # noqa: S608


def without_retries(subscription: Subscription, **changes: Any) -> Subscription:
    return replace(subscription, retries=(), **changes)
