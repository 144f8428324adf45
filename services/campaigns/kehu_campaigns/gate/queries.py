"""What the gate reads: facts about customers, with the merged profiles of each party together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ARRAY, Uuid, and_, bindparam, case, exists, func, literal_column, or_, select, union
from sqlalchemy.dialects.postgresql import insert

from kehu_campaigns.audience.tables import members
from kehu_campaigns.gate.rules import Reason
from kehu_campaigns.gate.tables import complaints, contact_locks, customers, decisions
from kehu_campaigns.plans.tables import campaigns
from kehu_chassis.columns import Text
from kehu_chassis.database import Record, Transaction
from kehu_chassis.paging import PageQuery, PageRows, keyset, page_rows
from kehu_chassis.problems import NotFound
from kehu_chassis.scope import scope_subjects, within_scope, within_scope_subject
from kehu_contracts.codes import CustomerStatus, DecisionOutcome, PartyKind, Purpose

__all__ = [
    "Standing",
    "audience_groups",
    "campaign_to_ask_about",
    "concerns",
    "list_decisions",
    "lock_parties",
    "require_customer",
    "standings_of",
    "survivors_of",
]


@dataclass(frozen=True, slots=True)
class Standing:
    """What the projections tell about one customer's party."""

    survivor_id: UUID
    deceased: bool
    closed: bool
    youngest_birth_year: int | None
    consents: bool
    open_complaint: bool
    contacts_in_window: int


_ids: Final = bindparam("customer_ids", type_=ARRAY(Uuid))
_asked: Final = select(func.unnest(_ids).column_valued("customer_id").label("customer_id")).cte("asked")
_party: Final = (
    select(
        _asked.c.customer_id,
        func.coalesce(scope_subjects.c.survivor_id, _asked.c.customer_id, type_=Uuid).label("survivor_id"),
    )
    .select_from(_asked.outerjoin(scope_subjects, scope_subjects.c.subject_id == _asked.c.customer_id))
    .cte("party")
)
_profile: Final = union(
    select(_party.c.customer_id, _party.c.survivor_id, scope_subjects.c.subject_id.label("profile_id")).join(
        scope_subjects, scope_subjects.c.survivor_id == _party.c.survivor_id
    ),
    select(_party.c.customer_id, _party.c.survivor_id, _party.c.customer_id.label("profile_id")),
).cte("profile")

_complains: Final = exists(
    select(complaints.c.complaint_id).where(
        complaints.c.customer_id == _profile.c.profile_id,
        or_(complaints.c.open, complaints.c.changed_at > bindparam("rested_since", type_=complaints.c.changed_at.type)),
    )
)
_contacts: Final = (
    select(func.count())
    .where(
        decisions.c.customer_id == _profile.c.profile_id,
        # Written out and not given as values, so that every plan may use the partial index.
        decisions.c.outcome == literal_column(f"'{DecisionOutcome.ALLOWED}'"),
        decisions.c.purpose == literal_column(f"'{Purpose.MARKETING}'"),
        decisions.c.decided_at > bindparam("counted_since", type_=decisions.c.decided_at.type),
    )
    .correlate(_profile)
    .scalar_subquery()
)
_key: Final = bindparam("consent", type_=Text)
_survivor: Final = customers.c.customer_id == _profile.c.survivor_id
_STANDINGS: Final = (
    select(
        _profile.c.customer_id,
        _profile.c.survivor_id,
        func.bool_or(customers.c.status == CustomerStatus.DECEASED).label("deceased"),
        func.bool_or(and_(_survivor, customers.c.status == CustomerStatus.CLOSED)).label("closed"),
        func.max(case((customers.c.kind == PartyKind.INDIVIDUAL, customers.c.birth_year))).label("birth_year"),
        func.bool_or(_key == func.any(customers.c.granted)).label("granted"),
        func.bool_or(_key == func.any(customers.c.withdrawn)).label("withdrawn"),
        func.bool_or(_complains).label("complains"),
        func.sum(_contacts).label("contacts"),
    )
    .select_from(_profile.outerjoin(customers, customers.c.customer_id == _profile.c.profile_id))
    .group_by(_profile.c.customer_id, _profile.c.survivor_id)
)


async def standings_of(
    tx: Transaction,
    customer_ids: Sequence[UUID],
    *,
    consent: str,
    counted_since: datetime,
    rested_since: datetime,
) -> dict[UUID, Standing]:
    """What is known of each customer.

    Args:
        tx: the transaction.
        customer_ids: whom is asked about.
        consent: `purpose:channel`. Of several profiles of a party, the most restrictive counts.
        counted_since: contacts after it count towards the cap.
        rested_since: complaints that changed after it count as open.
    """
    rows = await tx.all(
        _STANDINGS,
        {
            "customer_ids": list(customer_ids),
            "consent": consent,
            "counted_since": counted_since,
            "rested_since": rested_since,
        },
    )
    return {row["customer_id"]: _standing(row) for row in rows}


def _standing(row: Record) -> Standing:
    return Standing(
        survivor_id=row["survivor_id"],
        deceased=bool(row["deceased"]),
        closed=bool(row["closed"]),
        youngest_birth_year=row["birth_year"],
        consents=bool(row["granted"]) and not row["withdrawn"],
        open_complaint=row["complains"],
        contacts_in_window=int(row["contacts"]),
    )


async def survivors_of(tx: Transaction, customer_ids: Sequence[UUID]) -> dict[UUID, UUID]:
    """Whom each customer is merged into; itself when it is not merged or not known."""
    statement = select(_party.c.customer_id, _party.c.survivor_id)
    rows = await tx.all(statement, {"customer_ids": list(customer_ids)})
    return {row["customer_id"]: row["survivor_id"] for row in rows}


async def audience_groups(
    tx: Transaction, campaign_id: UUID, survivor_ids: Sequence[UUID]
) -> dict[UUID, dict[UUID, Reason | None]]:
    """Of each party that has several profiles: its members of the audience, with the reason of their decision."""
    statement = (
        select(scope_subjects.c.survivor_id, members.c.customer_id, decisions.c.reason)
        .join(members, members.c.customer_id == scope_subjects.c.subject_id)
        .outerjoin(
            decisions,
            and_(decisions.c.campaign_id == members.c.campaign_id, decisions.c.customer_id == members.c.customer_id),
        )
        .where(members.c.campaign_id == campaign_id, scope_subjects.c.survivor_id.in_(list(survivor_ids)))
    )
    groups: dict[UUID, dict[UUID, Reason | None]] = {}
    for row in await tx.all(statement):
        reason = None if row["reason"] is None else Reason(row["reason"])
        groups.setdefault(row["survivor_id"], {})[row["customer_id"]] = reason
    return groups


_LOCKED_IDS: Final = bindparam("parties", type_=ARRAY(Uuid))
_ADD_LOCKS: Final = (
    insert(contact_locks)
    .from_select(["customer_id"], select(func.unnest(_LOCKED_IDS).column_valued("party")))
    .on_conflict_do_nothing()
)
_TAKE_LOCKS: Final = (
    select(contact_locks.c.customer_id)
    .where(contact_locks.c.customer_id == func.any(_LOCKED_IDS))
    .order_by(contact_locks.c.customer_id)
    .with_for_update()
)


async def lock_parties(tx: Transaction, survivor_ids: Sequence[UUID]) -> None:
    """Wait until nobody else decides about these parties, and keep others waiting until the transaction ends.

    Always in the order of the ids: two transactions that share parties queue up and never block each other in a circle.
    """
    parties = {"parties": sorted(set(survivor_ids))}
    await tx.execute(_ADD_LOCKS, parties)
    await tx.all(_TAKE_LOCKS, parties)


async def require_customer(tx: Transaction, customer_id: UUID) -> None:
    """Refuse a customer that is unknown here or out of the caller's scope.

    Raises:
        NotFound: it is one of them.
    """
    # Asked of a table that row-level security guards, since what follows is read for everybody.
    statement = select(customers.c.customer_id).where(
        customers.c.customer_id == customer_id, within_scope_subject(customers.c.customer_id)
    )
    if await tx.first(statement) is None:
        raise NotFound


async def concerns(tx: Transaction, campaign_id: UUID, customer_id: UUID) -> bool:
    """Whether the caller may see the campaign, or reaches the customer as a member of its audience."""
    own = select(campaigns.c.id).where(campaigns.c.id == campaign_id, within_scope(campaigns.c.unit_id))
    chosen = select(members.c.campaign_id).where(
        members.c.campaign_id == campaign_id,
        members.c.customer_id == customer_id,
        within_scope_subject(members.c.customer_id),
    )
    return await tx.first(own) is not None or await tx.first(chosen) is not None


async def campaign_to_ask_about(tx: Transaction, campaign_id: UUID) -> Record:
    """A campaign, once it is known that the caller may ask about it."""
    return await tx.one(select(campaigns).where(campaigns.c.id == campaign_id))


async def list_decisions(tx: Transaction, campaign_id: UUID, page: PageQuery, *, reason: Reason | None) -> PageRows:
    """Decisions about customers in reach, the newest first."""
    statement: Any = select(decisions).where(
        decisions.c.campaign_id == campaign_id, within_scope_subject(decisions.c.customer_id)
    )
    if reason is not None:
        statement = statement.where(decisions.c.reason == reason)
    rows = await tx.all(keyset(statement, (decisions.c.id,), page, descending=True))
    return page_rows(rows, page, ("id",))
