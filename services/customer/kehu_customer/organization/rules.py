"""Decisions about the organisation's tree. Pure."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["in_circle"]


def in_circle(code: str, parents: Mapping[str, str | None]) -> bool:
    """Whether the way up from a unit comes back to it."""
    above = parents.get(code)
    for _ in parents:
        if above is None:
            return False
        if above == code:
            return True
        above = parents.get(above)
    return False
