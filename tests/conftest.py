"""The world of all four services, built once for the tests that only look or undo what they did."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import pytest

from kehu_chassis.clock import FixedClock
from kehu_chassis.crypto import create_key_file

if TYPE_CHECKING:
    from .world.bank import World


@pytest.fixture(scope="session")
async def world(postgres: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """Four services over databases of their own, with the bank of these tests in them."""
    # Imported here: most tests below this folder know no service.
    from .world.bank import World  # noqa: PLC0415
    from .world.service import SERVICES, open_service  # noqa: PLC0415

    key_file = tmp_path_factory.mktemp("keys") / "keys.json"
    create_key_file(key_file)
    clock = FixedClock()
    async with AsyncExitStack() as stack:
        services = {
            name: await stack.enter_async_context(open_service(name, postgres, clock, key_file)) for name in SERVICES
        }
        yield await World.build(services, clock)
