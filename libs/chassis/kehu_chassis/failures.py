"""How the worker's loops speak of errors, wait after them, and wait for others no longer than they may."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, Final, TypeVar

import asyncpg

__all__ = ["LEAVE_WITHIN", "describe", "pause", "until_stopped"]

LONGEST_PAUSE: Final = 5.0
LEAVE_WITHIN: Final = 1.0
"""Seconds that another system has to answer once we are to stop."""
ENDS_WITHIN: Final = 0.5
"""Seconds that a call which is cut off has to clear up; one that takes longer is left to the end of the process."""

T = TypeVar("T")


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


async def until_stopped(waiting: Coroutine[Any, Any, T], stopping: asyncio.Event) -> T:
    """Wait for another system as long as it takes, but once the stop is asked for no longer than `LEAVE_WITHIN`.

    It does not trust what it waits for to take a cancellation: clients of the broker try again, without an end, to
    deliver, to commit and to leave their groups.

    Raises:
        TimeoutError: it was cut off, or its client gave it up.
    """
    task = asyncio.ensure_future(waiting)
    stop = asyncio.ensure_future(stopping.wait())
    try:
        await asyncio.wait((task, stop), return_when=asyncio.FIRST_COMPLETED)
        await asyncio.wait((task,), timeout=LEAVE_WITHIN)
        if not task.done():
            raise TimeoutError("it did not answer before the stop")
        if task.cancelled():
            # By the client itself, whose connection is gone. Let through, it would end whoever waits here without a word.
            raise TimeoutError("its client gave it up")
        return task.result()
    finally:
        stop.cancel()
        if not task.done():
            task.cancel()
            await asyncio.wait((task,), timeout=ENDS_WITHIN)
