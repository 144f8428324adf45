"""What a recorded write says the next time: what differed between two recordings is made anew, the rest is said again."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from itertools import count
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

__all__ = ["anew"]

# Far from what the service itself counts in the same tables.
_numbers = count(500_000)


def anew(value: Any, twin: Any, made: dict[UUID, UUID]) -> Any:  # noqa: PLR0911  one line for each type
    """A recorded argument, with what differs from request to request made anew."""
    if value == twin:
        return value
    match value:
        case UUID():
            return made.setdefault(value, uuid7())
        case list() | tuple():
            return [anew(item, other, made) for item, other in zip(value, twin, strict=True)]
        case dict():
            return {name: anew(item, twin[name], made) for name, item in value.items()}
        case bytes():
            return os.urandom(len(value))
        case datetime():
            return datetime.now(UTC)
        case int():
            return next(_numbers)
        case str() if len(value) == 36 and value.count("-") == 4:
            return str(made.setdefault(UUID(value), uuid7()))
        case str():
            return f"{value[:-6]}{next(_numbers):06}"
    raise TypeError(type(value))
