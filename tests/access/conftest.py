"""The crawler over the world of all services."""

from __future__ import annotations

import pytest

from ..world.bank import World  # noqa: TID252  no installed package holds the world of the tests
from .crawl import Crawler


@pytest.fixture(scope="session")
def crawler(world: World) -> Crawler:
    return Crawler(world)
