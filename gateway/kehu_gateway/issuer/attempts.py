"""How often a password may be tried."""

from __future__ import annotations

from collections import OrderedDict
from time import monotonic
from typing import Final

__all__ = ["Attempts"]

_WINDOW: Final = 300.0
_ALLOWED: Final = 10
_REMEMBERED: Final = 10_000


class Attempts:
    """Failed log-ins of each user name in this process: ten in five minutes, then a pause."""

    def __init__(self) -> None:
        self._failures: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def exhausted(self, user: str) -> bool:
        """Whether this name has to wait."""
        count, since = self._failures.get(user, (0, 0.0))
        return count >= _ALLOWED and monotonic() - since < _WINDOW

    def failed(self, user: str) -> None:
        """Count a failure."""
        count, since = self._failures.pop(user, (0, monotonic()))
        if monotonic() - since >= _WINDOW:
            count, since = 0, monotonic()
        self._failures[user] = (count + 1, since)
        while len(self._failures) > _REMEMBERED:
            self._failures.popitem(last=False)

    def succeeded(self, user: str) -> None:
        """Forget the failures."""
        self._failures.pop(user, None)
