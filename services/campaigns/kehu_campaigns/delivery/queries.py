"""Reads of messages, with the caller's scope, and of campaigns for the worker."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import select

from kehu_campaigns.delivery.tables import messages
from kehu_campaigns.plans.tables import campaigns
from kehu_chassis.database import Record, Transaction
from kehu_chassis.paging import PageQuery, PageRows, keyset, page_rows
from kehu_chassis.scope import within_scope_subject
from kehu_contracts.codes import DeliveryState

__all__ = ["campaign_of", "list_messages"]


async def campaign_of(tx: Transaction, campaign_id: UUID, *, lock: bool = False) -> Record:
    """A campaign for the worker, which reaches all of them."""
    statement: Any = select(campaigns).where(campaigns.c.id == campaign_id)
    return await tx.one(statement.with_for_update(key_share=True) if lock else statement)


async def list_messages(
    tx: Transaction, campaign_id: UUID, page: PageQuery, *, state: DeliveryState | None
) -> PageRows:
    """Messages to customers in reach, the newest first."""
    statement: Any = select(messages).where(
        messages.c.campaign_id == campaign_id, within_scope_subject(messages.c.customer_id)
    )
    if state is not None:
        statement = statement.where(messages.c.state == state)
    rows = await tx.all(keyset(statement, (messages.c.id,), page, descending=True))
    return page_rows(rows, page, ("id",))
