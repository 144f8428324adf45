"""SELECTs on consents, in the caller's scope."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Select, bindparam, select

from kehu_chassis.database import Record, Transaction
from kehu_chassis.paging import PageQuery, PageRows, keyset, page_rows
from kehu_chassis.scope import within_scope_subject
from kehu_contracts.codes import Channel, Purpose
from kehu_contracts.customer import StandingConsent
from kehu_customer.consents.tables import consent_entries, standing_consents
from kehu_customer.parties.state import group_consents
from kehu_customer.parties.tables import contact_points, customers

__all__ = ["consents_in_force", "contact_points_of", "groups", "list_entries", "lock_contact_point", "standings"]

# A survivor and all that are merged into it, with what stands for each.
IN_FORCE: Final = """
WITH members AS (
    SELECT $1::uuid AS id UNION SELECT id FROM customers WHERE survivor_id = $1 AND survivor_id <> id
)
SELECT (SELECT array_agg(id ORDER BY id) FROM members) AS members,
       (SELECT coalesce(jsonb_agg(jsonb_build_array(s.purpose, s.channel, s.customer_id, s.target_id, s.status,
                                                    s.effective_at) ORDER BY s.purpose, s.channel), '[]')
        FROM standing_consents s JOIN members ON members.id = s.customer_id) AS standing
"""

_contact_point = select(contact_points).where(
    contact_points.c.id == bindparam("contact_point_id"),
    contact_points.c.customer_id == bindparam("customer_id"),
    contact_points.c.ended_at.is_(None),
)


async def consents_in_force(tx: Transaction, survivor_id: UUID) -> tuple[list[UUID], tuple[StandingConsent, ...]]:
    """Who is merged into a customer that the caller reaches (itself too), and what stands for all of them together."""
    row = await tx.connection.fetchrow(IN_FORCE, survivor_id)
    return row["members"], group_consents(row["standing"], row["members"])


async def list_entries(tx: Transaction, customer_id: UUID, page: PageQuery) -> PageRows:
    """The ledger of one customer, the newest entry first."""
    own = consent_entries.c.customer_id == customer_id
    statement = select(consent_entries).where(own, within_scope_subject(consent_entries.c.customer_id))
    return page_rows(await tx.all(keyset(statement, (consent_entries.c.id,), page, descending=True)), page, ("id",))


async def lock_contact_point(tx: Transaction, customer_id: UUID, contact_point_id: UUID) -> Record | None:
    """A contact point in use of a customer that is locked."""
    return await tx.first(_contact_point, {"customer_id": customer_id, "contact_point_id": contact_point_id})


def _group(customer_ids: Collection[UUID]) -> Select[Any]:
    asked = customers.alias("asked")
    return select(asked.c.survivor_id).where(asked.c.id.in_(list(customer_ids)))


async def groups(tx: Transaction, customer_ids: Collection[UUID]) -> list[Any]:
    """The customers asked for, and all that are one party with any of them."""
    survivors = _group(customer_ids)
    # Two branches, so that each can use an index: the survivors themselves, and those merged into them.
    own = select(customers).where(customers.c.id.in_(survivors), within_scope_subject(customers.c.id))
    merged = select(customers).where(
        customers.c.survivor_id.in_(survivors),
        customers.c.survivor_id != customers.c.id,
        within_scope_subject(customers.c.id),
    )
    return await tx.all(own.union_all(merged))


async def standings(tx: Transaction, customer_ids: Collection[UUID], purpose: Purpose, channel: Channel) -> list[Any]:
    """What stands for these customers on one purpose and channel."""
    return await tx.all(
        select(standing_consents).where(
            standing_consents.c.customer_id.in_(list(customer_ids)),
            standing_consents.c.purpose == purpose,
            standing_consents.c.channel == channel,
            within_scope_subject(standing_consents.c.customer_id),
        )
    )


async def contact_points_of(tx: Transaction, customer_ids: Collection[UUID], contact_type: str) -> list[Any]:
    """Contact points of one type in use of these customers."""
    return await tx.all(
        select(contact_points).where(
            contact_points.c.customer_id.in_(list(customer_ids)),
            contact_points.c.type == contact_type,
            contact_points.c.ended_at.is_(None),
            within_scope_subject(contact_points.c.customer_id),
        )
    )
