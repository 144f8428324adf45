"""Two customers that are one party: linked, read together, and parted again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import pytest

from kehu_contracts.customer import CustomerMerged, CustomerState, CustomerUnmerged

from .conftest import People
from .test_customer_consents_http import consent, register, resolved

Rows = Callable[..., Awaitable[list[dict[str, Any]]]]
OutboxRows = Callable[..., Awaitable[list[dict[str, Any]]]]

REASON = "same person, two counters"


async def merge(people: People, customer_id: str, survivor_id: str) -> dict[str, Any]:
    body = {"customer_id": customer_id, "survivor_id": survivor_id, "reason": REASON}
    answer = await people.compliance.post("/api/v1/merges", json=body)
    assert answer.status_code == 201, answer.text
    given: dict[str, Any] = answer.json()
    return given


async def test_a_merge_links_and_is_told(people: People, outbox_rows: OutboxRows, rows: Rows) -> None:
    gone, survivor = await register(people), await register(people, documents=[])
    given = await merge(people, gone, survivor)
    assert (given["customer_id"], given["survivor_id"], given["undone_at"]) == (gone, survivor, None)
    assert (await people.rm.get(f"/api/v1/merges/{given['id']}")).json() == given
    assert (await people.rm.get(f"/api/v1/customers/{gone}")).json()["survivor_id"] == survivor
    (event,) = await outbox_rows(CustomerMerged)
    assert (event["subject"], event["data"]["survivor_id"], event["data"]["merge_id"]) == (gone, survivor, given["id"])
    states = {row["data"]["customer_id"]: row["data"]["survivor_id"] for row in await outbox_rows(CustomerState)}
    assert states == {gone: survivor, survivor: survivor}
    listed = (await people.rm.get("/api/v1/customers")).json()["items"]
    assert [item["id"] for item in listed] == [survivor]
    (audited,) = await rows("SELECT reason FROM audit WHERE action = 'customer.merged'")
    assert audited == {"reason": REASON}


async def test_an_undone_merge_leaves_both_as_they_were(people: People, outbox_rows: OutboxRows) -> None:
    gone, survivor = await register(people), await register(people, documents=[])
    await consent(people, gone)
    before = [(await people.rm.get(f"/api/v1/customers/{each}/profile")).json() for each in (gone, survivor)]
    given = await merge(people, gone, survivor)
    undone = await people.compliance.post(f"/api/v1/merges/{given['id']}/undo", json={"reason": "two brothers"})
    assert (undone.status_code, undone.json()["undo_reason"], undone.json()["version"]) == (200, "two brothers", 2)
    after = [(await people.rm.get(f"/api/v1/customers/{each}/profile")).json() for each in (gone, survivor)]
    assert after[0]["customer"].pop("version") == 3
    assert before[0]["customer"].pop("version") == 1
    assert after == before
    (event,) = await outbox_rows(CustomerUnmerged)
    assert event["data"]["customer_id"] == gone
    states = {row["data"]["customer_id"]: row["data"] for row in await outbox_rows(CustomerState)}
    assert states[gone]["survivor_id"] == gone
    assert states[gone]["consents"] == [{"purpose": "marketing", "channel": "sms", "status": "granted"}]
    assert states[survivor]["consents"] == []
    again = await people.compliance.post(f"/api/v1/merges/{given['id']}/undo", json={"reason": "once more"})
    assert (again.status_code, again.json()["code"]) == (409, "customer.merge_undone")


PAIRS: tuple[tuple[str | None, str | None, str], ...] = (
    ("granted", "granted", "allowed"),
    ("granted", "withdrawn", "withdrawn"),
    ("withdrawn", "granted", "withdrawn"),
    ("granted", None, "no_consent"),
    (None, "granted", "no_consent"),
    (None, None, "no_consent"),
    ("withdrawn", None, "withdrawn"),
)


async def test_merged_parties_are_read_most_restrictively(people: People, outbox_rows: OutboxRows) -> None:
    for gone_status, survivor_status, expected in PAIRS:
        gone, survivor = await register(people), await register(people, documents=[])
        for customer_id, status in ((gone, gone_status), (survivor, survivor_status)):
            if status:
                await consent(people, customer_id, status=status)
        await merge(people, gone, survivor)
        found = await resolved(people, gone, survivor)
        assert [item["verdict"] for item in found] == ["merged", expected], (gone_status, survivor_status)
        assert found[0]["survivor_id"] == survivor
        states = {row["data"]["customer_id"]: row["data"]["consents"] for row in await outbox_rows(CustomerState)}
        assert states[gone] == states[survivor]


async def test_a_withdrawal_by_the_merged_party_holds_for_both(people: People, outbox_rows: OutboxRows) -> None:
    gone, survivor = await register(people), await register(people, documents=[])
    for customer_id in (gone, survivor):
        await consent(people, customer_id)
    await merge(people, gone, survivor)
    assert (await resolved(people, survivor))[0]["verdict"] == "allowed"
    await consent(people, gone, status="withdrawn")
    assert (await resolved(people, survivor))[0]["verdict"] == "withdrawn"
    states = {row["data"]["customer_id"]: row["data"]["consents"] for row in await outbox_rows(CustomerState)}
    withdrawn = [{"purpose": "marketing", "channel": "sms", "status": "withdrawn"}]
    assert states == {gone: withdrawn, survivor: withdrawn}


async def test_a_merged_name_finds_the_survivor(people: People) -> None:
    gone, survivor = await register(people, name="王五"), await register(people, name="王伍", documents=[])
    await merge(people, gone, survivor)
    found = (await people.rm.get("/api/v1/customers", params={"q": "王五"})).json()["items"]
    assert [item["id"] for item in found] == [survivor]


OTHER_ID = "34052419800101001X"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"documents": [{"type": "resident_id", "number": OTHER_ID}]}, "customer.merge_documents_differ"),
        ({"kind": "sole_proprietor", "documents": []}, "customer.merge_kinds_differ"),
    ],
)
async def test_strangers_are_not_merged(
    people: People, outbox_rows: OutboxRows, rows: Rows, changes: dict[str, Any], code: str
) -> None:
    one, other = await register(people), await register(people, **changes)
    told = len(await outbox_rows())
    body = {"customer_id": one, "survivor_id": other, "reason": REASON}
    answer = await people.compliance.post("/api/v1/merges", json=body)
    assert (answer.status_code, answer.json()["code"]) == (409, "customer.merge_refused")
    assert answer.json()["errors"][0]["code"] == code
    assert await rows("SELECT FROM merges") == []
    assert len(await outbox_rows()) == told


async def test_chains_are_refused_and_stars_are_not(people: People) -> None:
    a, b, c = await register(people), await register(people, documents=[]), await register(people, documents=[])
    await merge(people, b, a)
    for customer_id, survivor_id in ((a, c), (b, c), (c, b)):
        body = {"customer_id": customer_id, "survivor_id": survivor_id, "reason": REASON}
        assert (await people.compliance.post("/api/v1/merges", json=body)).status_code == 409
    await merge(people, c, a)
    profile = (await people.rm.get(f"/api/v1/customers/{a}/profile")).json()
    assert sorted(profile["merged_ids"]) == sorted([b, c])


async def test_only_compliance_merges_and_missing_customers_are_not_found(people: People, rows: Rows) -> None:
    one, other = await register(people), await register(people, documents=[])
    body = {"customer_id": one, "survivor_id": other, "reason": REASON}
    assert (await people.rm.post("/api/v1/merges", json=body)).status_code == 403
    missing = body | {"survivor_id": str(uuid4())}
    assert (await people.compliance.post("/api/v1/merges", json=missing)).status_code == 404
    assert await rows("SELECT FROM merges") == []


async def test_who_reaches_the_survivor_reaches_the_merged_customer(people: People) -> None:
    gone = await register(people)
    survivor = (await people.rm2.post("/api/v1/customers", json={"kind": "individual", "name": "张伟"})).json()["id"]
    assert (await people.rm2.get(f"/api/v1/customers/{gone}")).status_code == 404
    await merge(people, gone, survivor)
    assert (await people.rm2.get(f"/api/v1/customers/{gone}")).status_code == 200
    assert (await people.rm.get(f"/api/v1/customers/{gone}")).status_code == 404
