"""How the worker's loops speak of errors and wait after them."""

from __future__ import annotations

import asyncio
import traceback
from pathlib import Path
from typing import Final

__all__ = ["describe", "pause"]

LONGEST_PAUSE: Final = 5.0


def describe(error: BaseException) -> str:
    """An error in one line: type, first line of its text, and where it was raised.

    A driver's error tells the offending values in the lines that follow the first; they may identify a person.
    """
    text = str(error).partition("\n")[0][:300]
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {text}{place}"


async def pause(failures: int, stopping: asyncio.Event, *, shortest: float = 0.05) -> None:
    """Wait, the longer the more failures there were in a row, and no longer than until the stop."""
    try:
        async with asyncio.timeout(min(LONGEST_PAUSE, shortest * 2 ** min(failures, 16))):
            await stopping.wait()
    except TimeoutError:
        return
