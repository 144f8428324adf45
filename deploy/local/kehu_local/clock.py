"""The suite's clock: business time that every process follows. It moves forward only."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from kehu_chassis.clock import SuiteClock, technical_now
from kehu_local.failures import Failed
from kehu_local.plan import write_json

__all__ = ["advance", "parse_duration", "parse_instant", "set_forward", "start_at"]

UNITS: Final = {"w": "weeks", "d": "days", "h": "hours", "m": "minutes", "s": "seconds"}


def parse_instant(text: str) -> datetime:
    """An ISO 8601 instant with its zone. Raises `Failed`."""
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise Failed(f"{text!r} is no instant.", "Write it like 1999-01-01T09:00+08:00.") from None
    if instant.tzinfo is None:
        raise Failed(f"{text!r} names no time zone.", f"Write it like {text}+08:00.")
    return instant.astimezone(UTC)


def parse_duration(text: str) -> timedelta:
    """A span like `16d`, `36h` or `1w2d`. Raises `Failed`."""
    parts = re.findall(r"(\d+)([wdhms])", text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise Failed(f"{text!r} is no span of time.", "Write it like 16d, 36h or 1w2d (weeks, days, hours, minutes).")
    return sum((timedelta(**{UNITS[unit]: int(number)}) for number, unit in parts), timedelta())


def start_at(path: Path, instant: datetime) -> None:
    """Let a new suite's business time begin at a moment, before or after the machine's time."""
    _write(path, instant)


def advance(path: Path, by: timedelta) -> datetime:
    """Move the clock forward and tell the new business time."""
    moved = SuiteClock(path).now() + by
    _write(path, moved)
    return moved


def set_forward(path: Path, instant: datetime) -> datetime:
    """Set the clock to a later moment. Raises `Failed` for an earlier one: what has fired cannot be undone."""
    now = SuiteClock(path).now()
    if instant < now:
        raise Failed(
            f"The suite's clock shows {now.isoformat(timespec='seconds')} and only moves forward.",
            "Name a later moment.",
        )
    _write(path, instant)
    return instant


def _write(path: Path, business: datetime) -> None:
    write_json(path, {"business": business.isoformat(), "machine": technical_now().isoformat()})
