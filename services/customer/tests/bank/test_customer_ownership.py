"""Ownership: exactly one unit and at most one manager at every moment, handed over by those who may."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from kehu_contracts.access import Role
from kehu_contracts.customer import CustomerState, OwnershipChanged


async def owned(bank: Any) -> str:
    await bank.send(bank.party("P1", "B1", rm_staff_number="M1"))
    return f"/api/v1/customers/{await bank.customer_id('P1')}/ownership"


async def head_of(bank: Any, app_client: Callable[..., Any], unit: str) -> Any:
    await bank.send(bank.staff(f"H-{unit}", unit, roles=("branch_head",)))
    return await app_client(Role.BRANCH_HEAD, staff_id=await bank.staff_id(f"H-{unit}"))


async def test_a_hand_over_closes_one_interval_and_opens_the_next(
    bank: Any, app_client: Callable[..., Any], outbox_rows: Callable[..., Any], clock: Any
) -> None:
    path = await owned(bank)
    registered_at = clock.now()
    clock.advance(timedelta(days=3))
    head = await head_of(bank, app_client, "HO")
    before = await head.get(path)
    assert before.json()["history"][0]["primary_rm_number"] == "M1"
    body = {
        "unit_id": str(await bank.unit_id("B2")),
        "primary_rm_id": str(await bank.staff_id("M2")),
        "reason": "The customer moved to the other branch",
    }
    changed = await head.put(path, json=body, headers={"If-Match": before.headers["ETag"]})
    assert changed.status_code == 200
    assert changed.headers["ETag"] != before.headers["ETag"]
    moments = [
        (each["unit_code"], each["primary_rm_number"], *(_moment(each[name]) for name in ("valid_from", "valid_until")))
        for each in changed.json()["history"]
    ]
    assert moments == [("B2", "M2", clock.now(), None), ("B1", "M1", registered_at, clock.now())]
    (told,) = await outbox_rows(OwnershipChanged)
    assert told["data"]["unit_id"] == body["unit_id"]
    assert (await outbox_rows(CustomerState))[-1]["data"]["primary_rm_id"] == body["primary_rm_id"]
    (audited,) = await bank.rows("SELECT reason FROM audit WHERE action = 'ownership.changed'")
    assert audited["reason"] == body["reason"]


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text).astimezone(UTC)


async def test_the_same_owner_again_writes_and_tells_nothing(
    bank: Any, app_client: Callable[..., Any], outbox_rows: Callable[..., Any]
) -> None:
    path = await owned(bank)
    head = await head_of(bank, app_client, "B1")
    told = await outbox_rows()
    body = {
        "unit_id": str(await bank.unit_id("B1")),
        "primary_rm_id": str(await bank.staff_id("M1")),
        "reason": "As it was",
    }
    etag = (await head.get(path)).headers["ETag"]
    answer = await head.put(path, json=body, headers={"If-Match": etag})
    assert (answer.status_code, answer.headers["ETag"]) == (200, etag)
    assert await outbox_rows() == told


async def test_what_cannot_own_is_named_and_changes_nothing(
    bank: Any, app_client: Callable[..., Any], outbox_rows: Callable[..., Any]
) -> None:
    path = await owned(bank)
    head = await head_of(bank, app_client, "B1")
    etag = (await head.get(path)).headers["ETag"]
    told = await outbox_rows()
    own, sibling = str(await bank.unit_id("B1")), str(await bank.unit_id("B2"))
    outsider, clerk = str(await bank.staff_id("M2")), str(await bank.staff_id("H-B1"))
    refusals: list[tuple[dict[str, str | None], str]] = [
        ({"unit_id": sibling, "primary_rm_id": None}, "#/unit_id"),
        ({"unit_id": str(uuid4()), "primary_rm_id": None}, "#/unit_id"),
        ({"unit_id": own, "primary_rm_id": outsider}, "#/primary_rm_id"),
        ({"unit_id": own, "primary_rm_id": clerk}, "#/primary_rm_id"),
        ({"unit_id": own, "primary_rm_id": str(uuid4())}, "#/primary_rm_id"),
    ]
    for owner, pointer in refusals:
        answer = await head.put(path, json={**owner, "reason": "Why not"}, headers={"If-Match": etag})
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer)
    assert await outbox_rows() == told
    assert await bank.value("SELECT count(*) FROM ownerships") == 1


async def test_a_stale_or_missing_etag_and_a_manager_who_may_not_are_refused(
    bank: Any, app_client: Callable[..., Any]
) -> None:
    path = await owned(bank)
    head = await head_of(bank, app_client, "B1")
    manager = await app_client(Role.RELATIONSHIP_MANAGER, staff_id=await bank.staff_id("M1"))
    body = {"unit_id": str(await bank.unit_id("B1")), "primary_rm_id": None, "reason": "Pool"}
    assert (await head.put(path, json=body)).status_code == 428
    assert (await head.put(path, json=body, headers={"If-Match": '"99"'})).status_code == 412
    assert (await manager.put(path, json=body, headers={"If-Match": '"1"'})).status_code == 403
    assert await bank.value("SELECT count(*) FROM ownerships") == 1


async def test_a_restatement_by_the_source_does_not_take_back_a_hand_over(
    bank: Any, app_client: Callable[..., Any]
) -> None:
    path = await owned(bank)
    head = await head_of(bank, app_client, "B1")
    body = {"unit_id": str(await bank.unit_id("B1")), "primary_rm_id": None, "reason": "Leave of absence"}
    etag = (await head.get(path)).headers["ETag"]
    assert (await head.put(path, json=body, headers={"If-Match": etag})).status_code == 200
    await bank.send(bank.party("P1", "B1", rm_staff_number="M1", occupation="1-01"))
    assert (await head.get(path)).json()["primary_rm_id"] is None


async def test_the_database_itself_refuses_two_owners_at_one_moment(bank: Any, worker_database: Any) -> None:
    await owned(bank)
    insert = (
        "INSERT INTO ownerships (customer_id, unit_id, valid_from, valid_until, reason, actor, recorded_at)"
        " SELECT customer_id, unit_id, valid_from - interval '1 day', valid_from + interval '1 second', 'x', 'x', $1"
        " FROM ownerships"
    )
    with pytest.raises(asyncpg.ExclusionViolationError):
        async with worker_database.begin() as tx:
            await tx.connection.execute(insert, datetime(2026, 3, 2, tzinfo=UTC))
