"""The HTTP surface: what routes declare, who reaches what, and how wrong input is told."""

from __future__ import annotations

from datetime import date
from typing import Any
from uuid import UUID

import pytest

from kehu_chassis.columns import new_id
from kehu_chassis.database import Database
from kehu_chassis.testing.http import TestApp
from kehu_chassis.testing.openapi_rules import violations
from kehu_contracts.access import PERMISSIONS, Permission, Role

WOMEN = {"type": "attribute", "name": "gender", "operator": "=", "value": "female"}


def _draft(rule: Any = None, **changes: Any) -> dict[str, Any]:
    return {"code": "women", "name": "女性客户", "rule": rule or WOMEN} | changes


async def test_every_route_declares_what_the_house_asks_for(service_app: TestApp) -> None:
    assert violations(service_app.app) == []


async def test_a_draft_is_created_read_and_changed_under_its_version(app_client: Any) -> None:
    client = await app_client(Role.MARKETER, staff_id=new_id())
    created = await client.post("/api/v1/segments", json=_draft(description="First"))
    assert (created.status_code, created.headers["ETag"]) == (201, '"1"')
    body = created.json()
    assert created.headers["Location"] == f"/api/v1/segments/{body['segment_id']}"
    assert (body["rule_version"], body["rule_in_force"], body["member_count"]) == (None, None, 0)
    assert body["rule"] == WOMEN | {"values": None}
    path = created.headers["Location"]
    assert (await client.get(path)).json() == body
    assert (await client.patch(path, json={"name": "Women"})).status_code == 428
    changed = await client.patch(path, json={"name": "Women"}, headers={"If-Match": '"1"'})
    assert (changed.status_code, changed.headers["ETag"]) == (200, '"2"')
    assert (changed.json()["name"], changed.json()["description"]) == ("Women", "First")
    stale = await client.patch(path, json={"name": "Men"}, headers={"If-Match": '"1"'})
    assert (stale.status_code, stale.headers["ETag"]) == (412, '"2"')
    assert (await client.get(path)).json()["name"] == "Women"


async def test_a_code_is_given_once(app_client: Any) -> None:
    client = await app_client(Role.MARKETER, staff_id=new_id())
    assert (await client.post("/api/v1/segments", json=_draft())).status_code == 201
    again = await client.post("/api/v1/segments", json=_draft())
    assert (again.status_code, again.json()["code"]) == (409, "segment.code_taken")
    assert len((await client.get("/api/v1/segments")).json()["items"]) == 1


BALANCE = {"type": "balance", "aggregate": "any", "operator": ">=", "value": "1"}


@pytest.mark.parametrize(
    ("rule", "pointer", "code"),
    [
        ({}, "#/rule", "union_tag_not_found"),
        ({"type": "xor", "rules": []}, "#/rule", "union_tag_invalid"),
        ({"type": "and", "rules": []}, "#/rule/rules", "too_short"),
        ({"type": "and", "rules": [WOMEN, WOMEN | {"value": "lady"}]}, "#/rule/rules/1/value", "enum"),
        ({"type": "not", "rule": WOMEN | {"name": "shoe_size"}}, "#/rule/rule", "union_tag_invalid"),
        ({"type": "not", "rule": WOMEN | {"operator": "<"}}, "#/rule/rule/operator", "literal_error"),
        ({"type": "not", "rule": WOMEN | {"operator": "in"}}, "#/rule/rule", "rule_operand"),
        ({"type": "not", "rule": WOMEN | {"colour": "red"}}, "#/rule/rule/colour", "extra_forbidden"),
        (BALANCE | {"days": 0}, "#/rule/days", "greater_than_equal"),
        (BALANCE | {"value": "NaN"}, "#/rule/value", "finite_number"),
        (BALANCE | {"value": "1.00001"}, "#/rule/value", "decimal_max_places"),
        (BALANCE | {"aggregate": "count", "value": "1.5"}, "#/rule", "rule_count"),
        (BALANCE | {"where": {"product_code": ["a\u0000b"]}}, "#/rule/where/product_code/0", "string_pattern_mismatch"),
        (BALANCE | {"where": {"product_class": ["shoes"]}}, "#/rule/where/product_class/0", "enum"),
        ({"type": "balance", "operator": ">=", "value": "1"}, "#/rule/aggregate", "missing"),
    ],
)
async def test_a_wrong_rule_is_refused_with_a_pointer_into_it(
    app_client: Any, rule: Any, pointer: str, code: str
) -> None:
    client = await app_client(Role.MARKETER, staff_id=new_id())
    answer = await client.post("/api/v1/segments", json={"code": "wrong", "name": "Wrong", "rule": rule})
    assert answer.status_code == 422, answer.text
    assert (pointer, code) in [(error["pointer"], error["code"]) for error in answer.json()["errors"]]
    assert (await client.get("/api/v1/segments")).json()["items"] == []


async def test_a_rule_without_end_is_refused(app_client: Any) -> None:
    client = await app_client(Role.MARKETER, staff_id=new_id())
    deep: dict[str, Any] = WOMEN
    for _ in range(20):
        deep = {"type": "not", "rule": deep}
    wide = {"type": "and", "rules": [{"type": "or", "rules": [WOMEN] * 50}] * 4}
    for rule in (deep, wide):
        answer = await client.post("/api/v1/segments", json=_draft(rule), headers={"Accept-Language": "zh"})
        assert answer.status_code == 422
        (error,) = answer.json()["errors"]
        assert (error["pointer"], error["code"]) == ("#/rule", "rule_too_large")
        assert error["detail"] == "规则最多 200 个节点、20 层"


async def test_members_features_and_counts_keep_to_the_callers_branch(bank: Any, publish: Any, app_client: Any) -> None:
    branches = await bank.organization("east", "west")
    (east, east_staff), (west, west_staff) = branches["east"], branches["west"]
    of_east, of_west, of_nobody = bank.customer(unit_id=east), bank.customer(unit_id=west), bank.customer()
    await bank.tell(of_east, of_west, of_nobody)
    segment_id = await publish(WOMEN)
    members = f"/api/v1/segments/{segment_id}/members"
    for staff_id, own, foreign in ((east_staff, of_east, of_west), (west_staff, of_west, of_east)):
        client = await app_client(Role.RELATIONSHIP_MANAGER, staff_id=staff_id)
        assert [item["customer_id"] for item in (await client.get(members)).json()["items"]] == [str(own.customer_id)]
        assert (await client.get(f"/api/v1/segments/{segment_id}")).json()["member_count"] == 1
        assert (await client.get("/api/v1/tiers")).json()["unassessed_count"] == 1
        for path in (
            "/api/v1/customers/{}/features",
            "/api/v1/customers/{}/segments",
            f"/api/v1/segments/{segment_id}/explanations/{{}}",
        ):
            assert (await client.get(path.format(own.customer_id))).status_code == 200
            answers = [
                await client.get(path.format(customer_id))
                for customer_id in (foreign.customer_id, of_nobody.customer_id, new_id())
            ]
            bodies = [{k: v for k, v in answer.json().items() if k != "trace_id"} for answer in answers]
            assert [answer.status_code for answer in answers] == [404, 404, 404]
            assert bodies[0] == bodies[1] == bodies[2]
    head_office = await app_client(Role.COMPLIANCE)
    assert len((await head_office.get(members)).json()["items"]) == 3


async def test_row_level_security_keeps_to_the_branch_without_the_first_lock(
    bank: Any, publish: Any, app_client: Any, database: Database
) -> None:
    branches = await bank.organization("east", "west")
    of_east, of_west = (bank.customer(unit_id=branches[name][0]) for name in ("east", "west"))
    accounts = [bank.account(customer.customer_id) for customer in (of_east, of_west)]
    day = date(2026, 3, 1)
    await bank.tell(of_east, of_west, *accounts)
    await bank.tell(*(bank.balance(account, day, "5") for account in accounts))
    await bank.tell(*(bank.movement(account, day, "5") for account in accounts))
    segment_id = await publish(WOMEN)
    database.without_first_lock()
    client = await app_client(Role.RELATIONSHIP_MANAGER, staff_id=branches["east"][1])
    members = (await client.get(f"/api/v1/segments/{segment_id}/members")).json()["items"]
    assert [UUID(item["customer_id"]) for item in members] == [of_east.customer_id]
    own = await client.get(f"/api/v1/customers/{of_east.customer_id}/features")
    foreign = await client.get(f"/api/v1/customers/{of_west.customer_id}/features")
    assert own.json()["windows"][0]["transaction_count"] == 1
    assert foreign.status_code == 404
    assert (await client.get("/api/v1/tiers")).json()["unassessed_count"] == 1


async def test_each_role_may_do_what_the_table_says(app_client: Any) -> None:
    for role in Role:
        client = await app_client(role, staff_id=new_id())
        may_read = Permission.SEGMENT_READ in PERMISSIONS[role]
        may_write = Permission.SEGMENT_WRITE in PERMISSIONS[role]
        for path in ("/api/v1/segments", "/api/v1/tiers"):
            assert (await client.get(path)).status_code == (200 if may_read else 403)
        answer = await client.post("/api/v1/segments", json=_draft(code=role.value))
        assert answer.status_code == (201 if may_write else 403)
    anonymous = await app_client()
    assert (await anonymous.get("/api/v1/segments")).status_code == 401


async def test_what_does_not_exist_is_not_found(app_client: Any) -> None:
    client = await app_client(Role.SYSTEM, Role.MARKETER)
    nowhere = f"/api/v1/segments/{new_id()}"
    for path in (nowhere, f"{nowhere}/members", f"{nowhere}/publications", f"{nowhere}/publications/1"):
        assert (await client.get(path)).status_code == 404
    assert (await client.get(f"{nowhere}/explanations/{new_id()}")).status_code == 404
    assert (await client.post(f"{nowhere}/publications")).status_code == 404
    assert (await client.patch(nowhere, json={}, headers={"If-Match": '"1"'})).status_code == 404


async def test_a_segment_that_was_never_published_explains_nothing(bank: Any, app_client: Any) -> None:
    customer = bank.customer()
    await bank.tell(customer)
    client = await app_client(Role.SYSTEM, Role.MARKETER)
    segment_id = (await client.post("/api/v1/segments", json=_draft())).json()["segment_id"]
    answer = await client.get(f"/api/v1/segments/{segment_id}/explanations/{customer.customer_id}")
    assert (answer.status_code, answer.json()["code"]) == (409, "segment.not_published")


async def test_members_come_in_pages_that_survive_new_members(bank: Any, publish: Any, app_client: Any) -> None:
    customers = [bank.customer() for _ in range(5)]
    await bank.tell(*customers)
    segment_id = await publish(WOMEN)
    client = await app_client(Role.AUDITOR)
    path = f"/api/v1/segments/{segment_id}/members"
    first = (await client.get(path, params={"limit": 2})).json()
    newcomer = bank.customer(UUID(int=1))
    await bank.tell(newcomer)
    seen, cursor = [item["customer_id"] for item in first["items"]], first["next_cursor"]
    while cursor is not None:
        page = (await client.get(path, params={"limit": 2, "cursor": cursor})).json()
        seen += [item["customer_id"] for item in page["items"]]
        cursor = page["next_cursor"]
    assert seen == sorted(str(customer.customer_id) for customer in customers)


@pytest.mark.parametrize("as_of", ["2026-03-02", "2026-03-02T01:00:00", "yesterday", "9999-12-31T23:59:59Z"])
async def test_a_moment_needs_a_zone_and_days_around_it(app_client: Any, as_of: str) -> None:
    client = await app_client(Role.AUDITOR)
    answer = await client.get(f"/api/v1/customers/{new_id()}/features", params={"as_of": as_of})
    assert answer.status_code == 422
    assert [(error["pointer"], error["in"]) for error in answer.json()["errors"]] == [("#/as_of", "query")]
