"""Kafka: the organisation tree and who works where, for reach."""

from __future__ import annotations

from collections.abc import Sequence

from kehu_chassis.database import Transaction
from kehu_chassis.message import Message
from kehu_chassis.scope_facts import ScopeStaff, ScopeUnit, put_staff, put_units
from kehu_chassis.subscription import Subscription
from kehu_contracts.organization import StaffChanged, UnitChanged

__all__ = ["organization"]


async def _project(tx: Transaction, messages: Sequence[Message]) -> None:
    events = [message.parse() for message in messages]
    units = [event for event in events if isinstance(event, UnitChanged)]
    staff = [event for event in events if isinstance(event, StaffChanged)]
    await put_units(tx, [ScopeUnit(unit.unit_id, unit.parent_id, unit.active) for unit in units])
    await put_staff(tx, [ScopeStaff(member.staff_id, member.unit_id, member.active) for member in staff])


organization = Subscription(
    name="organization",
    topics=(UnitChanged.topic,),
    handle=_project,
    types=(UnitChanged, StaffChanged),
    projection_tables=("scope_units", "scope_staff"),
)
