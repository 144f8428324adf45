"""Erasure: key, tokens and indexes are destroyed, law permitting; nobody finds the person, and the list can be repeated."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from kehu_chassis.clock import FixedClock
from kehu_chassis.columns import new_id
from kehu_chassis.database import Database
from kehu_chassis.ledger import Ledger
from kehu_chassis.scope import EVERYTHING
from kehu_chassis.timers import Timers
from kehu_customer.erasures.rules import Relationship, kept_until
from kehu_customer.erasures.service import ERASED, NOTE, destroy, noter

from .conftest import People
from .test_customer_parties_http import ZHANG

Rows = Callable[..., Awaitable[list[dict[str, Any]]]]
REASON = {"reason": "asked to, form 7"}


async def register(people: People) -> str:
    made = await people.rm.post("/api/v1/customers", json=ZHANG)
    assert made.status_code == 201, made.text
    return str(made.json()["id"])


async def left_of(rows: Rows, customer_id: str) -> list[int]:
    """How many names, contact points and documents there are of a customer."""
    tables = ("party_names", "contact_points", "documents")
    return [len(await rows(f"SELECT FROM {table} WHERE customer_id = $1", customer_id)) for table in tables]


@pytest.mark.parametrize(
    ("relationship", "until"),
    [
        (Relationship(has_open_accounts=False, last_closed_on=None), None),
        (Relationship(has_open_accounts=True, last_closed_on=None), date.max),
        (Relationship(has_open_accounts=True, last_closed_on=date(2001, 1, 1)), date.max),
        (Relationship(has_open_accounts=False, last_closed_on=date(2015, 6, 30)), date(2025, 6, 30)),
        (Relationship(has_open_accounts=False, last_closed_on=date(2016, 2, 29)), date(2026, 3, 1)),
    ],
)
def test_records_are_kept_for_ten_years_after_the_relationship(relationship: Relationship, until: date | None) -> None:
    assert kept_until(relationship) == until


async def test_an_erased_prospect_is_gone_and_leaves_nothing_that_could_open_or_find_him(
    people: People, rows: Rows, outbox_rows: Callable[..., Awaitable[list[dict[str, Any]]]]
) -> None:
    customer_id, other = await register(people), await register(people)
    before = await left_of(rows, customer_id)
    assert all(before)
    answer = await people.compliance.post(f"/api/v1/customers/{customer_id}/erasures", json=REASON)
    assert answer.status_code == 201, answer.text
    assert answer.json()["customer_ids"] == [customer_id]
    assert await left_of(rows, customer_id) == [0, 0, 0]
    (row,) = await rows("SELECT * FROM customers WHERE id = $1", customer_id)
    sealed = ("wrapped_key", "name_sealed", "birth_date_sealed", "employer_sealed", "birth_year", "nationality")
    assert [row[name] for name in sealed] == [b"", b"", None, None, None, None]
    for client in (people.rm, people.compliance):
        assert (await client.get(f"/api/v1/customers/{customer_id}")).status_code == 404
        found = (await client.get("/api/v1/customers", params={"q": "张伟"})).json()["items"]
        assert [each["id"] for each in found] == [other]
        listed = (await client.get("/api/v1/customers")).json()["items"]
        assert [each["id"] for each in listed] == [other]
    again = await people.compliance.post(f"/api/v1/customers/{customer_id}/erasures", json=REASON)
    assert again.status_code == 404
    (audited,) = await rows("SELECT actor, resource_id, reason, details FROM audit WHERE action = $1", ERASED)
    assert (audited["resource_id"], audited["reason"], audited["details"]) == (customer_id, REASON["reason"], {})
    events = [each for each in await outbox_rows() if each["subject"] == customer_id]
    assert events[-2]["data"]["changed"] == ["erased"]
    assert events[-1]["data"]["birth_year"] is None
    assert await left_of(rows, other) == before


async def test_a_customer_whom_a_law_asks_the_bank_to_keep_is_not_erased(
    people: People, worker_database: Database, clock: FixedClock, rows: Rows
) -> None:
    customer_id = await register(people)
    before = await left_of(rows, customer_id)
    account_id = new_id()
    async with worker_database.begin(scope=EVERYTHING) as tx:
        await tx.connection.execute(
            "INSERT INTO accounts (id, source, source_id, product_class, product_code, currency, unit_code, opened_on,"
            " source_sequence, stated_at) VALUES ($1, 'core', '1', 'deposit', 'D1', 'CNY', 'east', '2010-01-01', 1, $2)",
            account_id,
            clock.now(),
        )
        await tx.connection.execute(
            "INSERT INTO account_holders (account_id, customer_id, role) VALUES ($1, $2, 'owner')",
            account_id,
            customer_id,
        )
    path = f"/api/v1/customers/{customer_id}/erasures"
    for closed_on in (None, clock.now().date() - timedelta(days=3650)):
        async with worker_database.begin(scope=EVERYTHING) as tx:
            await tx.connection.execute("UPDATE accounts SET closed_on = $1", closed_on)
        refused = await people.compliance.post(path, json=REASON)
        assert (refused.status_code, refused.json()["code"]) == (409, "customer.erasure_refused")
    assert await left_of(rows, customer_id) == before
    assert await rows("SELECT FROM audit WHERE action = $1", ERASED) == []
    clock.advance(timedelta(days=3))
    assert (await people.compliance.post(path, json=REASON)).status_code == 201


async def test_nobody_but_compliance_erases(people: People, rows: Rows) -> None:
    customer_id = await register(people)
    for client in (people.rm, people.manager, people.auditor, people.system):
        assert (await client.post(f"/api/v1/customers/{customer_id}/erasures", json=REASON)).status_code == 403
    assert all(await left_of(rows, customer_id))


async def test_a_party_goes_with_all_that_were_merged_into_it(people: People, rows: Rows) -> None:
    survivor, merged = await register(people), await register(people)
    pair = {"customer_id": merged, "survivor_id": survivor, "reason": "same person"}
    assert (await people.compliance.post("/api/v1/merges", json=pair)).status_code == 201
    refused = await people.compliance.post(f"/api/v1/customers/{merged}/erasures", json=REASON)
    assert (refused.status_code, refused.json()["code"]) == (409, "customer.erasure_merged")
    answer = await people.compliance.post(f"/api/v1/customers/{survivor}/erasures", json=REASON)
    assert sorted(answer.json()["customer_ids"]) == sorted([survivor, merged])
    assert await left_of(rows, merged) == [0, 0, 0]


async def test_the_ledger_is_told_and_a_repeated_list_changes_nothing(
    people: People, worker_database: Database, clock: FixedClock, tmp_path: Path, rows: Rows
) -> None:
    customer_id = await register(people)
    await people.compliance.post(f"/api/v1/customers/{customer_id}/erasures", json=REASON)
    ledger = Ledger(tmp_path, "customer")
    timers = Timers(worker_database, clock, {NOTE: noter(ledger)})
    while await timers.fire_next():
        pass
    assert [note["customer_id"] for note in ledger.read(ERASED)] == [customer_id]
    (row,) = await rows("SELECT id, version FROM customers WHERE id = $1", customer_id)
    async with worker_database.begin(scope=EVERYTHING) as tx:
        assert await destroy(tx, [row["id"]], actor="restore", at=clock.now(), reason="again") == []
    assert await rows("SELECT id, version FROM customers WHERE id = $1", customer_id) == [row]
