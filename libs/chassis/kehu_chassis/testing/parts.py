"""Parts of a worker that run beside a test, as they run in a process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from kehu_chassis.definition import WorkerPart

__all__ = ["running"]


@asynccontextmanager
async def running(*parts: WorkerPart) -> AsyncIterator[None]:
    """Run relays, consumers, timers or whole workers; at the end stop them, and wait until they have."""
    tasks = [asyncio.create_task(part.run()) for part in parts]
    try:
        yield
    finally:
        for part in parts:
            part.stop()
        await asyncio.gather(*tasks)
