"""Leaves a service alone for a moment when it does not answer, so that callers need not wait for it one by one."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import Final

__all__ = ["Breaker"]

_FAILURES: Final = 5
_PAUSE: Final = 2.0


class Breaker:
    """Opens after five failures in a row; after two seconds one request may try, and closes it again by succeeding.

    Args:
        time: seconds that only grow.
    """

    def __init__(self, time: Callable[[], float] = monotonic) -> None:
        self._time = time
        self._failures = 0
        self._try_at = 0.0

    def allows(self) -> bool:
        """Whether a request may be sent now."""
        if self._failures < _FAILURES:
            return True
        now = self._time()
        if now < self._try_at:
            return False
        # This caller is the one that tries; the next one waits for what comes of it.
        self._try_at = now + _PAUSE
        return True

    def succeeded(self) -> None:
        """The service answered, whatever it said."""
        self._failures = 0

    def failed(self) -> None:
        """The service did not answer."""
        self._failures += 1
        if self._failures >= _FAILURES:
            self._try_at = self._time() + _PAUSE
