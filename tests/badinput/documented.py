"""What a route's API document says, and whether an answer is one of those."""

from __future__ import annotations

from typing import Any

import httpx

__all__ = ["body_of", "check", "documented"]


def _operation(document: dict[str, Any], operation: str) -> dict[str, Any]:
    method, _, path = operation.partition(" ")
    found: dict[str, Any] = document["paths"][path][method.lower()]
    return found


def documented(document: dict[str, Any], operation: str) -> dict[str, Any]:
    """The answers that the document promises, by status."""
    answers: dict[str, Any] = _operation(document, operation)["responses"]
    return answers


def body_of(document: dict[str, Any], operation: str) -> dict[str, Any]:
    """The schema of the body."""
    schema: dict[str, Any] = _operation(document, operation)["requestBody"]["content"]["application/json"]["schema"]
    for option in schema.get("anyOf", [schema]):
        if "$ref" in option:
            named: dict[str, Any] = document["components"]["schemas"][option["$ref"].rpartition("/")[2]]
            return named
    return schema


def check(answer: httpx.Response, status: int, answers: dict[str, Any]) -> dict[str, Any]:
    """The problem that an answer tells, which must have this status and be in the document."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert "application/problem+json" in answers[str(status)]["content"]
    problem: dict[str, Any] = answer.json()
    assert problem["status"] == status
    assert problem["type"] == f"urn:kehu:problem:{problem['code']}"
    return problem
