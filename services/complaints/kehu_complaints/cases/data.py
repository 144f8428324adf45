"""The categories of complaints, read from the data file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

from pydantic import TypeAdapter

__all__ = ["OTHER", "Category", "categories"]

OTHER: Final = "other"


@dataclass(frozen=True, slots=True)
class Category:
    """What a complaint is about, as people file it."""

    code: str
    title: Mapping[str, str]


_CATEGORIES: Final = TypeAdapter(list[Category])


@cache
def categories() -> Mapping[str, Category]:
    """Every category by its code, in the order in which they are shown."""
    file = files(__package__) / "categories.json"
    return {category.code: category for category in _CATEGORIES.validate_json(file.read_bytes())}
