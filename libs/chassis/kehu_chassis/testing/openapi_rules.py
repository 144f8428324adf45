"""What every route must declare; each service's tests call `violations(app)` and expect none.

A route states its permission (or that it is public), a docstring, a response model without defaults, its refusals as
problems, and a unique operation id.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

from fastapi import FastAPI

from kehu_chassis.problems import PROBLEM_JSON

__all__ = ["violations"]

_METHODS: Final = ("get", "post", "put", "patch", "delete")


def violations(app: FastAPI) -> list[str]:
    """Every rule that a route of the application breaks, as `METHOD path: what is missing`."""
    document = app.openapi()
    found: list[str] = []
    identities: Counter[str] = Counter()
    for path, item in document["paths"].items():
        for method in _METHODS:
            if method in item:
                identities[item[method]["operationId"]] += 1
                found += [f"{method.upper()} {path}: {what}" for what in _broken(method, path, item[method], document)]
    found += [f"operation id {name} stands {count} times" for name, count in identities.items() if count > 1]
    return found


def _broken(method: str, path: str, operation: dict[str, Any], document: dict[str, Any]) -> Iterator[str]:
    if not operation.get("x-permission"):
        yield "declares no permission"
    if not operation.get("description"):
        yield "has no docstring"
    if method == "get" and "requestBody" in operation:
        yield "reads a body"
    responses: dict[str, Any] = operation["responses"]
    successes = {status: answer for status, answer in responses.items() if status.startswith("2")}
    for status, answer in successes.items():
        if status != "204":
            yield from _answer_rules(status, answer, document)
    for status, answer in responses.items():
        if status not in successes and not status.startswith("3") and PROBLEM_JSON not in answer.get("content", {}):
            yield f"{status} is not declared as a problem"
    missing = sorted(_expected(method, path, operation) - responses.keys())
    if missing:
        yield f"does not declare {', '.join(missing)}"


def _expected(method: str, path: str, operation: dict[str, Any]) -> set[str]:
    expected = {"400", "422"}
    if operation.get("x-permission") not in {None, "public"}:
        expected |= {"401", "403"}
    if "{" in path:
        expected |= {"404"}
    if method in {"put", "patch"}:
        expected |= {"412", "428"}
    return expected


def _answer_rules(status: str, answer: dict[str, Any], document: dict[str, Any]) -> Iterator[str]:
    content = answer.get("content", {})
    if not content:
        yield f"{status} has no response model"
        return
    for media_type, body in content.items():
        if media_type != "application/json":
            continue
        schema = body.get("schema", {})
        if not schema:
            yield f"{status} has no response model"
        for name in _models(schema, document, set()):
            model = document["components"]["schemas"][name]
            optional = sorted(model.get("properties", {}).keys() - set(model.get("required", ())))
            if optional:
                yield f"{status}: {name} has defaults for {', '.join(optional)}"


def _models(schema: Any, document: dict[str, Any], seen: set[str]) -> set[str]:
    if isinstance(schema, dict):
        reference = schema.get("$ref")
        if isinstance(reference, str):
            name = reference.rpartition("/")[2]
            if name not in seen:
                seen.add(name)
                _models(document["components"]["schemas"][name], document, seen)
        for value in schema.values():
            _models(value, document, seen)
    elif isinstance(schema, list):
        for value in schema:
            _models(value, document, seen)
    return seen
