"""Reads of webhooks and their deliveries. They belong to no unit: operators see all."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from sqlalchemy import Select, bindparam, func, select

from kehu_chassis.database import Record, Transaction
from kehu_chassis.problems import NotFound
from kehu_gateway.webhooks.tables import webhook_deliveries, webhooks

__all__ = ["all_webhooks", "deliveries", "lock_webhook", "read_webhook"]


def _count(state: str) -> Any:
    return (
        select(func.count())
        .where(webhook_deliveries.c.webhook_id == webhooks.c.webhook_id, webhook_deliveries.c.state == state)
        .scalar_subquery()
        .label(state)
    )


_SHOWN: Final = select(
    webhooks,
    webhooks.c.previous_until.label("previous_secret_until"),
    _count("pending"),
    _count("dead"),
)
_ONE: Final = _SHOWN.where(webhooks.c.webhook_id == bindparam("webhook_id"))
_LOCK: Final = select(webhooks).where(webhooks.c.webhook_id == bindparam("webhook_id")).with_for_update()


async def all_webhooks(tx: Transaction) -> list[Record]:
    """Every endpoint, by name."""
    return await tx.all(_SHOWN.order_by(webhooks.c.name, webhooks.c.webhook_id))


async def read_webhook(tx: Transaction, webhook_id: UUID) -> Record:
    """One endpoint.

    Raises:
        NotFound: there is none.
    """
    return _found(await tx.first(_ONE, {"webhook_id": webhook_id}))


async def lock_webhook(tx: Transaction, webhook_id: UUID) -> Record:
    """One endpoint, locked until the transaction ends.

    Raises:
        NotFound: there is none.
    """
    return _found(await tx.first(_LOCK, {"webhook_id": webhook_id}))


def deliveries(webhook_id: UUID, state: str | None) -> Select[Any]:
    """A statement for the deliveries of an endpoint, for `paging.keyset` over `delivery_id`."""
    columns = [column for column in webhook_deliveries.c if column.name != "body"]
    statement = select(*columns).where(webhook_deliveries.c.webhook_id == webhook_id)
    return statement if state is None else statement.where(webhook_deliveries.c.state == state)


def _found(row: Record | None) -> Record:
    if row is None:
        raise NotFound
    return row
