"""Bases and text types of request and answer models.

`In` refuses unknown fields and control characters; `Out` is built from records, mappings or objects and carries no
defaults, so that an answer always has all its fields.
"""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import Annotated, Any, Final, TypeVar
from uuid import UUID

import asyncpg
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    PlainSerializer,
    StringConstraints,
    WithJsonSchema,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError, PydanticKnownError

__all__ = [
    "CodeText",
    "Day",
    "Id",
    "In",
    "Line",
    "Moment",
    "Narrative",
    "Out",
    "refuse_control_characters",
    "refuse_repeats",
]

T = TypeVar("T")

_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_LINE_BREAK: Final = re.compile(r"[\t\r\n]")
_WRITTEN_DATE: Final = re.compile(r"\s*\d{4}-\d{2}-\d{2}")


def refuse_control_characters(value: Any) -> Any:
    """Return the value unless a text in it (at any depth of lists and mappings) has NUL or another control character.

    Tab and line breaks pass here; `Line` refuses them too.
    """
    match value:
        case str():
            if _CONTROL.search(value):
                raise PydanticCustomError("control_character", "Control characters are not allowed")
        case dict():
            for key, item in value.items():
                refuse_control_characters(key)
                refuse_control_characters(item)
        case list() | tuple() | set() | frozenset():
            for item in value:
                refuse_control_characters(item)
    return value


def refuse_repeats(value: list[T]) -> list[T]:
    """Return a list of values that are all different."""
    if len(set(value)) < len(value):
        raise PydanticCustomError("repeated", "Each may be named once")
    return value


def _without_margins(value: str) -> str:
    cut = value.strip()
    if not cut:
        raise PydanticKnownError("string_too_short", {"min_length": 1})
    return cut


def _refuse_line_breaks(value: str) -> str:
    if _LINE_BREAK.search(value):
        raise PydanticCustomError("line_break", "Line breaks are not allowed")
    return value


def _refuse_numbers(value: Any) -> Any:
    # Left alone, pydantic takes a number, and a text that is one, for seconds since 1970.
    if isinstance(value, int | float) or (isinstance(value, str) and not _WRITTEN_DATE.match(value)):
        raise PydanticCustomError("date_parsing", "Must be written as RFC 3339 has it, with year, month and day")
    return value


def _refuse_other_years(value: datetime) -> datetime:
    # Python's years are 1 to 9999: what is left out leaves room for UTC, the bank's day and a year counted from it.
    if not 1 < value.year < 9998:
        raise PydanticCustomError("datetime_parsing", "Must lie between the years 2 and 9997")
    return value


Moment = Annotated[AwareDatetime, BeforeValidator(_refuse_numbers), AfterValidator(_refuse_other_years)]
"""An instant that a caller states, with its zone: 2026-03-02T09:00:00+08:00."""

Day = Annotated[date, BeforeValidator(_refuse_numbers)]
"""A date that a caller states: 2026-03-02."""

Line = Annotated[
    str,
    StringConstraints(min_length=1, max_length=200),
    AfterValidator(refuse_control_characters),
    AfterValidator(_without_margins),
    AfterValidator(_refuse_line_breaks),
]
"""One line of text for people: 1 to 200 characters as they are sent; white space at the ends is cut off."""

Narrative = Annotated[
    str,
    StringConstraints(min_length=1, max_length=10_000),
    AfterValidator(refuse_control_characters),
    AfterValidator(_without_margins),
]
"""Text with paragraphs: 1 to 10,000 characters as they are sent; white space at the ends is cut off."""

Id = Annotated[
    UUID,
    # The driver's own UUID knows how it is written; pydantic would take it apart first, in three times as long.
    PlainSerializer(str, when_used="json"),
    WithJsonSchema({"type": "string", "format": "uuid"}, mode="serialization"),
]
"""An id in an answer."""

CodeText = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$")]
"""A code or a foreign key: 1 to 64 of letters, digits and . _ : -"""


class In(BaseModel):
    """Base of request bodies and the models in them."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @field_validator("*", mode="after")
    @classmethod
    def _no_control_characters(cls, value: Any) -> Any:
        return refuse_control_characters(value)


class Out(BaseModel):
    """Base of answers and the models in them. Give no field a default: `str | None` without one."""

    model_config = ConfigDict(from_attributes=True, extra="ignore")

    @model_validator(mode="before")
    @classmethod
    def _from_record(cls, value: Any) -> Any:
        return dict(value) if isinstance(value, asyncpg.Record) else value
