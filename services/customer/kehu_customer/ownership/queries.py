"""What is asked about ownership, in the caller's scope."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from sqlalchemy import Uuid, bindparam, desc, select

from kehu_chassis.database import Record, Transaction
from kehu_chassis.problems import FieldProblem, NotFound, ValidationProblem
from kehu_chassis.scope import scope_units, within_scope, within_scope_subject
from kehu_contracts.access import Role
from kehu_customer.organization.tables import staff, units
from kehu_customer.ownership.tables import ownerships
from kehu_customer.parties.tables import customers

__all__ = ["Ownership", "check_owner", "ownership"]


@dataclass(frozen=True, slots=True)
class Ownership:
    """Who owns a customer, and who did: newest first."""

    customer_id: UUID
    version: int
    unit_id: UUID | None
    primary_rm_id: UUID | None
    history: Sequence[Record]


_CUSTOMER: Final = select(customers.c.id, customers.c.version, customers.c.unit_id, customers.c.primary_rm_id).where(
    customers.c.id == bindparam("customer_id", type_=Uuid), within_scope_subject(customers.c.id)
)

_HISTORY: Final = (
    select(
        ownerships.c.unit_id,
        units.c.code.label("unit_code"),
        units.c.name.label("unit_name"),
        ownerships.c.primary_rm_id,
        staff.c.staff_number.label("primary_rm_number"),
        staff.c.name.label("primary_rm_name"),
        ownerships.c.valid_from,
        ownerships.c.valid_until,
        ownerships.c.reason,
        ownerships.c.actor,
    )
    .select_from(
        ownerships.join(units, units.c.id == ownerships.c.unit_id).outerjoin(
            staff, staff.c.id == ownerships.c.primary_rm_id
        )
    )
    .where(
        ownerships.c.customer_id == bindparam("customer_id", type_=Uuid), within_scope_subject(ownerships.c.customer_id)
    )
    .order_by(desc(ownerships.c.valid_from))
)

_UNIT: Final = select(units.c.id).where(
    units.c.id == bindparam("unit_id", type_=Uuid), units.c.active, within_scope(units.c.id)
)

_own = scope_units.alias("own")
_managers = scope_units.alias("managers")
_MANAGER: Final = (
    select(staff.c.roles)
    .join(_managers, _managers.c.unit_id == staff.c.unit_id)
    .join(_own, _managers.c.path.op("<@", is_comparison=True)(_own.c.path))
    .where(
        staff.c.id == bindparam("staff_id", type_=Uuid),
        staff.c.active,
        _own.c.unit_id == bindparam("unit_id", type_=Uuid),
    )
)


async def ownership(tx: Transaction, customer_id: UUID) -> Ownership:
    """Who owns a customer now, and the whole history.

    Raises:
        NotFound: there is no such customer in the caller's reach.
    """
    customer = await tx.first(_CUSTOMER, {"customer_id": customer_id})
    if customer is None:
        raise NotFound
    return Ownership(
        customer_id=customer["id"],
        version=customer["version"],
        unit_id=customer["unit_id"],
        primary_rm_id=customer["primary_rm_id"],
        history=await tx.all(_HISTORY, {"customer_id": customer_id}),
    )


async def check_owner(tx: Transaction, unit_id: UUID, primary_rm_id: UUID | None) -> None:
    """Whether a unit, and a manager who works in it or below it, may own a customer.

    Raises:
        ValidationProblem: names the field.
    """
    if await tx.first(_UNIT, {"unit_id": unit_id}) is None:
        raise ValidationProblem(errors=[_NO_UNIT])
    if primary_rm_id is None:
        return
    manager = await tx.first(_MANAGER, {"staff_id": primary_rm_id, "unit_id": unit_id})
    if manager is None or Role.RELATIONSHIP_MANAGER not in manager["roles"]:
        raise ValidationProblem(errors=[_NO_MANAGER])


_NO_UNIT: Final[FieldProblem] = {
    "pointer": "/unit_id",
    "code": "ownership.unit",
    "detail": "There is no such unit that is active and within your reach",
    "detail_zh": "该机构不存在、已停用或不在您的管辖范围内",
}
_NO_MANAGER: Final[FieldProblem] = {
    "pointer": "/primary_rm_id",
    "code": "ownership.manager",
    "detail": "There is no such active relationship manager in the unit or below it",
    "detail_zh": "该机构及其下级机构中没有该在职客户经理",
}
