"""Customers over HTTP: registered, read, changed, listed; refusals write nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from kehu_contracts.customer import CustomerProfileChanged, CustomerRegistered, CustomerState

from .conftest import People, an_id

OutboxRows = Callable[..., Awaitable[list[dict[str, Any]]]]
Rows = Callable[..., Awaitable[list[dict[str, Any]]]]

RESIDENT_ID = "11010519491231002X"
ZHANG: dict[str, Any] = {
    "kind": "individual",
    "name": "张伟",
    "former_name": "张卫",
    "nationality": "CN",
    "employer": "北京第一机床厂",
    "contact_points": [
        {"type": "phone", "value": "138 0013 8000"},
        {"type": "email", "value": "Zhang.Wei@example.com"},
        {"type": "address", "value": "北京市朝阳区建国路88号", "division_code": "110105"},
    ],
    "documents": [{"type": "resident_id", "number": "11010519491231002x", "long_term": True, "verified": True}],
}
"""A customer with everything that identifies a person."""


async def test_a_registered_customer_can_be_read(people: People, rows: Rows) -> None:
    answer = await people.rm.post("/api/v1/customers", json=ZHANG)
    assert answer.status_code == 201
    given = answer.json()
    assert given | {"id": "", "customer_number": ""} == {
        "id": "",
        "customer_number": "",
        "kind": "individual",
        "status": "active",
        "name": "张伟",
        "gender": "female",
        "birth_year": 1949,
        "unit_id": str(an_id("east-1")),
        "primary_rm_id": None,
        "survivor_id": given["id"],
        "customer_since": "2026-03-02",
        "version": 1,
        "nationality": "CN",
        "industry": None,
        "occupation": None,
        "language": "zh",
        "created_at": "2026-03-02T01:00:00Z",
        "updated_at": "2026-03-02T01:00:00Z",
    }
    assert given["customer_number"].startswith("C")
    assert answer.headers["location"] == f"/api/v1/customers/{given['id']}"
    read = await people.rm.get(answer.headers["location"])
    assert read.json() == given
    assert read.headers["etag"] == answer.headers["etag"] == '"1"'
    (history,) = await rows("SELECT unit_id, primary_rm_id, valid_until FROM ownerships")
    assert history == {"unit_id": an_id("east-1"), "primary_rm_id": None, "valid_until": None}


async def test_a_registration_tells_its_events_and_leaves_its_audit_row(
    people: People, outbox_rows: OutboxRows, rows: Rows
) -> None:
    given = (await people.rm.post("/api/v1/customers", json=ZHANG)).json()
    (registered,) = await outbox_rows(CustomerRegistered)
    assert registered["data"] == {
        "customer_id": given["id"],
        "customer_number": given["customer_number"],
        "kind": "individual",
        "unit_id": str(an_id("east-1")),
        "registered_at": "2026-03-02T01:00:00Z",
    }
    (state,) = await outbox_rows(CustomerState)
    assert state["data"] == {
        "customer_id": given["id"],
        "customer_number": given["customer_number"],
        "kind": "individual",
        "status": "active",
        "gender": "female",
        "birth_year": 1949,
        "unit_id": str(an_id("east-1")),
        "primary_rm_id": None,
        "survivor_id": given["id"],
        "customer_since": "2026-03-02",
        "consents": [],
    }
    (audited,) = await rows("SELECT actor, action, resource_id FROM audit")
    assert audited == {"actor": "tester", "action": "customer.registered", "resource_id": given["id"]}


WRONG_REGISTRATIONS: tuple[tuple[dict[str, Any], str, str | None], ...] = (
    (
        {"documents": [{"type": "resident_id", "number": "110105194912310021"}]},
        "#/documents/0/number",
        "document.check_digit",
    ),
    ({"name": "张\u0000伟"}, "#/name", "control_character"),
    ({"name": "张\u202e伟"}, "#/name", "name.characters"),
    ({"nickname": "小张"}, "#/nickname", "extra_forbidden"),
    ({"kind": 3}, "#/kind", "enum"),
    ({"contact_points": [{"type": "phone", "value": "12"}]}, "#/contact_points/0/value", "contact.phone"),
    ({"contact_points": [{"type": "email", "value": "nobody"}]}, "#/contact_points/0/value", "contact.email"),
    ({"birth_date": "1950-01-01"}, "#/birth_date", "party.birth_date_differs"),
    ({"birth_date": "2027-01-01", "documents": []}, "#/birth_date", "party.birth_date"),
    ({"unit_id": str(an_id("west"))}, "#/unit_id", None),
    ({"primary_rm_id": str(an_id("rm2"))}, "#/primary_rm_id", None),
    ({"unit_id": str(an_id("nowhere"))}, "#/unit_id", None),
)


async def test_a_wrong_registration_names_the_field_and_writes_nothing(
    people: People, outbox_rows: OutboxRows, rows: Rows
) -> None:
    for change, pointer, code in WRONG_REGISTRATIONS:
        answer = await people.rm.post("/api/v1/customers", json=ZHANG | change)
        assert answer.status_code == 422, change
        error = answer.json()["errors"][0]
        assert error["pointer"] == pointer
        assert code is None or error["code"] == code
    for table in ("customers", "party_names", "contact_points", "documents", "ownerships", "audit", "scope_subjects"):
        assert await rows(f"SELECT FROM {table}") == [], table
    assert await outbox_rows() == []


async def test_the_problem_speaks_chinese_to_who_reads_chinese(people: People) -> None:
    body = ZHANG | {"documents": [{"type": "resident_id", "number": "110105194912310021"}]}
    answer = await people.rm.post("/api/v1/customers", json=body, headers={"Accept-Language": "zh-CN"})
    assert answer.json()["errors"][0]["detail"] == "证件号码校验位错误"


async def test_a_repeated_registration_has_one_effect_and_one_answer(people: People, rows: Rows) -> None:
    key = {"Idempotency-Key": "registration-1"}
    calls = (people.rm.post("/api/v1/customers", json=ZHANG, headers=key) for _ in range(20))
    answers = await asyncio.gather(*calls)
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert len(await rows("SELECT FROM customers")) == 1
    other = await people.rm.post("/api/v1/customers", json=ZHANG | {"name": "李娜"}, headers=key)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency.key_reused")


async def test_a_change_needs_the_version_that_was_read(people: People, outbox_rows: OutboxRows) -> None:
    given = (await people.rm.post("/api/v1/customers", json=ZHANG)).json()
    path = f"/api/v1/customers/{given['id']}"
    told = len(await outbox_rows())
    assert (await people.rm.patch(path, json={"industry": "C34"})).status_code == 428
    stale = await people.rm.patch(path, json={"industry": "C34"}, headers={"If-Match": '"9"'})
    assert (stale.status_code, stale.json()["code"]) == (412, "request.precondition_failed")
    assert len(await outbox_rows()) == told
    changed = await people.rm.patch(path, json={"industry": "C34", "language": "en"}, headers={"If-Match": '"1"'})
    assert changed.json() == given | {"industry": "C34", "language": "en", "version": 2}
    (event,) = await outbox_rows(CustomerProfileChanged)
    assert event["data"]["changed"] == ["industry", "language"]
    assert [state["sequence"] for state in await outbox_rows(CustomerState)] == [1, 2]


async def test_what_stands_already_changes_nothing(people: People, outbox_rows: OutboxRows) -> None:
    given = (await people.rm.post("/api/v1/customers", json=ZHANG)).json()
    path, told = f"/api/v1/customers/{given['id']}", len(await outbox_rows())
    same = await people.rm.patch(path, json={"nationality": "CN"}, headers={"If-Match": '"1"'})
    assert (same.status_code, same.json()["version"]) == (200, 1)
    assert len(await outbox_rows()) == told


WRONG_CHANGES: tuple[tuple[dict[str, Any], str], ...] = (
    ({"status": None}, "#/status"),
    ({"status": "merged"}, "#/status"),
    ({"birth_date": "1950-01-01"}, "#/birth_date"),
    ({"birth_date": "2030-01-01"}, "#/birth_date"),
    ({"gender": "male"}, "#/gender"),
)


async def test_a_wrong_change_names_the_field_and_writes_nothing(people: People, outbox_rows: OutboxRows) -> None:
    given = (await people.rm.post("/api/v1/customers", json=ZHANG)).json()
    path, told = f"/api/v1/customers/{given['id']}", len(await outbox_rows())
    for change, pointer in WRONG_CHANGES:
        answer = await people.rm.patch(path, json=change, headers={"If-Match": '"1"'})
        assert answer.status_code == 422, change
        assert answer.json()["errors"][0]["pointer"] == pointer
    assert (await people.rm.get(path)).json() == given
    assert len(await outbox_rows()) == told


async def test_who_dies_is_told_to_all(people: People, outbox_rows: OutboxRows) -> None:
    given = (await people.rm.post("/api/v1/customers", json=ZHANG)).json()
    path = f"/api/v1/customers/{given['id']}"
    await people.rm.patch(path, json={"status": "deceased"}, headers={"If-Match": '"1"'})
    assert (await outbox_rows(CustomerState))[-1]["data"]["status"] == "deceased"


async def test_a_new_primary_name_keeps_the_old_one_as_a_former_name(people: People) -> None:
    given = (await people.rm.post("/api/v1/customers", json=ZHANG)).json()
    path = f"/api/v1/customers/{given['id']}"
    added = await people.rm.post(f"{path}/names", json={"type": "primary", "name": "张维"})
    assert (added.status_code, added.json()["name"]) == (201, "张维")
    names = (await people.rm.get(f"{path}/names")).json()["items"]
    assert [(name["type"], name["name"]) for name in names] == [
        ("former", "张伟"),
        ("former", "张卫"),
        ("primary", "张维"),
    ]
    read = (await people.rm.get(path)).json()
    assert (read["name"], read["version"]) == ("张维", 2)


async def test_contact_points_are_added_changed_and_ended(people: People) -> None:
    given = (await people.rm.post("/api/v1/customers", json=ZHANG)).json()
    path = f"/api/v1/customers/{given['id']}/contact-points"
    added = await people.rm.post(path, json={"type": "phone", "value": "13900139000"})
    assert added.status_code == 201
    assert (added.json()["value"], added.json()["is_primary"]) == ("+86139****9000", False)
    again = await people.rm.post(path, json={"type": "phone", "value": "+86 139 0013 9000"})
    assert again.json()["id"] == added.json()["id"]
    one = f"{path}/{added.json()['id']}"
    changed = await people.rm.patch(one, json={"is_primary": True, "verified": True}, headers={"If-Match": '"1"'})
    assert (changed.json()["is_primary"], changed.json()["verified_at"]) == (True, "2026-03-02T01:00:00Z")
    points = (await people.rm.get(path)).json()["items"]
    phones = {point["value"]: point["is_primary"] for point in points if point["type"] == "phone"}
    assert phones == {"+86138****8000": False, "+86139****9000": True}
    assert (await people.rm.patch(one, json={"ended": True}, headers={"If-Match": '"1"'})).status_code == 412
    assert (await people.rm.patch(one, json={"ended": True}, headers={"If-Match": '"2"'})).status_code == 200
    assert (await people.rm.patch(one, json={"ended": True}, headers={"If-Match": '"3"'})).status_code == 404


async def test_a_list_is_paged_filtered_and_survives_inserts(people: People) -> None:
    names = [f"客户{sign}" for sign in "甲乙丙丁戊"]
    for name in names:
        await people.rm.post("/api/v1/customers", json={"kind": "individual", "name": name})
    await people.rm.post("/api/v1/customers", json={"kind": "company", "name": "华夏科技有限公司"})
    await people.rm2.post("/api/v1/customers", json={"kind": "individual", "name": "外人"})
    first = (await people.rm.get("/api/v1/customers?kind=individual&limit=2")).json()
    await people.rm.post("/api/v1/customers", json={"kind": "individual", "name": "后来"})
    second = await people.rm.get(
        "/api/v1/customers", params={"kind": "individual", "limit": 2, "cursor": first["next_cursor"]}
    )
    seen = [item["name"] for item in first["items"] + second.json()["items"]]
    assert seen == list(reversed(names))[:4]
    below = (await people.manager.get(f"/api/v1/customers?unit_id={an_id('east')}")).json()["items"]
    assert len(below) == 7
    assert (await people.compliance.get(f"/api/v1/customers?unit_id={an_id('west')}")).json()["items"][0][
        "name"
    ] == "外人"
    assert (await people.rm.get("/api/v1/customers?mine=true")).json()["items"] == []


async def test_my_customers_are_those_whose_primary_manager_i_am(people: People) -> None:
    body = ZHANG | {"unit_id": str(an_id("east-1")), "primary_rm_id": str(an_id("rm"))}
    given = (await people.rm.post("/api/v1/customers", json=body)).json()
    mine = (await people.rm.get("/api/v1/customers?mine=true")).json()["items"]
    assert [item["id"] for item in mine] == [given["id"]]


async def test_a_bad_query_is_refused(people: People) -> None:
    for query in ("cursor=abc", "limit=0", "limit=201", "kind=person", "unit_id=1", "q=%00"):
        answer = await people.rm.get(f"/api/v1/customers?{query}")
        assert answer.status_code == 422, query
        assert answer.json()["errors"][0]["in"] == "query"
