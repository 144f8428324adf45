"""The customer as other services need it, told again after every change."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from itertools import groupby
from typing import Any, Final
from uuid import UUID

from kehu_chassis import outbox
from kehu_chassis.database import Transaction
from kehu_contracts.codes import Channel, ConsentStatus, Purpose
from kehu_contracts.customer import CustomerState, StandingConsent
from kehu_customer.consents.rules import Standing, channel_status, most_restrictive

__all__ = ["emit_state", "group_consents"]

# A group is a survivor and all that are merged into it: their consents are read together.
STATES: Final = """
SELECT c.id, c.customer_number, c.kind, c.status, c.gender, c.birth_year, c.unit_id, c.primary_rm_id, c.survivor_id,
       c.customer_since, members.ids AS members, consents.standing
FROM customers c
CROSS JOIN LATERAL (
    SELECT array_agg(m.id) AS ids
    FROM (SELECT c.survivor_id AS id
          UNION SELECT o.id FROM customers o WHERE o.survivor_id = c.survivor_id AND o.survivor_id <> o.id) m
) members
CROSS JOIN LATERAL (
    SELECT coalesce(jsonb_agg(jsonb_build_array(s.purpose, s.channel, s.customer_id, s.target_id, s.status, s.effective_at)
                              ORDER BY s.purpose, s.channel), '[]') AS standing
    FROM standing_consents s WHERE s.customer_id = ANY (members.ids)
) consents
WHERE c.id = ANY ($1::uuid[])
ORDER BY c.id
"""


def group_consents(standing: Collection[list[Any]], members: Collection[UUID]) -> tuple[StandingConsent, ...]:
    """The consents in force of parties that are one, from rows ordered by purpose and channel.

    Each row is [purpose, channel, customer_id, target_id, status, effective_at] as JSON gives it.
    """
    found = []
    for (purpose, channel), rows in groupby(standing, key=lambda row: (row[0], row[1])):
        by_party: dict[str, list[Standing]] = {str(member): [] for member in members}
        for _, _, customer_id, target_id, status, effective_at in rows:
            moment = datetime.fromisoformat(effective_at)
            by_party[customer_id].append(Standing(UUID(target_id), ConsentStatus(status), moment))
        held = most_restrictive(channel_status(standings) for standings in by_party.values())
        if held is not None:
            found.append(StandingConsent(purpose=Purpose(purpose), channel=Channel(channel), status=held))
    return tuple(found)


def state_of(row: Mapping[str, Any]) -> CustomerState:
    """The state event of a row of `STATES`."""
    return CustomerState(
        customer_id=row["id"],
        customer_number=row["customer_number"],
        kind=row["kind"],
        status=row["status"],
        gender=row["gender"],
        birth_year=row["birth_year"],
        unit_id=row["unit_id"],
        primary_rm_id=row["primary_rm_id"],
        survivor_id=row["survivor_id"],
        customer_since=row["customer_since"],
        consents=group_consents(row["standing"], row["members"]),
    )


async def emit_state(tx: Transaction, customer_ids: Collection[UUID], *, at: datetime) -> None:
    """Tell how these customers now stand. Call it after the rows are written, in the same transaction."""
    if not tx.side_effects or not customer_ids:
        return
    for row in await tx.connection.fetch(STATES, list(customer_ids)):
        outbox.add(tx, state_of(row), at=at)
