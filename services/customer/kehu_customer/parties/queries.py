"""SELECTs on parties that take the caller's scope. The statements stand at module level, so that each is compiled once."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import cache
from typing import Any, Final
from uuid import UUID

from sqlalchemy import BindParameter, ColumnElement, Select, Uuid, bindparam, select

from kehu_chassis.database import Record, Transaction
from kehu_chassis.paging import PageQuery, Pages
from kehu_chassis.problems import NotFound
from kehu_chassis.scope import scope_staff, scope_units, within_scope, within_scope_subject
from kehu_contracts.codes import CustomerStatus, PartyKind
from kehu_customer.parties.tables import contact_points, customers, party_names

__all__ = [
    "CustomerFilter",
    "customers_by_id",
    "is_known",
    "list_contact_points",
    "list_customers",
    "list_names",
    "lock_customer",
    "read_customer",
    "unit_of_staff",
    "units_below",
]

# Who was erased is known to nobody: the row stays for what refers to it, without a key.
is_known: Final = customers.c.wrapped_key != b""
_one_customer = select(customers).where(
    customers.c.id == bindparam("customer_id"), is_known, within_scope_subject(customers.c.id)
)
_one_customer_locked = _one_customer.with_for_update()
# What a list shows, and what opens the name; a customer that is merged into no other belongs to its own unit, so that an
# index on the unit serves the scope.
_listed = select(
    customers.c.id,
    customers.c.customer_number,
    customers.c.kind,
    customers.c.status,
    customers.c.gender,
    customers.c.birth_year,
    customers.c.unit_id,
    customers.c.primary_rm_id,
    customers.c.survivor_id,
    customers.c.customer_since,
    customers.c.version,
    customers.c.key_id,
    customers.c.wrapped_key,
    customers.c.name_sealed,
).where(customers.c.survivor_id == customers.c.id, is_known, within_scope(customers.c.unit_id))
_names_of = (
    select(party_names)
    .where(party_names.c.customer_id == bindparam("customer_id"), party_names.c.ended_at.is_(None))
    .order_by(party_names.c.id)
)
_contact_points_of = (
    select(contact_points)
    .where(contact_points.c.customer_id == bindparam("customer_id"), contact_points.c.ended_at.is_(None))
    .order_by(contact_points.c.is_primary.desc(), contact_points.c.id)
)
_unit_of_staff = select(scope_staff.c.unit_id).where(
    scope_staff.c.staff_id == bindparam("staff_id"), scope_staff.c.active
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerFilter:
    """Which customers a list shows; those merged into another are left out."""

    unit_id: UUID | None = None
    primary_rm_id: UUID | None = None
    kind: PartyKind | None = None
    status: CustomerStatus | None = None

    def given(self) -> dict[str, Any]:
        """What is asked for, by name."""
        wanted = {
            "unit_id": self.unit_id,
            "primary_rm_id": self.primary_rm_id,
            "kind": self.kind,
            "status": self.status,
        }
        return {name: value for name, value in wanted.items() if value is not None}


def units_below(unit_id: UUID | BindParameter[UUID]) -> Select[Any]:
    """The ids of a unit and of all below it."""
    top = scope_units.alias("top")
    below = scope_units.alias("below")
    return select(below.c.unit_id).where(top.c.unit_id == unit_id, below.c.path.op("<@")(top.c.path))


async def read_customer(tx: Transaction, customer_id: UUID) -> Record:
    """The customer's row.

    Raises:
        NotFound: there is none in the caller's scope.
    """
    row = await tx.first(_one_customer, {"customer_id": customer_id})
    if row is None:
        raise NotFound
    return row


async def lock_customer(tx: Transaction, customer_id: UUID) -> Record:
    """The customer's row, held until the transaction ends.

    Raises:
        NotFound: there is none in the caller's scope.
    """
    row = await tx.first(_one_customer_locked, {"customer_id": customer_id})
    if row is None:
        raise NotFound
    return row


async def customers_by_id(tx: Transaction, customer_ids: Collection[UUID]) -> dict[UUID, Record]:
    """The rows of those customers that the caller reaches."""
    statement = select(customers).where(
        customers.c.id.in_(list(customer_ids)), is_known, within_scope_subject(customers.c.id)
    )
    rows: list[Any] = await tx.all(statement)
    return {row["id"]: row for row in rows}


async def list_customers(tx: Transaction, wanted: CustomerFilter, page: PageQuery) -> list[Record]:
    """A page of customers, the newest first."""
    given = wanted.given()
    return await _pages_by(tuple(given)).read(tx, page, given)


@cache
def _pages_by(names: tuple[str, ...]) -> Pages:
    conditions: dict[str, ColumnElement[bool]] = {
        # A unit stands for itself and all below it.
        "unit_id": customers.c.unit_id.in_(units_below(bindparam("unit_id", type_=Uuid))),
        "primary_rm_id": customers.c.primary_rm_id == bindparam("primary_rm_id"),
        "kind": customers.c.kind == bindparam("kind"),
        "status": customers.c.status == bindparam("status"),
    }
    return Pages(_listed.where(*(conditions[name] for name in names)), (customers.c.id,), descending=True)


async def list_names(tx: Transaction, customer_id: UUID) -> list[Record]:
    """The names of a customer that the caller has been found to reach."""
    return await tx.all(_names_of, {"customer_id": customer_id})


async def list_contact_points(tx: Transaction, customer_id: UUID) -> list[Record]:
    """The contact points in use of a customer that the caller has been found to reach, the primary ones first."""
    return await tx.all(_contact_points_of, {"customer_id": customer_id})


async def unit_of_staff(tx: Transaction, staff_id: UUID) -> UUID | None:
    """The unit that an active member of staff works in."""
    found: UUID | None = await tx.scalar(_unit_of_staff, {"staff_id": staff_id})
    return found
