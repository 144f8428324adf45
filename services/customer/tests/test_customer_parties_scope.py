"""Who reaches which customer: own, sibling branch and missing ids, with both locks and with the second alone."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from kehu_chassis.database import Database

from .conftest import People, an_id
from .test_customer_parties_http import ZHANG

OutboxRows = Callable[..., Awaitable[list[dict[str, Any]]]]

READS = ("", "/profile", "/names", "/contact-points", "/documents", "/consents")
WRITES: dict[str, dict[str, Any]] = {
    "/names": {"type": "latin", "name": "Zhang Wei"},
    "/contact-points": {"type": "phone", "value": "13900139000"},
    "/documents": {"type": "passport", "number": "E12345678"},
    "/consents": {
        "purpose": "marketing",
        "channel": "sms",
        "status": "granted",
        "notice_version": "2026-01",
        "proof": "form 1",
    },
    "/reveals": {"fields": ["name"], "reason": "asked by phone"},
}


@pytest.fixture(params=["both locks", "second lock alone"])
def locks(request: pytest.FixtureRequest, database: Database) -> str:
    if request.param == "second lock alone":
        database.without_first_lock()
    return str(request.param)


@pytest.fixture
async def customer_id(people: People) -> UUID:
    """A customer of the sub-branch east-1."""
    return UUID((await people.rm.post("/api/v1/customers", json=ZHANG)).json()["id"])


def told(answer: httpx.Response) -> dict[str, Any]:
    return {name: value for name, value in answer.json().items() if name != "trace_id"} | {"status": answer.status_code}


@pytest.mark.usefixtures("locks")
async def test_own_and_superior_units_read_and_siblings_do_not(people: People, customer_id: UUID) -> None:
    for path in READS:
        for reader in (people.rm, people.manager, people.compliance, people.auditor, people.system):
            assert (await reader.get(f"/api/v1/customers/{customer_id}{path}")).status_code == 200, path
        foreign = await people.rm2.get(f"/api/v1/customers/{customer_id}{path}")
        missing = await people.rm2.get(f"/api/v1/customers/{uuid4()}{path}")
        assert foreign.status_code == 404, path
        assert told(foreign) == told(missing)
        assert (await people.marketer.get(f"/api/v1/customers/{customer_id}{path}")).status_code == 403, path


@pytest.mark.usefixtures("locks")
async def test_a_sibling_branch_writes_nothing(
    people: People, customer_id: UUID, outbox_rows: OutboxRows, rows: Callable[..., Awaitable[list[Any]]]
) -> None:
    for path, body in WRITES.items():
        before = await outbox_rows(), await rows("SELECT audit_id FROM audit")
        foreign = await people.rm2.post(f"/api/v1/customers/{customer_id}{path}", json=body)
        missing = await people.rm2.post(f"/api/v1/customers/{uuid4()}{path}", json=body)
        assert foreign.status_code == 404, path
        assert told(foreign) == told(missing)
        assert (await outbox_rows(), await rows("SELECT audit_id FROM audit")) == before, path
        own = await people.rm.post(f"/api/v1/customers/{customer_id}{path}", json=body)
        assert own.status_code in {200, 201}, path


@pytest.mark.usefixtures("locks", "customer_id")
async def test_lists_searches_and_lookups_keep_to_the_scope(people: People) -> None:
    for query in ("", "?q=张伟", "?q=zw"):
        assert len((await people.rm.get(f"/api/v1/customers{query}")).json()["items"]) == 1
        assert (await people.rm2.get(f"/api/v1/customers{query}")).json()["items"] == []
    for body in ({"type": "phone", "value": "13800138000"}, {"type": "document", "value": "11010519491231002X"}):
        assert len((await people.rm.post("/api/v1/customers/lookups", json=body)).json()["items"]) == 1
        assert (await people.rm2.post("/api/v1/customers/lookups", json=body)).json()["items"] == []


async def test_auditors_read_the_surname_only(people: People, customer_id: UUID) -> None:
    assert (await people.auditor.get(f"/api/v1/customers/{customer_id}")).json()["name"] == "张*"
    profile = (await people.auditor.get(f"/api/v1/customers/{customer_id}/profile")).json()
    assert [name["name"] for name in profile["names"]] == ["张*", "张*"]
    assert profile["employer"] is None


async def test_a_moved_member_of_staff_reaches_the_new_unit_at_once(
    people: People, customer_id: UUID, worker_database: Database
) -> None:
    async with worker_database.begin() as tx:
        await tx.connection.execute(
            "UPDATE scope_staff SET unit_id = $1 WHERE staff_id = $2", an_id("west"), an_id("rm")
        )
    assert (await people.rm.get(f"/api/v1/customers/{customer_id}")).status_code == 404


async def test_without_a_token_nothing_is_told(
    bank: None,  # noqa: ARG001
    app_client: Callable[..., Awaitable[httpx.AsyncClient]],
) -> None:
    client = await app_client()
    assert (await client.get("/api/v1/customers")).status_code == 401
