"""One service at a time, a client that may do everything there, and proof that nothing was written."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import httpx
import pytest

from kehu_contracts.access import Role

from ..access.crawl import Crawler  # noqa: TID252  no installed package holds the world of the tests
from ..world.bank import World, staff_of  # noqa: TID252  the same


@pytest.fixture(scope="session")
def crawler(world: World) -> Crawler:
    return Crawler(world)


Unwritten = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]


@pytest.fixture
def unwritten(world: World) -> Unwritten:
    """A client of a service, with every role unless some are named; all tables, the outbox too, must stay as they were."""

    @asynccontextmanager
    async def opened(service: str, *roles: Role) -> AsyncIterator[httpx.AsyncClient]:
        served = world.services[service]
        client = await served.client(*(roles or tuple(Role)), staff_id=staff_of("east"), subject="careless")
        before = await served.contents()
        yield client
        assert await served.contents() == before

    return opened
