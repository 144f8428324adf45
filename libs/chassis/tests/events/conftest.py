"""The chassis's own probe service, and a pool of waiting that ends."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from kehu_chassis.clock import FixedClock
from kehu_chassis.database import Database
from kehu_chassis.definition import ServiceDefinition
from kehu_chassis.testing.probe import DEFINITION, Probe

Eventually = Callable[[Callable[[], Awaitable[bool]]], Awaitable[None]]


@pytest.fixture(scope="session")
def definition() -> ServiceDefinition:
    return DEFINITION


@pytest.fixture
def probe(worker_database: Database, clock: FixedClock) -> Probe:
    return Probe(worker_database, clock)


@pytest.fixture
def eventually() -> Eventually:
    """Waits until a condition holds; fails when it does not within 30 s."""

    async def wait(condition: Callable[[], Awaitable[bool]]) -> None:
        async with asyncio.timeout(30):
            while not await condition():
                await asyncio.sleep(0.02)

    return wait
