"""Business actions on the organisation: take what the bank states, and tell every service."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, Boolean, DateTime, Uuid, bindparam, select
from sqlalchemy.dialects.postgresql import insert

from kehu_chassis import outbox
from kehu_chassis.columns import Text, new_id
from kehu_chassis.database import Record, Transaction
from kehu_chassis.message import Message, Refused
from kehu_chassis.scope_facts import ScopeStaff, ScopeUnit, put_staff, put_units
from kehu_contracts.bank import BankStaff, BankUnit
from kehu_contracts.organization import StaffChanged, UnitChanged
from kehu_customer.organization.rules import in_circle
from kehu_customer.organization.tables import staff, units
from kehu_customer.rows import arrays, given
from kehu_customer.sources import keys
from kehu_customer.sources.keys import Kind, SourceKey, waiting_for
from kehu_customer.sources.rules import last_of_each, rising, with_parents
from kehu_customer.sources.statements import Statement, hold, statements_of

__all__ = ["bank_key", "state_staff", "state_units"]

_UNIT_COLUMNS: Final = (
    "id",
    "code",
    "name",
    "kind",
    "parent_id",
    "division_code",
    "active",
    "source",
    "source_sequence",
    "stated_at",
)
_units = given(
    "given",
    id=Uuid,
    code=Text,
    name=Text,
    kind=Text,
    parent_id=Uuid,
    division_code=Text,
    active=Boolean,
    source=Text,
    source_sequence=BigInteger,
    stated_at=DateTime(timezone=True),
)
_insert_units = insert(units).from_select(list(_UNIT_COLUMNS), select(*(_units.c[name] for name in _UNIT_COLUMNS)))
_PUT_UNITS: Final = _insert_units.on_conflict_do_update(
    index_elements=["id"],
    set_={name: _insert_units.excluded[name] for name in _UNIT_COLUMNS if name not in {"id", "code"}}
    | {"version": units.c.version + 1},
)

_insert_member = insert(staff)
_PUT_STAFF_MEMBER: Final = _insert_member.on_conflict_do_update(
    index_elements=["staff_number"],
    set_={
        name: _insert_member.excluded[name]
        for name in ("name", "unit_id", "roles", "active", "source", "source_sequence", "stated_at")
    }
    | {"version": staff.c.version + 1},
)

_STANDING_UNITS: Final = select(units.c.id, units.c.code, units.c.parent_id, units.c.source_sequence)
_STANDING_STAFF: Final = select(staff.c.id, staff.c.staff_number, staff.c.source_sequence).where(
    staff.c.staff_number == bindparam("staff_numbers", type_=ARRAY(Text)).any_()
)


def bank_key(code: str) -> SourceKey:
    """The key of a unit's code or a staff number: the bank's own, whichever system states it."""
    return SourceKey("", code)


async def state_units(tx: Transaction, messages: Sequence[Message]) -> list[str]:
    """Take units as the bank states them; gives the names under which messages wait for those that are new.

    Raises:
        Refused: a unit would stand below itself.
    """
    stated = statements_of(messages, BankUnit)
    # The tree is small and changes seldom: it is read whole, behind a lock on every key that is touched.
    touched = {bank_key(code) for each in stated for code in (each.body.source_id, each.body.parent_code) if code}
    await keys.lock(tx, Kind.UNIT, touched)
    standing = {row["code"]: row for row in await tx.all(_STANDING_UNITS)}
    news = rising(
        stated,
        key=lambda each: each.body.source_id,
        sequence=lambda each: each.sequence,
        standing={code: row["source_sequence"] for code, row in standing.items()},
    )
    ready, orphans = with_parents(
        last_of_each(news, key=lambda each: each.body.source_id),
        parent=lambda each: each.body.parent_code,
        known=standing,
    )
    await hold(tx, [(each, waiting_for(Kind.UNIT, bank_key(each.body.parent_code or ""))) for each in orphans])
    _refuse_circles(standing, ready)

    ids: dict[str, UUID] = {code: row["id"] for code, row in standing.items()}
    for each in ready:
        ids.setdefault(each.body.source_id, new_id())
    if not ready:
        return []
    await tx.execute(_PUT_UNITS, arrays(_UNIT_COLUMNS, [_unit_row(each, ids) for each in ready]))
    changed = [_unit_changed(each.body, ids) for each in ready]
    await put_units(tx, [ScopeUnit(event.unit_id, event.parent_id, event.active) for event in changed])
    for each, event in zip(ready, changed, strict=True):
        outbox.add(tx, event, at=each.message.time, cause=each.message)
    new = {bank_key(event.code): event.unit_id for event in changed if event.code not in standing}
    return await keys.arrive(tx, Kind.UNIT, new)


def _refuse_circles(standing: Mapping[str, Record], ready: Sequence[Statement[BankUnit]]) -> None:
    codes = {row["id"]: code for code, row in standing.items()}
    above: dict[str, str | None] = {code: codes.get(row["parent_id"]) for code, row in standing.items()}
    above.update({each.body.source_id: each.body.parent_code for each in ready})
    for each in ready:
        if each.body.source_id in standing and in_circle(each.body.source_id, above):
            raise Refused(f"the unit {each.body.source_id} would stand below itself")


def _unit_row(each: Statement[BankUnit], ids: dict[str, UUID]) -> tuple[object, ...]:
    body = each.body
    return (
        ids[body.source_id],
        body.source_id,
        body.name,
        body.kind,
        None if body.parent_code is None else ids[body.parent_code],
        body.division_code,
        body.active,
        body.source,
        each.sequence,
        each.message.time,
    )


def _unit_changed(body: BankUnit, ids: dict[str, UUID]) -> UnitChanged:
    return UnitChanged(
        unit_id=ids[body.source_id],
        code=body.source_id,
        name=body.name,
        kind=body.kind,
        parent_id=None if body.parent_code is None else ids[body.parent_code],
        active=body.active,
    )


async def state_staff(tx: Transaction, messages: Sequence[Message]) -> list[str]:
    """Take staff as the bank states them; gives the names under which messages wait for those that are new."""
    stated = statements_of(messages, BankStaff)
    unit_ids = await keys.find_or_await(tx, Kind.UNIT, {bank_key(each.body.unit_code) for each in stated})
    await hold(
        tx,
        [
            (each, waiting_for(Kind.UNIT, bank_key(each.body.unit_code)))
            for each in stated
            if bank_key(each.body.unit_code) not in unit_ids
        ],
    )
    placed = [each for each in stated if bank_key(each.body.unit_code) in unit_ids]
    numbers = {each.body.source_id for each in placed}
    await keys.lock(tx, Kind.STAFF, {bank_key(number) for number in numbers})
    rows = await tx.all(_STANDING_STAFF, {"staff_numbers": list(numbers)})
    standing = {row["staff_number"]: row for row in rows}
    news = rising(
        placed,
        key=lambda each: each.body.source_id,
        sequence=lambda each: each.sequence,
        standing={number: row["source_sequence"] for number, row in standing.items()},
    )
    new: dict[SourceKey, UUID] = {}
    for number, each in last_of_each(news, key=lambda each: each.body.source_id).items():
        known = standing.get(number)
        staff_id: UUID = known["id"] if known else each.body.staff_id or new_id()
        await _put_staff_member(tx, each, staff_id, unit_ids[bank_key(each.body.unit_code)])
        if known is None:
            new[bank_key(number)] = staff_id
    return await keys.arrive(tx, Kind.STAFF, new)


async def _put_staff_member(tx: Transaction, each: Statement[BankStaff], staff_id: UUID, unit_id: UUID) -> None:
    body = each.body
    # One statement for each: roles are a list, which `unnest` would flatten, and staff come by the hundred.
    await tx.execute(
        _PUT_STAFF_MEMBER,
        {
            "id": staff_id,
            "staff_number": body.source_id,
            "name": body.name,
            "unit_id": unit_id,
            "roles": list(body.roles),
            "active": body.active,
            "source": body.source,
            "source_sequence": each.sequence,
            "stated_at": each.message.time,
        },
    )
    await put_staff(tx, [ScopeStaff(staff_id, unit_id, body.active)])
    changed = StaffChanged(
        staff_id=staff_id, staff_number=body.source_id, unit_id=unit_id, roles=body.roles, active=body.active
    )
    outbox.add(tx, changed, at=each.message.time, cause=each.message)
