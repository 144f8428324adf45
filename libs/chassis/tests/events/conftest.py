"""The chassis's own probe service, and what is told to it of a customer."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest

from kehu_chassis.clock import FixedClock
from kehu_chassis.database import Database
from kehu_chassis.definition import ServiceDefinition
from kehu_chassis.message import Message
from kehu_chassis.testing.events import Deliver
from kehu_chassis.testing.probe import DEFINITION, Probe


@pytest.fixture(scope="session")
def definition() -> ServiceDefinition:
    return DEFINITION


@pytest.fixture
def probe(worker_database: Database, clock: FixedClock) -> Probe:
    return Probe(worker_database, clock)


@pytest.fixture
def customer() -> UUID:
    return uuid4()


def story(deliver: Deliver, probe: Probe, customer: UUID, values: str) -> list[Message]:
    """One message per letter, about one customer, in order."""
    return [deliver.message(probe.changed(customer, value)) for value in values]
