"""Messages that could not be handled: kept with the reason, settled by an operator.

A dead letter is `open` until an operator asks to `redrive` or to `skip` it; the worker then settles it: it applies the
message again (or leaves it out), then those held behind it in their order, in one transaction. Asking twice is asking
once. A copy goes to the dead-letter topic with the transaction that buried the message.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Integer,
    LargeBinary,
    MetaData,
    Select,
    String,
    Table,
    Uuid,
    case,
    func,
    select,
    update,
)

from kehu_chassis import audit, metrics, outbox
from kehu_chassis.auth import Principal
from kehu_chassis.clock import technical_now
from kehu_chassis.columns import new_id
from kehu_chassis.database import Transaction
from kehu_chassis.message import COLUMNS, Message
from kehu_chassis.subscription import Subscription
from kehu_contracts.operations import MessageDied

__all__ = ["AlreadySettled", "NoSuchDeadLetter", "bury", "dead_letters", "find", "list_dead_letters", "redrive", "skip"]

UNSETTLED: Final = ("open", "redrive", "skip")

dead_letters = Table(
    "dead_letters",
    MetaData(),
    Column("dead_letter_id", Uuid, primary_key=True),
    Column("subscription", String),
    Column("state", String),
    Column("blocks_key", Boolean),
    Column("reason", String),
    Column("attempts", Integer),
    Column("died_at", DateTime(timezone=True)),
    Column("settled_at", DateTime(timezone=True)),
    Column("settled_by", String),
    Column("id", Uuid),
    Column("type", String),
    Column("source", String),
    Column("subject", String),
    Column("time", DateTime(timezone=True)),
    Column("sequence", BigInteger),
    Column("key", String),
    Column("body", LargeBinary),
    Column("topic", String),
    Column("partition", Integer),
    Column("offset", BigInteger),
    Column("traceparent", String),
)


class NoSuchDeadLetter(LookupError):
    """No dead letter has this id."""


class AlreadySettled(Exception):
    """The dead letter was settled the other way: redriven, so it cannot be skipped, or skipped."""


async def bury(  # noqa: PLR0913  what there is to tell of a death
    tx: Transaction,
    subscription: Subscription,
    message: Message,
    reason: str,
    *,
    at: datetime,
    attempts: int,
    keep_body: bool,
) -> UUID:
    """Keep a message that could not be handled and send a copy to the dead-letter topic."""
    letter = new_id()
    kept = {name: getattr(message, name) for name in COLUMNS}
    kept["body"] = message.body if keep_body else None
    await tx.execute(
        dead_letters.insert(),
        {
            "dead_letter_id": letter,
            "subscription": subscription.name,
            "state": "open",
            "blocks_key": subscription.poison == "block_key",
            "reason": reason,
            "attempts": attempts,
            "died_at": technical_now(),
            **kept,
        },
    )
    outbox.add(
        tx,
        MessageDied(
            dead_letter_id=letter,
            subscription=subscription.name,
            message_id=message.id,
            message_type=message.type,
            message_topic=message.topic,
            partition=message.partition,
            offset=message.offset,
            key=message.key,
            reason=reason,
            body=message.body.decode(errors="replace") if keep_body else None,
        ),
        at=at,
        cause=message,
    )
    metrics.DEAD_LETTERS.labels(subscription=subscription.name).inc()
    return letter


_HELD: Final = """
SELECT count(*) FROM held_messages WHERE subscription = $1 AND key = $2 AND cause = 'blocked'
"""


def list_dead_letters(*, state: str | None = None, subscription: str | None = None) -> Select[Any]:
    """A statement for dead letters without their bodies, for `paging.keyset` over `dead_letter_id`."""
    columns = [column for column in dead_letters.c if column.name != "body"]
    statement = select(*columns, dead_letters.c.body.is_not(None).label("has_body"))
    if state is not None:
        statement = statement.where(dead_letters.c.state == state)
    if subscription is not None:
        statement = statement.where(dead_letters.c.subscription == subscription)
    return statement


async def find(tx: Transaction, dead_letter_id: UUID) -> tuple[Mapping[str, Any], int]:
    """A dead letter and how many messages wait behind it.

    Raises:
        NoSuchDeadLetter: no dead letter has this id.
    """
    row = await tx.first(list_dead_letters().where(dead_letters.c.dead_letter_id == dead_letter_id))
    if row is None:
        raise NoSuchDeadLetter(dead_letter_id)
    held: int = await tx.connection.fetchval(_HELD, row["subscription"], row["key"])
    return row, held


async def redrive(
    tx: Transaction, dead_letter_id: UUID, *, actor: Principal | str, reason: str, at: datetime
) -> Mapping[str, Any]:
    """Ask the worker to apply the message again, then those held behind it. Asking twice is asking once.

    Raises:
        NoSuchDeadLetter: no dead letter has this id.
        AlreadySettled: it was skipped, or its body was not kept.
    """
    return await _ask(tx, dead_letter_id, "redrive", actor=actor, reason=reason, at=at)


async def skip(
    tx: Transaction, dead_letter_id: UUID, *, actor: Principal | str, reason: str, at: datetime
) -> Mapping[str, Any]:
    """Ask the worker to leave the message out and to apply those held behind it. Asking twice is asking once.

    Raises:
        NoSuchDeadLetter: no dead letter has this id.
        AlreadySettled: it was redriven.
    """
    return await _ask(tx, dead_letter_id, "skip", actor=actor, reason=reason, at=at)


async def _ask(  # noqa: PLR0913  as the two that call it
    tx: Transaction, dead_letter_id: UUID, wish: str, *, actor: Principal | str, reason: str, at: datetime
) -> Mapping[str, Any]:
    row = await tx.first(list_dead_letters().where(dead_letters.c.dead_letter_id == dead_letter_id).with_for_update())
    if row is None:
        raise NoSuchDeadLetter(dead_letter_id)
    if row["state"] in {wish, "redriven" if wish == "redrive" else "skipped"}:
        return row
    if row["state"] != "open" or (wish == "redrive" and not row["has_body"]):
        raise AlreadySettled(row["state"])
    await tx.execute(
        update(dead_letters).where(dead_letters.c.dead_letter_id == dead_letter_id),
        {"state": wish, "settled_by": actor if isinstance(actor, str) else actor.subject},
    )
    await audit.record(
        tx,
        actor=actor,
        action=f"dead_letter.{wish}_requested",
        resource=("dead_letter", dead_letter_id),
        at=at,
        details={"subscription": row["subscription"], "message_id": str(row["id"]), "type": row["type"]},
        reason=reason,
    )
    return {**row, "state": wish}


def settled(dead_letter_id: UUID) -> Any:
    """The statement that closes a dead letter the way that was asked for. Run by the worker's delivery alone."""
    return (
        update(dead_letters)
        .where(dead_letters.c.dead_letter_id == dead_letter_id)
        .values(
            state=case((dead_letters.c.state == "redrive", "redriven"), else_="skipped"), settled_at=technical_now()
        )
    )


def reopened(dead_letter_id: UUID, reason: str) -> Any:
    """The statement that notes one more failure. Run by the worker's delivery alone."""
    return (
        update(dead_letters)
        .where(dead_letters.c.dead_letter_id == dead_letter_id)
        .values(state="open", settled_by=None, reason=reason, attempts=dead_letters.c.attempts + 1)
    )


def deaths_since(subscription: Subscription, since: datetime) -> Select[Any]:
    """How many of a subscription's messages died since a moment (technical time)."""
    return (
        select(func.count())
        .select_from(dead_letters)
        .where(dead_letters.c.subscription == subscription.name, dead_letters.c.died_at > since)
    )
