"""How the worker's loops speak of errors and wait after them."""

from __future__ import annotations

import asyncio
import traceback
from pathlib import Path
from typing import Final

import asyncpg

__all__ = ["describe", "pause"]

LONGEST_PAUSE: Final = 5.0


def describe(error: BaseException) -> str:
    """An error in one line for logs and dead letters: its type, what it says, and where it was raised.

    What quotes the offending value is left out, since that may identify a person.
    """
    frames = traceback.extract_tb(error.__traceback__)
    # Of ours rather than of a driver, where there is one.
    frame = next((frame for frame in reversed(frames) if "kehu_" in frame.filename), frames[-1] if frames else None)
    place = f" ({Path(frame.filename).name}:{frame.lineno})" if frame else ""
    text = _without_values(error)
    return f"{type(error).__name__}{': ' if text else ''}{text}{place}"


def _without_values(error: BaseException) -> str:
    match error:
        case asyncpg.PostgresError():
            return " ".join(filter(None, (error.table_name, error.column_name, error.constraint_name, error.sqlstate)))
        case ValueError() | LookupError():
            return ""
        case _:
            return str(error).partition("\n")[0][:300]


async def pause(failures: int, stopping: asyncio.Event, *, shortest: float = 0.05) -> None:
    """Wait, the longer the more failures there were in a row, and no longer than until the stop."""
    try:
        async with asyncio.timeout(min(LONGEST_PAUSE, shortest * 2 ** min(failures, 16))):
            await stopping.wait()
    except TimeoutError:
        return
