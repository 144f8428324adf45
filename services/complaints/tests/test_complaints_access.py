"""Who reaches which case: own, sibling and missing ids, with both locks and with the first one removed; merged customers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx
import pytest

from kehu_chassis.database import Database
from kehu_chassis.scope_facts import ScopeSubject, put_subjects
from kehu_chassis.testing.http import TestApp
from kehu_chassis.testing.openapi_rules import violations
from kehu_complaints.main import SUBSCRIPTIONS
from kehu_contracts.access import Role
from kehu_contracts.codes import CustomerStatus, Gender, PartyKind, UnitKind
from kehu_contracts.customer import CustomerState
from kehu_contracts.organization import StaffChanged, UnitChanged

ORGANIZATION, CUSTOMERS = SUBSCRIPTIONS


async def test_every_route_declares_what_it_must(service_app: TestApp) -> None:
    assert violations(service_app.app) == []


def requests_about(complaint_id: str, extension_id: str, bodies: dict[str, Any]) -> Iterator[tuple[str, str, Any]]:
    case = f"/api/v1/complaints/{complaint_id}"
    for path in ("", "/clock", "/history", "/extensions"):
        yield "GET", case + path, None
    yield "PATCH", case, {"category": "fees"}
    for action in [
        "acceptances",
        "rejections",
        "investigations",
        "pauses",
        "resumptions",
        "decisions",
        "notifications",
        "review-requests",
        "review-conclusions",
        "closures",
        "withdrawals",
        "reopenings",
    ]:
        yield "POST", f"{case}/{action}", bodies.get(action, {})
    yield "POST", f"{case}/extensions", {"code": "complex", "reason": "…"}
    yield "POST", f"{case}/extensions/{extension_id}/notices", {"channel": "sms"}


@pytest.mark.parametrize("first_lock", [True, False], ids=["both locks", "row-level security alone"])
async def test_a_siblings_case_is_answered_like_one_that_does_not_exist(
    handler: httpx.AsyncClient,
    westerner: httpx.AsyncClient,
    file_complaint: Any,
    bodies: dict[str, Any],
    outbox_rows: Any,
    database: Database,
    bank: Any,
    first_lock: bool,  # noqa: FBT001 - A parameter of the test.
) -> None:
    case = await file_complaint()
    asked = await handler.post(
        f"/api/v1/complaints/{case['complaint_id']}/extensions", json={"code": "complex", "reason": "…"}
    )
    extension_id = asked.json()["extension_id"]
    if not first_lock:
        database.without_first_lock()
    before = await outbox_rows()
    foreign = requests_about(case["complaint_id"], extension_id, bodies)
    missing = requests_about(str(uuid4()), extension_id, bodies)
    for (method, url, body), (_, other, _) in zip(foreign, missing, strict=True):
        headers = {"If-Match": '"1"'}
        answers = [await westerner.request(method, place, json=body, headers=headers) for place in (url, other)]
        assert [answer.status_code for answer in answers] == [404, 404], (method, url)
        shown = [{**answer.json(), "trace_id": ""} for answer in answers]
        assert shown[0] == shown[1]
        assert shown[0]["code"] == "not_found"
    for params in ({}, {"customer_id": str(bank.LI)}, {"unit_id": str(bank.EAST)}, {"overdue": "false"}):
        assert (await westerner.get("/api/v1/complaints", params=params)).json()["items"] == []
    assert (await westerner.get(f"/api/v1/customers/{bank.LI}/complaints")).status_code == 404
    assert (await westerner.get(f"/api/v1/customers/{uuid4()}/complaints")).status_code == 404
    assert await outbox_rows() == before
    own = (await handler.get(f"/api/v1/complaints/{case['complaint_id']}")).json()
    assert (own["state"], own["version"]) == ("received", 2)


async def test_without_the_first_lock_nobody_files_into_another_branch(
    westerner: httpx.AsyncClient, bank: Any, database: Database, worker_database: Database
) -> None:
    database.without_first_lock()
    for place in ({"unit_id": str(bank.EAST)}, {"customer_id": str(bank.LI)}):
        answer = await westerner.post("/api/v1/complaints", json={"channel": "phone", "narrative": "…", **place})
        assert answer.status_code == 422
    async with worker_database.begin() as tx:
        assert await tx.connection.fetchval("SELECT count(*) FROM complaints") == 0


async def test_each_role_sees_its_part_of_the_queue(service_app: TestApp, file_complaint: Any, bank: Any) -> None:
    await file_complaint()
    await file_complaint(unit_id=str(bank.EAST_LAKE))
    everywhere = await service_app.client(Role.SYSTEM, subject="mobile-bank")
    await file_complaint(everywhere, customer_id=str(bank.WANG))
    seen = {
        (Role.COMPLAINT_HANDLER, bank.HANDLER): 2,
        (Role.COMPLAINT_HANDLER, bank.COLLEAGUE): 1,
        (Role.RELATIONSHIP_MANAGER, bank.WESTERNER): 1,
        (Role.BRANCH_HEAD, bank.PRESIDENT): 3,
        (Role.COMPLIANCE, None): 3,
        (Role.AUDITOR, None): 3,
        (Role.COMPLAINT_HANDLER, None): 0,
        (Role.COMPLAINT_HANDLER, bank.LEAVER): 0,
    }
    for (role, staff_id), count in seen.items():
        client = await service_app.client(role, staff_id=staff_id)
        assert len((await client.get("/api/v1/complaints")).json()["items"]) == count, role
    for role in (Role.MARKETER, Role.OPERATOR):
        client = await service_app.client(role, staff_id=bank.HANDLER)
        assert (await client.get("/api/v1/complaints")).status_code == 403


async def test_the_360_shows_the_cases_of_merged_records_and_forgets_them_after_the_undo(
    service_app: TestApp, file_complaint: Any, worker_database: Database, bank: Any, handler: httpx.AsyncClient
) -> None:
    everywhere = await service_app.client(Role.SYSTEM, subject="mobile-bank")
    await file_complaint()
    await file_complaint(everywhere, customer_id=str(bank.LI_TOO), unit_id=str(bank.EAST), kind="enquiry")

    async def merge_into(survivor: Any) -> None:
        async with worker_database.begin() as tx:
            await put_subjects(tx, [ScopeSubject(bank.LI_TOO, survivor, bank.WEST)])

    async def shown(customer: Any) -> tuple[list[str], int]:
        answer = (await handler.get(f"/api/v1/customers/{customer}/complaints")).json()
        return [item["complaint_number"][-2:] for item in answer["items"]], answer["open_count"]

    assert await shown(bank.LI) == (["01"], 1)
    assert (await handler.get(f"/api/v1/customers/{bank.LI_TOO}/complaints")).status_code == 404
    await merge_into(bank.LI)
    # By either id, and the case keeps the id that it came with.
    assert await shown(bank.LI) == await shown(bank.LI_TOO) == (["02", "01"], 1)
    answer = (await handler.get(f"/api/v1/customers/{bank.LI}/complaints", params={"limit": 1})).json()
    assert answer["items"][0]["customer_id"] == str(bank.LI_TOO)
    rest = await handler.get(f"/api/v1/customers/{bank.LI}/complaints", params={"cursor": answer["next_cursor"]})
    assert [item["customer_id"] for item in rest.json()["items"]] == [str(bank.LI)]
    assert len((await handler.get("/api/v1/complaints", params={"customer_id": str(bank.LI)})).json()["items"]) == 2
    await merge_into(bank.LI_TOO)
    assert await shown(bank.LI) == (["01"], 1)


async def test_the_directory_follows_the_organisation_and_the_customers(
    deliver: Any, service_app: TestApp, file_complaint: Any, bank: Any
) -> None:
    unit, staff, customer = uuid4(), uuid4(), uuid4()

    def customer_in(unit_id: Any) -> CustomerState:
        return CustomerState(
            customer_id=customer,
            customer_number="C00000000010",
            kind=PartyKind.INDIVIDUAL,
            status=CustomerStatus.ACTIVE,
            gender=Gender.UNKNOWN,
            birth_year=None,
            unit_id=unit_id,
            primary_rm_id=None,
            survivor_id=customer,
            customer_since="2020-01-01",
            consents=(),
        )

    member = StaffChanged(staff_id=staff, staff_number="900", unit_id=unit, roles=(), active=True)
    office = UnitChanged(
        unit_id=unit, code="0900", name="North", kind=UnitKind.BRANCH, parent_id=bank.HEAD, active=True
    )
    await deliver(ORGANIZATION, [member, office])
    await deliver(CUSTOMERS, [customer_in(unit)])
    client = await service_app.client(Role.COMPLAINT_HANDLER, staff_id=staff, subject="newcomer")
    case = await file_complaint(client, customer_id=str(customer))
    assert case["unit_id"] == str(unit)
    # The customer moves away: new complaints go there, and from here it is out of reach.
    await deliver(CUSTOMERS, [customer_in(bank.WEST)])
    assert (await client.get(f"/api/v1/customers/{customer}/complaints")).status_code == 404
    assert (await client.get(f"/api/v1/complaints/{case['complaint_id']}")).status_code == 200
    # The member of staff leaves, and with that everything is out of reach.
    await deliver(ORGANIZATION, [member.model_copy(update={"active": False})])
    assert (await client.get(f"/api/v1/complaints/{case['complaint_id']}")).status_code == 404
