"""Reads of campaigns, each with the caller's scope."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from sqlalchemy import bindparam, select

from kehu_campaigns.plans.rules import CampaignState
from kehu_campaigns.plans.tables import campaigns
from kehu_chassis.database import Record, Transaction
from kehu_chassis.paging import PageQuery, PageRows, keyset, page_rows
from kehu_chassis.problems import NotFound
from kehu_chassis.scope import scope_staff, scope_units, within_scope

__all__ = ["find_campaign", "list_campaigns", "lock_campaign", "own_unit", "shape", "unit_in_reach"]


_CAMPAIGN: Final = select(campaigns).where(
    campaigns.c.id == bindparam("campaign_id"), within_scope(campaigns.c.unit_id)
)
# Its id never changes, so rows that refer to it may be written meanwhile.
_LOCKED_CAMPAIGN: Final = _CAMPAIGN.with_for_update(key_share=True)
_OWN_UNIT: Final = select(scope_staff.c.unit_id).where(
    scope_staff.c.staff_id == bindparam("staff_id"), scope_staff.c.active
)
_UNIT_IN_REACH: Final = select(scope_units.c.unit_id).where(
    scope_units.c.unit_id == bindparam("unit_id"), scope_units.c.active, within_scope(scope_units.c.unit_id)
)


async def find_campaign(tx: Transaction, campaign_id: UUID) -> Record:
    """The campaign's row.

    Raises:
        NotFound: there is none in the caller's scope.
    """
    row = await tx.first(_CAMPAIGN, {"campaign_id": campaign_id})
    if row is None:
        raise NotFound
    return row


async def lock_campaign(tx: Transaction, campaign_id: UUID) -> Record:
    """The campaign's row, locked until the transaction ends.

    Raises:
        NotFound: there is none in the caller's scope.
    """
    row = await tx.first(_LOCKED_CAMPAIGN, {"campaign_id": campaign_id})
    if row is None:
        raise NotFound
    return row


async def list_campaigns(
    tx: Transaction, page: PageQuery, *, state: CampaignState | None, unit_id: UUID | None
) -> PageRows:
    """Campaigns of the units in reach, the newest first."""
    statement = select(campaigns).where(within_scope(campaigns.c.unit_id))
    if state is not None:
        statement = statement.where(campaigns.c.state == state)
    if unit_id is not None:
        statement = statement.where(campaigns.c.unit_id == unit_id)
    rows = await tx.all(keyset(statement, (campaigns.c.created_at, campaigns.c.id), page, descending=True))
    found = page_rows(rows, page, ("created_at", "id"))
    return {"items": [shape(row) for row in found["items"]], "next_cursor": found["next_cursor"]}


async def own_unit(tx: Transaction, staff_id: UUID) -> UUID | None:
    """The unit that a member of staff works in."""
    unit_id: UUID | None = await tx.scalar(_OWN_UNIT, {"staff_id": staff_id})
    return unit_id


async def unit_in_reach(tx: Transaction, unit_id: UUID) -> bool:
    """Whether the caller may act for the unit."""
    return await tx.first(_UNIT_IN_REACH, {"unit_id": unit_id}) is not None


def shape(row: Mapping[str, Any]) -> dict[str, Any]:
    """A campaign's row as the answer has it."""
    audience = {
        "any_of": row["segments_any"],
        "all_of": row["segments_all"],
        "none_of": row["segments_none"],
        "customers_of_unit_id": row["customers_of_unit_id"],
    }
    return {**row, "audience": audience}
