"""Searching the audit: what is found and in which order, who may, what a search leaves behind, what it is read by."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest

from kehu_chassis import audit, audit_chain
from kehu_chassis.audit_search import AuditFilter, audit_rows
from kehu_chassis.auth import Principal
from kehu_chassis.clock import FixedClock
from kehu_chassis.database import Database
from kehu_chassis.paging import PageQuery
from kehu_chassis.scope import EVERYTHING
from kehu_chassis.testing.databases import ServiceDatabase
from kehu_chassis.testing.plugin import AppClient, Eventually
from kehu_chassis.testing.probe import Probe
from kehu_contracts.access import PERMISSIONS, REACH, Permission, Reach, Role

AUDIT = "/api/v1/operations/probe/audit"
AT = datetime(2026, 3, 1, 2, tzinfo=UTC)
RM, HANDLER, READER = UUID(int=1), UUID(int=2), UUID(int=3)
READERS = {role for role, permissions in PERMISSIONS.items() if Permission.AUDIT_READ in permissions}


def staff(subject: str, staff_id: UUID) -> Principal:
    return Principal(subject, frozenset(), staff_id, None, EVERYTHING, frozenset())


async def record(database: Database, day: int, actor: Principal | str, action: str, *resource: str) -> None:
    async with database.begin() as tx:
        await audit.record(
            tx,
            actor=actor,
            action=action,
            resource=(resource[0], resource[1]),
            at=AT + timedelta(days=day),
            details={"day": day},
            reason=f"day {day}",
        )


@pytest.fixture
async def five_days(worker_database: Database) -> None:
    """Rows of five days, written in another order than that in which they happened."""
    await record(worker_database, 4, staff("handler", HANDLER), "customer.revealed", "customer", "b")
    await record(worker_database, 0, staff("rm", RM), "customer.revealed", "customer", "a")
    await record(worker_database, 3, "worker:timers", "customer.changed", "customer", "a")
    await record(worker_database, 1, staff("rm", RM), "customer.changed", "customer", "b")
    await record(worker_database, 2, staff("rm.at.desk", RM), "customer.revealed", "case", "a")


def days(answer: httpx.Response) -> list[int]:
    assert answer.status_code == 200, answer.text
    return [item["details"]["day"] for item in answer.json()["items"] if item["action"] != "audit.read"]


@pytest.mark.usefixtures("five_days")
@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({}, [4, 3, 2, 1, 0]),
        ({"actor": "rm"}, [1, 0]),
        ({"actor": "worker:timers"}, [3]),
        ({"staff_id": str(RM)}, [2, 1, 0]),
        ({"action": "customer.revealed"}, [4, 2, 0]),
        ({"resource_type": "customer", "resource_id": "a"}, [3, 0]),
        ({"from": "2026-03-03T10:00:00+08:00"}, [4, 3, 2]),
        ({"to": "2026-03-03T02:00:00Z"}, [1, 0]),
        ({"from": "2026-03-02T02:00:00Z", "to": "2026-03-04T02:00:00Z"}, [2, 1]),
        ({"staff_id": str(RM), "action": "customer.revealed", "to": "2026-03-02T00:00:00Z"}, [0]),
        ({"actor": "rm", "resource_type": "case", "resource_id": "a"}, []),
    ],
)
async def test_filters_find_their_rows_the_newest_deed_first(
    app_client: AppClient, filters: dict[str, str], expected: list[int]
) -> None:
    auditor = await app_client(Role.AUDITOR)
    assert days(await auditor.get(AUDIT, params=filters)) == expected


async def test_a_row_tells_who_did_what_on_what_when_and_why(app_client: AppClient, worker_database: Database) -> None:
    await record(worker_database, 1, staff("rm", RM), "customer.revealed", "customer", "a")
    [row] = (await (await app_client(Role.COMPLIANCE)).get(AUDIT)).json()["items"]
    assert {name: row[name] for name in row.keys() - {"audit_id", "recorded_at", "trace_id"}} == {
        "at": "2026-03-02T02:00:00Z",
        "actor": "rm",
        "staff_id": str(RM),
        "action": "customer.revealed",
        "resource_type": "customer",
        "resource_id": "a",
        "reason": "day 1",
        "details": {"day": 1},
        "chain_position": None,
    }


async def test_a_row_says_where_it_stands_in_the_chain_once_it_is_sealed(
    app_client: AppClient, worker_database: Database, eventually: Eventually
) -> None:
    for day in (0, 1):
        await record(worker_database, day, "tester", "note.added", "note", "1")

    async def all_sealed() -> bool:
        await audit_chain.seal(worker_database)
        async with worker_database.begin() as tx:
            return (await audit_chain.head(tx)).position == 2

    await eventually(all_sealed)
    await record(worker_database, 2, "tester", "note.added", "note", "1")
    rows = (await (await app_client(Role.AUDITOR)).get(AUDIT)).json()["items"]
    assert [row["chain_position"] for row in rows] == [None, 2, 1]


async def test_pages_neither_repeat_nor_leave_out_rows_when_others_are_written_meanwhile(
    app_client: AppClient, worker_database: Database
) -> None:
    for day in (1, 2, 2, 2, 3):
        await record(worker_database, day, "tester", "note.added", "note", "1")
    auditor = await app_client(Role.AUDITOR)
    wanted: dict[str, Any] = {"action": "note.added", "limit": 2}
    answers = [await auditor.get(AUDIT, params=wanted)]
    while cursor := answers[-1].json()["next_cursor"]:
        await record(worker_database, 4, "tester", "note.added", "note", "1")
        answers.append(await auditor.get(AUDIT, params={**wanted, "cursor": cursor}))
    assert [days(answer) for answer in answers] == [[3, 2], [2, 2], [1]]
    ids = {item["audit_id"] for answer in answers for item in answer.json()["items"]}
    assert len(ids) == 5


@pytest.mark.usefixtures("five_days")
async def test_a_search_is_audited_with_its_filters(app_client: AppClient, probe: Probe, clock: FixedClock) -> None:
    clock.advance(timedelta(days=30))
    reader = await app_client(Role.AUDITOR, staff_id=READER, subject="auditor")
    filters = {"actor": "rm", "staff_id": str(RM), "from": "2026-03-01T00:00:00Z"}
    assert days(await reader.get(AUDIT, params=filters)) == [1, 0]
    row = (await probe.rows("audit", order="audit_id"))[-1]
    assert (row["actor"], row["staff_id"], row["action"]) == ("auditor", READER, "audit.read")
    assert (row["resource_type"], row["resource_id"]) == ("audit", "probe")
    assert row["details"] == {
        "found": 2,
        "filters": {"actor": "rm", "staff_id": str(RM), "since": "2026-03-01T00:00:00+00:00"},
    }
    # And whoever reads next sees it.
    newest = (await reader.get(AUDIT, params={"limit": 1})).json()["items"][0]
    assert (newest["action"], newest["actor"]) == ("audit.read", "auditor")


async def test_what_was_typed_and_found_nothing_is_not_kept(app_client: AppClient, probe: Probe) -> None:
    auditor = await app_client(Role.AUDITOR)
    typed = {"resource_type": "customer", "resource_id": "13800138000", "actor": "13800138000", "staff_id": str(RM)}
    assert days(await auditor.get(AUDIT, params=typed)) == []
    [row] = await probe.rows("audit")
    filters = {"actor": None, "staff_id": str(RM), "resource_type": None, "resource_id": None}
    assert row["details"] == {"found": 0, "filters": filters}


@pytest.mark.parametrize("given", ["resource_type", "resource_id"])
async def test_half_a_resource_is_refused(app_client: AppClient, probe: Probe, given: str) -> None:
    answer = await (await app_client(Role.AUDITOR)).get(AUDIT, params={given: "customer"})
    assert answer.status_code == 422
    assert [error["code"] for error in answer.json()["errors"]] == ["audit.half_a_resource"]
    assert await probe.rows("audit") == []


@pytest.mark.usefixtures("five_days")
@pytest.mark.parametrize("role", sorted(set(Role) - READERS))
async def test_whoever_may_not_read_the_audit_is_told_nothing(app_client: AppClient, probe: Probe, role: Role) -> None:
    answer = await (await app_client(role, staff_id=RM)).get(AUDIT, params={"staff_id": str(RM)})
    assert (answer.status_code, answer.json()["code"]) == (403, "auth.forbidden")
    assert "items" not in answer.json()
    assert len(await probe.rows("audit")) == 5


def test_the_audit_has_no_scope_so_only_roles_that_reach_everything_read_it() -> None:
    assert {Role.AUDITOR, Role.COMPLIANCE} == READERS
    assert {REACH[role] for role in READERS} == {Reach.ALL}


MANY = """
INSERT INTO audit (audit_id, recorded_at, at, actor, staff_id, action, resource_type, resource_id, details, trace_id)
SELECT uuidv7(), '2026-03-02Z', timestamptz '2026-03-02Z' + n * interval '1 s', 'actor ' || n % 25,
       CASE WHEN n % 2 = 0 THEN ('00000000-0000-0000-0000-' || lpad((n % 50)::text, 12, '0'))::uuid END,
       'action ' || n % 25, 'note', (n % 25)::text, '{}', ''
FROM generate_series(1, 20000) AS n
"""
SEAL_ALL = """
INSERT INTO audit_seals (position, audit_id, transaction_id, hash)
SELECT row_number() OVER (), audit_id, 1, '' FROM audit
"""
MIDDLE = datetime(2026, 3, 2, 3, tzinfo=UTC)


@pytest.mark.parametrize("after", [None, (MIDDLE, uuid4())])
@pytest.mark.parametrize(
    ("wanted", "index"),
    [
        (AuditFilter(), "at_audit_id_idx"),
        (AuditFilter(since=MIDDLE - timedelta(hours=1), until=MIDDLE + timedelta(hours=1)), "at_audit_id_idx"),
        (AuditFilter(actor="actor 3"), "actor_at_audit_id_idx"),
        (AuditFilter(staff_id=UUID(int=8)), "staff_id_at_audit_id_idx"),
        (AuditFilter(action="action 3", since=AT), "action_at_audit_id_idx"),
        (AuditFilter(resource_type="note", resource_id="3"), "resource_type_resource_id_at_idx"),
    ],
)
async def test_each_filter_is_served_by_its_index(
    service_database: ServiceDatabase,
    database: Database,
    wanted: AuditFilter,
    index: str,
    after: tuple[Any, ...] | None,
) -> None:
    owner = await asyncpg.connect(service_database.dsn("owner"), server_settings={"search_path": "probe"})
    for statement in (MANY, SEAL_ALL, "ANALYZE audit", "ANALYZE audit_seals"):
        await owner.execute(statement)
    await owner.close()
    async with database.begin(read_only=True) as tx:
        sql, values = tx._statements.render(audit_rows(wanted, PageQuery(after=after)))
        plan = "\n".join(row[0] for row in await tx.connection.fetch(f"EXPLAIN {sql}", *values))
    # No more is read than the page holds: rows come in their order, and each finds its seal by its id.
    assert f"audit_2026_{index}" in plan
    assert "audit_seals_audit_id_key" in plan
    assert "Seq Scan" not in plan
    assert " Sort  " not in plan.replace("Incremental Sort", "")
