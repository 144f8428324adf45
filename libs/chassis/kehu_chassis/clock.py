"""The two clocks: business time, which the suite may set, and technical time, which is the machine's and never moves.

What a law, a customer or a report sees is business time: `clock.now()`. Tokens, back-off, retention and log lines use
`technical_now()`. No other module asks the machine for the time.
"""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

__all__ = ["Clock", "FixedClock", "SuiteClock", "SystemClock", "technical_now"]


def technical_now() -> datetime:
    """The machine's time in UTC: for tokens, back-off and retention, never for a business column."""
    return datetime.now(UTC)


class Clock(Protocol):
    """Business time."""

    def now(self) -> datetime:
        """The present moment of the bank, in UTC."""
        ...


class SystemClock:
    """Business time is the machine's time."""

    def now(self) -> datetime:
        """The machine's time in UTC."""
        return technical_now()


class SuiteClock:
    """Business time that all processes of a demo or test suite share through a file.

    The file holds `{"business": "<ISO instant>", "machine": "<ISO instant>"}`: at the machine's instant it was that
    business instant, and both have run on at the same pace since. Without the file, business time is the machine's.
    """

    REREAD_AFTER = 0.1
    """Seconds for which the file is not looked at again."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._ahead = timedelta()
        self._looked_at = float("-inf")
        self._seen: tuple[int, int] | None = None

    def now(self) -> datetime:
        """The suite's business time; follows a change of the file within a tenth of a second."""
        if time.monotonic() - self._looked_at >= self.REREAD_AFTER:
            self._look()
        return technical_now() + self._ahead

    def _look(self) -> None:
        self._looked_at = time.monotonic()
        try:
            stat = self._path.stat()
        except FileNotFoundError:
            self._ahead, self._seen = timedelta(), None
            return
        # A clock moved twice within one tick of the file system is told apart by the inode: the writer replaces the file.
        seen = (stat.st_mtime_ns, stat.st_ino)
        if seen != self._seen:
            instants = json.loads(self._path.read_text())
            self._ahead = datetime.fromisoformat(instants["business"]) - datetime.fromisoformat(instants["machine"])
            self._seen = seen


class FixedClock:
    """Business time for tests: stands still until it is told to move."""

    def __init__(self, now: datetime = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)) -> None:
        self._now = now.astimezone(UTC)

    def now(self) -> datetime:
        """The moment it was set to."""
        return self._now

    def set(self, now: datetime) -> None:
        """Stand at another moment."""
        self._now = now.astimezone(UTC)

    def advance(self, by: timedelta) -> datetime:
        """Move on and tell the new moment."""
        self._now += by
        return self._now
