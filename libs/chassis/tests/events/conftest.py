"""The chassis's own probe service."""

from __future__ import annotations

import pytest

from kehu_chassis.clock import FixedClock
from kehu_chassis.database import Database
from kehu_chassis.definition import ServiceDefinition
from kehu_chassis.testing.probe import DEFINITION, Probe


@pytest.fixture(scope="session")
def definition() -> ServiceDefinition:
    return DEFINITION


@pytest.fixture
def probe(worker_database: Database, clock: FixedClock) -> Probe:
    return Probe(worker_database, clock)
