"""Business actions on ownership: it begins with registration, and one owner follows another without a gap."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import ARRAY, DateTime, Uuid, and_, bindparam, select, update
from sqlalchemy.dialects.postgresql import insert

from kehu_chassis import audit, outbox
from kehu_chassis.auth import Principal
from kehu_chassis.columns import Text
from kehu_chassis.database import Record, Transaction
from kehu_chassis.http import check_version
from kehu_chassis.problems import NotFound
from kehu_chassis.scope import within_scope_subject
from kehu_chassis.scope_facts import ScopeSubject, put_subjects
from kehu_contracts.customer import OwnershipChanged
from kehu_customer.ownership import queries
from kehu_customer.ownership.rules import Interval, Succession, succeed
from kehu_customer.ownership.tables import ownerships
from kehu_customer.parties.drafts import RegisteredParty
from kehu_customer.parties.state import emit_state
from kehu_customer.parties.tables import customers
from kehu_customer.rows import arrays, given

__all__ = ["OwnerChange", "change_owner", "change_owners", "open_ownership"]


@dataclass(frozen=True, slots=True)
class OwnerChange:
    """Who shall own a customer: a unit, and a primary relationship manager or the unit's pool (None)."""

    customer_id: UUID
    unit_id: UUID
    primary_rm_id: UUID | None


_COLUMNS: Final = ("customer_id", "unit_id", "primary_rm_id", "valid_from", "reason", "actor", "recorded_at")
_opened = given(
    "given",
    customer_id=Uuid,
    unit_id=Uuid,
    primary_rm_id=Uuid,
    valid_from=DateTime(timezone=True),
    reason=Text,
    actor=Text,
    recorded_at=DateTime(timezone=True),
)
_OPEN: Final = insert(ownerships).from_select(list(_COLUMNS), select(*(_opened.c[name] for name in _COLUMNS)))

_closed = given("given", customer_id=Uuid, valid_until=DateTime(timezone=True))
_CLOSE: Final = (
    update(ownerships)
    .values(valid_until=_closed.c.valid_until)
    .where(ownerships.c.customer_id == _closed.c.customer_id, ownerships.c.valid_until.is_(None))
)

_corrected = given("given", customer_id=Uuid, unit_id=Uuid, primary_rm_id=Uuid, reason=Text, actor=Text)
_CORRECT: Final = (
    update(ownerships)
    .values({name: _corrected.c[name] for name in ("unit_id", "primary_rm_id", "reason", "actor")})
    .where(ownerships.c.customer_id == _corrected.c.customer_id, ownerships.c.valid_until.is_(None))
)

_LOCK: Final = (
    select(
        customers.c.id,
        customers.c.survivor_id,
        customers.c.version,
        ownerships.c.unit_id,
        ownerships.c.primary_rm_id,
        ownerships.c.valid_from,
    )
    .select_from(
        customers.outerjoin(
            ownerships, and_(ownerships.c.customer_id == customers.c.id, ownerships.c.valid_until.is_(None))
        )
    )
    .where(customers.c.id == bindparam("customer_ids", type_=ARRAY(Uuid)).any_(), within_scope_subject(customers.c.id))
    .order_by(customers.c.id)
    .with_for_update(of=customers)
)

_owners = given("given", id=Uuid, unit_id=Uuid, primary_rm_id=Uuid)
_PUT_OWNERS: Final = (
    update(customers)
    .values(
        unit_id=_owners.c.unit_id,
        primary_rm_id=_owners.c.primary_rm_id,
        version=customers.c.version + 1,
        updated_at=bindparam("at", type_=DateTime(timezone=True)),
    )
    .where(customers.c.id == _owners.c.id)
)


async def open_ownership(
    tx: Transaction, registered: Collection[RegisteredParty], *, at: datetime, actor: str = "registration"
) -> None:
    """Begin the history of customers that have just been registered; one without a unit has no owner yet."""
    rows = [
        (party.customer_id, party.unit_id, party.primary_rm_id, at, "registered", actor, at)
        for party in registered
        if party.unit_id is not None
    ]
    if rows:
        await tx.execute(_OPEN, arrays(_COLUMNS, rows))


async def change_owners(
    tx: Transaction, changes: Sequence[OwnerChange], *, reason: str, actor: str, at: datetime
) -> int:
    """Hand customers to their new owners from `at` on, and tell how many changed hands.

    A customer that is not there, or not in the caller's reach, is left alone.
    """
    wanted = {change.customer_id: change for change in changes}
    rows = await tx.all(_LOCK, {"customer_ids": list(wanted)})
    moved: list[tuple[OwnerChange, Succession, UUID]] = []
    for row in rows:
        change = wanted[row["id"]]
        succession = _succession(row, change, at)
        if succession is not None:
            moved.append((change, succession, row["survivor_id"]))
    if not moved:
        return 0
    await _write_history(tx, moved, reason=reason, actor=actor, at=at)
    owners = [(change.customer_id, change.unit_id, change.primary_rm_id) for change, _, _ in moved]
    await tx.execute(_PUT_OWNERS, {"at": at, **arrays(("id", "unit_id", "primary_rm_id"), owners)})
    await put_subjects(
        tx,
        [
            ScopeSubject(change.customer_id, survivor_id, change.unit_id, change.primary_rm_id)
            for change, _, survivor_id in moved
        ],
    )
    for change, succession, _ in moved:
        interval = succession.opened or succession.corrected
        assert interval is not None
        changed = OwnershipChanged(
            customer_id=change.customer_id,
            unit_id=change.unit_id,
            primary_rm_id=change.primary_rm_id,
            effective_from=interval.valid_from,
        )
        outbox.add(tx, changed, at=at)
    await emit_state(tx, [change.customer_id for change, _, _ in moved], at=at)
    return len(moved)


def _succession(row: Record, change: OwnerChange, at: datetime) -> Succession | None:
    if row["valid_from"] is None:
        return Succession(None, None, Interval(change.unit_id, change.primary_rm_id, at))
    standing = Interval(row["unit_id"], row["primary_rm_id"], row["valid_from"])
    return succeed(standing, change.unit_id, change.primary_rm_id, at)


async def _write_history(
    tx: Transaction,
    moved: Sequence[tuple[OwnerChange, Succession, UUID]],
    *,
    reason: str,
    actor: str,
    at: datetime,
) -> None:
    closed, corrected, opened = [], [], []
    for change, succession, _ in moved:
        if succession.closed is not None:
            closed.append((change.customer_id, succession.closed.valid_until))
        if succession.corrected is not None:
            corrected.append((change.customer_id, change.unit_id, change.primary_rm_id, reason, actor))
        if succession.opened is not None:
            begin = succession.opened.valid_from
            opened.append((change.customer_id, change.unit_id, change.primary_rm_id, begin, reason, actor, at))
    if closed:
        await tx.execute(_CLOSE, arrays(("customer_id", "valid_until"), closed))
    if corrected:
        names = ("customer_id", "unit_id", "primary_rm_id", "reason", "actor")
        await tx.execute(_CORRECT, arrays(names, corrected))
    if opened:
        await tx.execute(_OPEN, arrays(_COLUMNS, opened))


async def change_owner(  # noqa: PLR0913  who did what to whom, when and why
    tx: Transaction, change: OwnerChange, *, expected_version: int, reason: str, actor: Principal, at: datetime
) -> queries.Ownership:
    """Hand one customer to another owner, on behalf of a person.

    Raises:
        NotFound: there is no such customer in the caller's reach.
        PreconditionFailed: somebody else changed the customer in between.
        ValidationProblem: the unit or the manager cannot own the customer.
    """
    rows = await tx.all(_LOCK, {"customer_ids": [change.customer_id]})
    if not rows:
        raise NotFound
    check_version(rows[0]["version"], expected_version)
    await queries.check_owner(tx, change.unit_id, change.primary_rm_id)
    if await change_owners(tx, [change], reason=reason, actor=actor.subject, at=at):
        await audit.record(
            tx,
            actor=actor,
            action="ownership.changed",
            resource=("customer", change.customer_id),
            at=at,
            details={"unit_id": str(change.unit_id), "primary_rm_id": str(change.primary_rm_id)},
            reason=reason,
        )
    return await queries.ownership(tx, change.customer_id)
