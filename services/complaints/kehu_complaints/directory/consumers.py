"""Kafka: units and staff of the bank, and which unit each customer belongs to."""

from __future__ import annotations

from collections.abc import Sequence

from kehu_chassis.database import Transaction
from kehu_chassis.message import Message
from kehu_chassis.scope_facts import ScopeStaff, ScopeSubject, ScopeUnit, put_staff, put_subjects, put_units
from kehu_chassis.subscription import Subscription
from kehu_contracts.customer import CustomerState
from kehu_contracts.organization import StaffChanged, UnitChanged

__all__ = ["CUSTOMERS", "ORGANIZATION"]


async def _put_organization(tx: Transaction, messages: Sequence[Message]) -> None:
    events = [message.parse() for message in messages]
    units = [event for event in events if isinstance(event, UnitChanged)]
    staff = [event for event in events if isinstance(event, StaffChanged)]
    await put_units(tx, [ScopeUnit(unit.unit_id, unit.parent_id, unit.active) for unit in units])
    await put_staff(tx, [ScopeStaff(member.staff_id, member.unit_id, member.active) for member in staff])


async def _put_customers(tx: Transaction, messages: Sequence[Message]) -> None:
    states = [event for message in messages if isinstance(event := message.parse(), CustomerState)]
    await put_subjects(
        tx,
        [ScopeSubject(state.customer_id, state.survivor_id, state.unit_id, state.primary_rm_id) for state in states],
    )


ORGANIZATION = Subscription(
    name="complaints-organization",
    topics=("kehu.organization.v1",),
    types=(UnitChanged, StaffChanged),
    handle=_put_organization,
    projection_tables=("scope_units", "scope_staff"),
)
CUSTOMERS = Subscription(
    name="complaints-customers",
    topics=("kehu.customer-state.v1",),
    types=(CustomerState,),
    handle=_put_customers,
    projection_tables=("scope_subjects",),
)
