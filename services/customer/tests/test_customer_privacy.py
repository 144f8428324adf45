"""What identifies a person is sealed, masked, shown for a reason, and found by keyed index."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import pytest

from kehu_chassis.crypto import Decryption
from kehu_chassis.testing.databases import ServiceDatabase
from kehu_customer.parties.sealing import CUSTOMER_NAME, EMPLOYER
from kehu_customer.vault import Vault

from .conftest import People
from .test_customer_parties_http import ZHANG

Rows = Callable[..., Awaitable[list[dict[str, Any]]]]
OutboxRows = Callable[..., Awaitable[list[dict[str, Any]]]]


async def register(people: People, **changes: Any) -> str:
    answer = await people.rm.post(
        "/api/v1/customers", json=ZHANG | changes, headers={"Idempotency-Key": "key-of-the-test"}
    )
    assert answer.status_code == 201
    customer_id: str = answer.json()["id"]
    return customer_id


async def test_a_dump_of_the_database_shows_no_personal_data_in_clear(people: People, rows: Rows) -> None:
    customer_id = await register(people)
    await people.rm.post(f"/api/v1/customers/{customer_id}/reveals", json={"fields": ["name"], "reason": "asked"})
    await people.rm.post("/api/v1/customers/lookups", json={"type": "phone", "value": "13800138000"})
    tables = [
        row["name"] for row in await rows("SELECT tablename AS name FROM pg_tables WHERE schemaname = 'customer'")
    ]
    dump = ""
    for table in tables:
        dump += "".join(row["line"] for row in await rows(f"SELECT t::text AS line FROM {table} t"))  # noqa: S608  names of the schema itself
        columns = await rows(
            "SELECT column_name AS name FROM information_schema.columns"
            " WHERE table_schema = 'customer' AND table_name = $1 AND data_type = 'bytea'",
            table,
        )
        for column in columns:
            raw = await rows(f"SELECT encode({column['name']}, 'escape') AS line FROM {table}")  # noqa: S608  the same
            dump += "".join(row["line"] or "" for row in raw)
    assert customer_id in dump
    for secret in (
        "张伟",
        "张卫",
        "13800138000",
        "zhang.wei",
        "example.com",
        "朝阳区",
        "机床",
        "1101051949",
        "1949-12-31",
    ):
        assert secret not in dump


async def test_no_event_holds_personal_data(people: People, outbox_rows: OutboxRows) -> None:
    await register(people)
    bodies = b"".join(row["body"] for row in await outbox_rows()).decode()
    for secret in ("张", "138001", "zhang", "朝阳", "1101051949", "12-31"):
        assert secret not in bodies


async def test_a_profile_is_masked(people: People) -> None:
    customer_id = await register(people)
    profile = (await people.rm.get(f"/api/v1/customers/{customer_id}/profile")).json()
    assert profile["birth_date"] == "1949-**-**"
    assert profile["employer"] == "北京第一机床厂"
    assert [point["value"] for point in profile["contact_points"]] == [
        "+86138****8000",
        "z***@example.com",
        "北京市朝阳区******",
    ]
    (document,) = profile["documents"]
    assert (document["number"], document["standing"], document["verified_by"]) == (
        "110***********002X",
        "valid",
        "tester",
    )
    assert (profile["consents"], profile["merged_ids"]) == ([], [])


async def test_a_reveal_shows_what_was_asked_for_and_is_audited(people: People, rows: Rows) -> None:
    customer_id = await register(people)
    body = {"fields": ["birth_date", "documents", "contact_points"], "reason": "identity check at the counter"}
    answer = await people.rm.post(f"/api/v1/customers/{customer_id}/reveals", json=body)
    shown = answer.json()
    assert (shown["name"], shown["names"], shown["employer"]) == (None, None, None)
    assert shown["birth_date"] == "1949-12-31"
    assert [document["number"] for document in shown["documents"]] == ["11010519491231002X"]
    assert [point["value"] for point in shown["contact_points"]] == [
        "+8613800138000",
        "zhang.wei@example.com",
        "北京市朝阳区建国路88号",
    ]
    (audited,) = await rows("SELECT * FROM audit WHERE action = 'customer.revealed'")
    assert (audited["reason"], audited["resource_id"]) == ("identity check at the counter", customer_id)
    assert audited["details"] == {"fields": ["birth_date", "contact_points", "documents"]}


async def test_a_reveal_without_reason_or_field_is_refused(people: People, rows: Rows) -> None:
    customer_id = await register(people)
    for body in ({"fields": ["name"]}, {"fields": ["name"], "reason": " "}, {"fields": [], "reason": "because"}):
        answer = await people.rm.post(f"/api/v1/customers/{customer_id}/reveals", json=body)
        assert answer.status_code == 422, body
    assert await rows("SELECT FROM audit WHERE action = 'customer.revealed'") == []


async def test_a_reason_that_is_too_short_is_told_in_characters(people: People) -> None:
    customer_id = await register(people)
    body = {"fields": ["name"], "reason": " no "}
    answer = await people.rm.post(f"/api/v1/customers/{customer_id}/reveals", json=body)
    (error,) = answer.json()["errors"]
    assert (error["pointer"], error["code"]) == ("#/reason", "string_too_short")
    assert error["detail"] == "String should have at least 4 characters"


async def test_a_reveal_that_names_a_field_twice_is_refused(people: People, rows: Rows) -> None:
    customer_id = await register(people)
    body = {"fields": ["name", "name"], "reason": "because"}
    answer = await people.rm.post(f"/api/v1/customers/{customer_id}/reveals", json=body)
    assert answer.status_code == 422
    assert [(error["pointer"], error["code"]) for error in answer.json()["errors"]] == [("#/fields", "repeated")]
    assert await rows("SELECT FROM audit WHERE action = 'customer.revealed'") == []


async def test_who_may_not_reveal_is_refused(people: People, rows: Rows) -> None:
    customer_id = await register(people)
    body = {"fields": ["name"], "reason": "because"}
    for client in (people.auditor, people.system):
        assert (await client.post(f"/api/v1/customers/{customer_id}/reveals", json=body)).status_code == 403
    assert await rows("SELECT FROM audit WHERE action = 'customer.revealed'") == []


async def test_a_value_opens_only_in_its_place(people: People, rows: Rows, vault: Vault) -> None:
    customer_id = UUID(await register(people))
    (row,) = await rows("SELECT * FROM customers")
    key = vault.key_of(row)
    assert vault.open(key, row["name_sealed"], CUSTOMER_NAME, customer_id) == "张伟"
    for place, owner in ((EMPLOYER, customer_id), (CUSTOMER_NAME, UUID(int=1))):
        with pytest.raises(Decryption):
            vault.open(key, row["name_sealed"], place, owner)
    _, other = vault.new_key()
    with pytest.raises(Decryption):
        vault.open(other, row["name_sealed"], CUSTOMER_NAME, customer_id)


HOWEVER_TYPED = (
    ("phone", "13800138000"),
    ("phone", "+86 (138) 0013-8000"),
    ("email", "ZHANG.WEI@EXAMPLE.COM"),
    ("document", "11010519491231002x"),
)


async def test_exact_search_finds_however_it_is_typed_and_is_audited(people: People, rows: Rows) -> None:
    customer_id = await register(people)
    for kind, value in HOWEVER_TYPED:
        answer = await people.rm.post("/api/v1/customers/lookups", json={"type": kind, "value": value})
        assert [item["id"] for item in answer.json()["items"]] == [customer_id], value
    audited = await rows("SELECT resource_id, details FROM audit WHERE action = 'customer.looked_up' ORDER BY audit_id")
    assert audited == [{"resource_id": kind, "details": {"found": [customer_id]}} for kind, _ in HOWEVER_TYPED]


async def test_a_malformed_lookup_is_refused(people: People, rows: Rows) -> None:
    for kind, value in (("phone", "1"), ("email", "x"), ("document", "证"), ("wechat", "a b")):
        answer = await people.rm.post("/api/v1/customers/lookups", json={"type": kind, "value": value})
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "#/value"), value
    assert await rows("SELECT FROM audit") == []


async def test_a_customer_number_is_found_and_a_mistyped_one_is_not(people: People) -> None:
    customer_id = await register(people)
    number = (await people.rm.get(f"/api/v1/customers/{customer_id}")).json()["customer_number"]
    found = await people.rm.post("/api/v1/customers/lookups", json={"type": "customer_number", "value": number.lower()})
    assert [item["id"] for item in found.json()["items"]] == [customer_id]
    listed = await people.rm.get("/api/v1/customers", params={"q": number})
    assert [item["id"] for item in listed.json()["items"]] == [customer_id]
    wrong = number[:-1] + str((int(number[-1]) + 1) % 10)
    assert (await people.rm.get("/api/v1/customers", params={"q": wrong})).json()["items"] == []


async def test_the_ledger_of_consents_cannot_be_rewritten(service_database: ServiceDatabase, rows: Rows) -> None:
    for role in ("api", "worker"):
        (held,) = await rows(
            "SELECT has_table_privilege($1, 'consent_entries', 'UPDATE') OR"
            " has_table_privilege($1, 'consent_entries', 'DELETE') AS rewritable",
            f"kehu_{service_database.schema}_{role}",
        )
        assert held == {"rewritable": False}
