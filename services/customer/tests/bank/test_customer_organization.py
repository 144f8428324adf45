"""Units and staff as the bank states them: in any order, each state once, told to every service."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

from kehu_contracts.access import Role
from kehu_contracts.codes import UnitKind
from kehu_contracts.organization import StaffChanged, UnitChanged


async def test_a_tree_is_taken_children_first(bank_of: Callable[[], Any], outbox_rows: Callable[..., Any]) -> None:
    bank = bank_of()
    await bank.send(bank.staff("T1", "D1"))
    await bank.send(bank.unit("D1", "B1", kind=UnitKind.DEPARTMENT))
    await bank.send(bank.unit("B1", "HO"))
    assert await bank.rows("SELECT code FROM units") == []
    await bank.send(bank.unit("HO"))
    assert [row["code"] for row in await bank.rows("SELECT code FROM units ORDER BY code")] == ["B1", "D1", "HO"]
    assert [row["data"]["code"] for row in await outbox_rows(UnitChanged)] == ["HO", "B1", "D1"]
    (told,) = await outbox_rows(StaffChanged)
    assert told["data"]["unit_id"] == str(await bank.unit_id("D1"))
    assert await bank.value("SELECT count(*) FROM parked_messages") == 0


async def test_a_member_of_staff_reaches_the_subtree_of_their_unit(bank_of: Callable[[], Any]) -> None:
    bank = bank_of()
    await bank.send(bank.unit("HO"), bank.unit("B1", "HO"), bank.unit("D1", "B1"), bank.unit("B2", "HO"))
    await bank.send(bank.staff("T1", "B1"))
    reached = await bank.rows(
        "SELECT u.code FROM scope_staff s JOIN scope_units own USING (unit_id) JOIN scope_units o ON o.path <@ own.path"
        " JOIN units u ON u.id = o.unit_id WHERE s.staff_id = $1 ORDER BY u.code",
        await bank.staff_id("T1"),
    )
    assert [row["code"] for row in reached] == ["B1", "D1"]


async def test_an_older_statement_of_a_unit_is_ignored(bank: Any, outbox_rows: Callable[..., Any]) -> None:
    told = len(await outbox_rows(UnitChanged))
    older, newer = bank.message(bank.unit("B1", "HO", name="Old")), bank.message(bank.unit("B1", "HO", name="New"))
    await bank.send(newer, older)
    assert await bank.value("SELECT name FROM units WHERE code = 'B1'") == "New"
    assert len(await outbox_rows(UnitChanged)) == told + 1


async def test_a_known_staff_id_is_kept_and_a_move_is_told(bank: Any, outbox_rows: Callable[..., Any]) -> None:
    staff_id = UUID("0192d4e0-7b7a-7c3a-9f00-000000000001")
    await bank.send(bank.staff("R1", "B1", staff_id=staff_id))
    await bank.send(bank.staff("R1", "B2", staff_id=staff_id))
    assert await bank.staff_id("R1") == staff_id
    assert await bank.value("SELECT unit_id FROM scope_staff WHERE staff_id = $1", staff_id) == await bank.unit_id("B2")
    told = [row["data"]["unit_id"] for row in await outbox_rows(StaffChanged) if row["data"]["staff_number"] == "R1"]
    assert told == [str(await bank.unit_id("B1")), str(await bank.unit_id("B2"))]


async def test_a_unit_below_itself_is_dead_and_nothing_changes(bank: Any, outbox_rows: Callable[..., Any]) -> None:
    told = len(await outbox_rows(UnitChanged))
    await bank.send(bank.unit("HO", "B1"))
    (dead,) = await bank.rows("SELECT reason, key FROM dead_letters")
    assert dead == {"reason": "the unit HO would stand below itself", "key": "HO"}
    assert await bank.value("SELECT parent_id FROM units WHERE code = 'HO'") is None
    assert len(await outbox_rows(UnitChanged)) == told


async def test_units_and_staff_are_listed_and_filtered(bank: Any, app_client: Callable[..., Any]) -> None:
    client = await app_client(Role.OPERATOR)
    units = (await client.get("/api/v1/units?limit=2")).json()
    assert [unit["code"] for unit in units["items"]] == ["B1", "B2"]
    rest = (await client.get(f"/api/v1/units?limit=2&cursor={units['next_cursor']}")).json()
    assert [unit["code"] for unit in rest["items"]] == ["HO"]
    assert rest["next_cursor"] is None
    below = (await client.get(f"/api/v1/units?parent_id={await bank.unit_id('HO')}&kind=branch&active=true")).json()
    assert [unit["code"] for unit in below["items"]] == ["B1", "B2"]
    staff = (await client.get(f"/api/v1/staff?unit_id={await bank.unit_id('B2')}")).json()
    assert [(member["staff_number"], member["roles"]) for member in staff["items"]] == [
        ("M2", ["relationship_manager"])
    ]
    assert (await client.get("/api/v1/staff?role=branch_head")).json() == {"items": [], "next_cursor": None}


async def test_staff_are_found_by_their_ids_wherever_they_work(bank: Any, app_client: Callable[..., Any]) -> None:
    client = await app_client(Role.RELATIONSHIP_MANAGER, staff_id=await bank.staff_id("M1"))
    known = [str(await bank.staff_id(number)) for number in ("M2", "M1")]
    wanted = {"staff_id": [*known, str(uuid4())]}
    found = (await client.get("/api/v1/staff", params=wanted)).json()
    assert [member["staff_number"] for member in found["items"]] == ["M1", "M2"]
    elsewhere = (await client.get("/api/v1/staff", params={**wanted, "unit_id": str(await bank.unit_id("B2"))})).json()
    assert [member["staff_number"] for member in elsewhere["items"]] == ["M2"]
    many = await client.get("/api/v1/staff", params={"staff_id": [str(uuid4()) for _ in range(51)]})
    assert (many.status_code, [error["code"] for error in many.json()["errors"]]) == (422, ["too_long"])
