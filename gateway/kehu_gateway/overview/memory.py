"""The last good answers, for the moment when a service is away."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

__all__ = ["Memory", "Remembered"]

_CAPACITY: Final = 2_000
_KEPT: Final = timedelta(minutes=10)

Key = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Remembered:
    """A section as it was."""

    as_of: datetime
    data: Any


class Memory:
    """Sections by (caller, customer, section); bounded, and forgotten after ten minutes.

    What one caller was shown is never shown to another: scope and masks differ.
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[Key, Remembered] = OrderedDict()

    def keep(self, key: Key, data: Any, at: datetime) -> None:
        """Remember a good answer."""
        self._kept.pop(key, None)
        self._kept[key] = Remembered(at, data)
        while len(self._kept) > _CAPACITY:
            self._kept.popitem(last=False)

    def recall(self, key: Key, at: datetime) -> Remembered | None:
        """The last good answer, unless it is too old."""
        found = self._kept.get(key)
        return found if found is not None and at - found.as_of <= _KEPT else None

    def forget(self, key: Key) -> None:
        """Drop an answer that the service has since refused."""
        self._kept.pop(key, None)
