"""Ways to spoil a good body, each with the pointer at which the answer must complain."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["spoiled"]


def spoiled(body: Mapping[str, Any], required: list[str]) -> Iterator[tuple[str, Any, str]]:
    """What was done, the spoiled body, and the pointer of the field that is wrong."""
    yield "unknown field", {**body, "no_such_field": 1}, "#/no_such_field"
    yield "not an object", [body], "#"
    for name in required:
        yield "missing field", {key: value for key, value in body.items() if key != name}, f"#/{name}"
    for name, value in body.items():
        wrong: Any = 7 if isinstance(value, list | dict) else {"of": "another type"}
        yield "wrong type", {**body, name: wrong}, f"#/{name}"
        if isinstance(value, str):
            for character in ("\x00", "\x07", "\x1b", "\x7f"):
                yield "control character", {**body, name: f"{value[:1]}{character}{value[1:]}"}, f"#/{name}"
