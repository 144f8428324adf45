"""Identity documents over HTTP, and what a request that cannot be read is told."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from kehu_chassis.clock import FixedClock
from kehu_chassis.testing.http import TestApp
from kehu_contracts.access import Role
from kehu_contracts.customer import CustomerProfileChanged, CustomerState

from .conftest import People
from .test_customer_consents_http import register
from .test_customer_parties_http import ZHANG

Rows = Callable[..., Awaitable[list[dict[str, Any]]]]
OutboxRows = Callable[..., Awaitable[list[dict[str, Any]]]]

PASSPORT = {"type": "passport", "number": "e12345678", "issuer": "国家移民管理局", "valid_until": "2026-03-31"}


async def test_a_document_is_added_masked_and_told(people: People, outbox_rows: OutboxRows) -> None:
    path = f"/api/v1/customers/{await register(people)}/documents"
    answer = await people.rm.post(path, json=PASSPORT)
    assert answer.status_code == 201
    given = answer.json()
    assert (given["number"], given["standing"], given["verified_at"]) == ("*******78", "valid", None)
    assert (await people.rm.get(path)).json()["items"][1] == given
    (event,) = await outbox_rows(CustomerProfileChanged)
    assert event["data"]["changed"] == ["documents"]


async def test_a_resident_id_tells_birth_date_and_gender_that_were_not_known(
    people: People, outbox_rows: OutboxRows
) -> None:
    customer_id = await register(people, documents=[])
    body = {"type": "resident_id", "number": "11010519491231002X"}
    assert (await people.rm.post(f"/api/v1/customers/{customer_id}/documents", json=body)).status_code == 201
    read = (await people.rm.get(f"/api/v1/customers/{customer_id}")).json()
    assert (read["birth_year"], read["gender"], read["version"]) == (1949, "female", 2)
    (event,) = await outbox_rows(CustomerProfileChanged)
    assert event["data"]["changed"] == ["birth_date", "gender", "documents"]
    state = (await outbox_rows(CustomerState))[-1]["data"]
    assert (state["birth_year"], state["gender"]) == (1949, "female")
    other = await register(people, documents=[], birth_date="1950-01-01")
    refused = await people.rm.post(f"/api/v1/customers/{other}/documents", json=body)
    assert refused.json()["errors"][0]["code"] == "party.birth_date_differs"


async def test_a_document_expires_after_its_last_day_at_the_bank(people: People, clock: FixedClock) -> None:
    path = f"/api/v1/customers/{await register(people, documents=[PASSPORT])}/documents"

    async def standing() -> str:
        found: str = (await people.rm.get(path)).json()["items"][0]["standing"]
        return found

    # 2026-03-02 01:00 UTC it is now; the last day ends at 16:00 UTC, which is midnight in Shanghai.
    clock.advance(timedelta(days=29, hours=14, minutes=59))
    assert await standing() == "valid"
    clock.advance(timedelta(minutes=1))
    assert await standing() == "expired"


WRONG_DOCUMENTS: tuple[tuple[dict[str, Any], int, str | None], ...] = (
    ({"type": "resident_id", "number": "11010519491231002X"}, 409, None),
    ({"type": "resident_id", "number": "34052419800101001X"}, 422, "#/type"),
    ({"type": "uscc", "number": "9144030071526726XG"}, 422, "#/type"),
    ({"type": "passport", "number": "护照"}, 422, "#/number"),
    ({"type": "passport", "number": "E1", "valid_until": "2026-01-01", "long_term": True}, 422, "#/valid_until"),
    ({"type": "library_card", "number": "1"}, 422, "#/type"),
)


async def test_a_document_that_cannot_be_is_refused_and_nothing_is_written(
    people: People, rows: Rows, outbox_rows: OutboxRows
) -> None:
    customer_id = await register(people)
    before = len(await outbox_rows())
    for document, status, pointer in WRONG_DOCUMENTS:
        answer = await people.rm.post(f"/api/v1/customers/{customer_id}/documents", json=document)
        assert answer.status_code == status, document
        assert pointer is None or answer.json()["errors"][0]["pointer"] == pointer
    assert len(await rows("SELECT FROM documents")) == 1
    assert len(await outbox_rows()) == before


async def test_a_company_is_registered_by_its_credit_code(people: People) -> None:
    body = {"kind": "company", "name": "腾讯", "documents": [{"type": "uscc", "number": "9144030071526726xg"}]}
    assert (await people.rm.post("/api/v1/customers", json=body)).status_code == 201
    found = await people.rm.post("/api/v1/customers/lookups", json={"type": "document", "value": "9144030071526726XG"})
    assert [item["name"] for item in found.json()["items"]] == ["腾讯"]
    wrong = body | {"documents": [{"type": "uscc", "number": "9144030071526726X1"}]}
    answer = await people.rm.post("/api/v1/customers", json=wrong)
    assert answer.json()["errors"][0]["pointer"] == "#/documents/0/number"


JSON = {"Content-Type": "application/json"}


UNREADABLE: tuple[tuple[bytes, dict[str, str], int, str], ...] = (
    (b'{"kind": "individual", ', JSON, 400, "request.malformed"),
    (b"\xff\xfe", JSON, 400, "request.malformed"),
    (b"[]", JSON, 422, "request.invalid"),
    (b"", JSON, 422, "request.invalid"),
    (
        b"kind=individual",
        {"Content-Type": "application/x-www-form-urlencoded"},
        415,
        "request.unsupported_media_type",
    ),
    (b'{"name": "' + b"x" * 10_000_000 + b'"}', JSON, 413, "request.body_too_large"),
)


async def test_what_cannot_be_read_is_refused_and_nothing_is_written(
    people: People, rows: Rows, outbox_rows: OutboxRows
) -> None:
    for content, headers, status, code in UNREADABLE:
        answer = await people.rm.post("/api/v1/customers", content=content, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (status, code), content[:20]
        assert answer.headers["content-type"] == "application/problem+json"
    assert await rows("SELECT FROM customers") == []
    assert await outbox_rows() == []


@pytest.mark.usefixtures("bank")
async def test_missing_expired_and_foreign_tokens_are_refused(service_app: TestApp, rows: Rows) -> None:
    issuer = service_app.issuer
    expired = issuer.token([Role.SYSTEM], expires_in=-60)
    elsewhere = issuer.token([Role.SYSTEM], aud="another")
    for token in (None, expired, elsewhere, "no.token.atall"):
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        client = await service_app.client()
        answer = await client.post("/api/v1/customers", json=ZHANG, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (401, "auth.token_invalid")
    assert await rows("SELECT FROM customers") == []
