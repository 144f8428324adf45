"""Bodies that no route takes: each is refused as the API document says, and nothing is written."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ..access.crawl import Crawler, request_for  # noqa: TID252  no installed package holds the world of the tests
from ..access.table import TABLE  # noqa: TID252  the same
from .conftest import Unwritten
from .documented import body_of, check, documented
from .spoiled import spoiled

WRITES = [(service, name) for service, routes in TABLE.items() for name in routes if not name.startswith("GET")]
BODIES = [(service, name) for service, name in WRITES if TABLE[service][name].body is not None]


@pytest.mark.parametrize(("service", "operation"), BODIES)
async def test_a_wrong_field_is_named_by_its_pointer(
    crawler: Crawler, unwritten: Unwritten, service: str, operation: str
) -> None:
    route = TABLE[service][operation]
    good = request_for(operation, route, crawler.world.things["east"])
    document = crawler.world.services[service].app.app.openapi()
    if not good["json"]:
        good["json"] = {}
    async with unwritten(service) as client:
        for what, body, pointer in spoiled(good["json"], body_of(document, operation).get("required", [])):
            answer = await client.request(**{**good, "json": body})
            problem = check(answer, 422, documented(document, operation))
            pointers = [error["pointer"] for error in problem["errors"]]
            assert any(found == pointer or found.startswith(f"{pointer}/") for found in pointers), (what, answer.text)
            assert all(error["in"] == "body" and error["code"] for error in problem["errors"]), answer.text


@pytest.mark.parametrize(("service", "operation"), BODIES)
async def test_what_is_no_json_or_too_much_of_it_is_not_read(
    crawler: Crawler, unwritten: Unwritten, service: str, operation: str
) -> None:
    route = TABLE[service][operation]
    good = request_for(operation, route, crawler.world.things["east"])
    answers = documented(crawler.world.services[service].app.app.openapi(), operation)
    text = json.dumps(good.pop("json")).encode()
    good["headers"]["Content-Type"] = "application/json"
    cases: list[tuple[bytes, int, str]] = [
        (text[:-1], 400, "request.malformed"),
        (b'{"name": "\xff\xfe"}', 400, "request.malformed"),
        (b"{'single': 'quotes'}", 400, "request.malformed"),
        (b'{"name": "' + b"x" * 10_000_000 + b'"}', 413, "request.body_too_large"),
    ]
    async with unwritten(service) as client:
        for content, status, code in cases:
            answer = await client.request(**good, content=content)
            assert check(answer, status, answers)["code"] == code
        good["headers"]["Content-Type"] = "text/plain"
        answer = await client.request(**good, content=text)
        assert check(answer, 415, answers)["code"] == "request.unsupported_media_type"


PAPER: dict[str, Any] = {"type": "resident_id", "number": "110105194912310021"}
CREDIT_CODE: dict[str, Any] = {"type": "uscc", "number": "91350100M000100Y44"}
PERSON: dict[str, Any] = {"kind": "individual", "name": "张伟"}


@pytest.mark.parametrize(
    ("path", "body", "pointer"),
    [
        ("/api/v1/customers", {**PERSON, "documents": [PAPER]}, "#/documents/0/number"),
        (
            "/api/v1/customers",
            {"kind": "company", "name": "示例公司", "documents": [CREDIT_CODE]},
            "#/documents/0/number",
        ),
        ("/api/v1/customers/{customer}/documents", PAPER, "#/number"),
    ],
    ids=["resident ID", "credit code", "further document"],
)
async def test_a_wrong_check_digit_is_named(
    crawler: Crawler, unwritten: Unwritten, path: str, body: dict[str, Any], pointer: str
) -> None:
    async with unwritten("customer") as client:
        answer = await client.post(path.format_map(crawler.world.things["east"]), json=body)
    assert answer.status_code == 422, answer.text
    wrong = [(error["pointer"], error["code"]) for error in answer.json()["errors"]]
    assert wrong == [(pointer, "document.check_digit")], answer.text
