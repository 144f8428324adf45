"""What happens to messages: queued with their decision, handed to the channel, reported on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import bindparam, delete, func, insert, select, update

from kehu_campaigns.delivery import rules
from kehu_campaigns.delivery.channels import OutboundMessage
from kehu_campaigns.delivery.tables import messages, simulated_steps
from kehu_campaigns.delivery.templates import SALUTATIONS, render
from kehu_campaigns.gate.service import Decided, Resolution
from kehu_campaigns.gate.tables import customers
from kehu_campaigns.plans.tables import campaigns
from kehu_campaigns.response import service as response
from kehu_chassis import outbox
from kehu_chassis.columns import new_id
from kehu_chassis.database import Record, Transaction
from kehu_chassis.scope import scope_subjects
from kehu_contracts.campaign import ContactDeliveryChanged
from kehu_contracts.codes import Channel, DecisionOutcome, DeliveryState

__all__ = ["StateReport", "mark_handed_in", "outbound", "queue_messages", "queued_messages", "report", "take_reports"]

StateReport = tuple[UUID, DeliveryState, datetime]
"""Message, state it reached, and when."""
_Moved = tuple[Mapping[str, Any], DeliveryState, datetime]
"""The same with the message's row."""


async def queue_messages(
    tx: Transaction, campaign: Mapping[str, Any], decided: Sequence[Decided], *, now: datetime
) -> int:
    """Queue one message for each allowed decision, in the transaction of the decisions; tells how many."""
    rows = [
        {
            "id": new_id(),
            "decision_id": made.decision_id,
            "campaign_id": campaign["id"],
            "customer_id": made.customer_id,
            "channel": campaign["channel"],
            "state": DeliveryState.QUEUED,
            "queued_at": now,
        }
        for made in decided
        if made.outcome is DecisionOutcome.ALLOWED
    ]
    if rows:
        await tx.execute_many(_QUEUE, rows)
    for row in rows:
        _changed(tx, row | {"code": campaign["code"]}, DeliveryState.QUEUED, now)
    return len(rows)


async def queued_messages(tx: Transaction, campaign_id: UUID, *, limit: int) -> list[Record]:
    """The next messages to hand in, without a lock, with the customer's number and survivor."""
    statement = (
        select(
            messages.c.id,
            messages.c.customer_id,
            func.coalesce(scope_subjects.c.survivor_id, messages.c.customer_id).label("survivor_id"),
            customers.c.customer_number,
        )
        .select_from(
            messages.outerjoin(customers, customers.c.customer_id == messages.c.customer_id).outerjoin(
                scope_subjects, scope_subjects.c.subject_id == messages.c.customer_id
            )
        )
        .where(messages.c.campaign_id == campaign_id, messages.c.state == DeliveryState.QUEUED)
        .order_by(messages.c.id)
        .limit(limit)
    )
    return await tx.all(statement)


def outbound(
    campaign: Mapping[str, Any], waiting: Sequence[Mapping[str, Any]], answers: Mapping[UUID, Resolution]
) -> tuple[list[OutboundMessage], dict[UUID, str]]:
    """Messages that may go, and the reason for each that may not after all; those without an answer are in neither."""
    ready: list[OutboundMessage] = []
    withdrawn: dict[UUID, str] = {}
    for row in waiting:
        answer = answers.get(row["survivor_id"])
        if answer is None:
            continue
        if answer.refusal is not None:
            withdrawn[row["id"]] = answer.refusal
            continue
        values = {
            "salutation": SALUTATIONS.get(answer.language, SALUTATIONS["zh"]),
            "product": campaign["product_code"],
            "campaign": campaign["code"],
        }
        seed = (campaign["code"], row["customer_number"] or str(row["customer_id"]))
        ready.append(OutboundMessage(row["id"], answer.address, render(campaign["message"], values), seed))
    return ready, withdrawn


async def mark_handed_in(
    tx: Transaction, handed_in: Sequence[UUID], withdrawn: Mapping[UUID, str], *, now: datetime
) -> None:
    """Note which messages the channel took, and which did not go since the customer service said no at the last moment."""
    rows = await _lock(tx, [*handed_in, *withdrawn])
    queued = [row for row in rows if row["state"] == DeliveryState.QUEUED]
    await _move(tx, [(row, DeliveryState.SENT, now) for row in queued if row["id"] not in withdrawn])
    refused = [row for row in queued if row["id"] in withdrawn]
    await _move(tx, [(row, DeliveryState.FAILED, now) for row in refused], failures=withdrawn)


async def take_reports(
    tx: Transaction, batch_id: UUID, *, until: datetime
) -> tuple[list[StateReport], datetime | None]:
    """What the simulator has to report about a batch until a moment, and when it will have more to tell."""
    due = delete(simulated_steps).where(simulated_steps.c.batch_id == batch_id, simulated_steps.c.at <= until)
    rows = await tx.all(due.returning(simulated_steps.c.message_id, simulated_steps.c.state, simulated_steps.c.at))
    later: datetime | None = await tx.scalar(
        select(func.min(simulated_steps.c.at)).where(simulated_steps.c.batch_id == batch_id)
    )
    reports = [(row["message_id"], DeliveryState(row["state"]), row["at"]) for row in rows]
    return sorted(reports, key=lambda told: (told[2], told[0])), later


async def report(tx: Transaction, reports: Sequence[StateReport]) -> None:
    """Take a provider's word on messages. A state that a message has passed is told again without effect.

    A provider may be faster than our own note that it took the message; the note is then made up for.
    """
    rows = {row["id"]: dict(row) for row in await _lock(tx, [message_id for message_id, _, _ in reports])}
    moves: list[_Moved] = []
    arrived: list[UUID] = []
    for message_id, state, at in reports:
        row = rows[message_id]
        if row["state"] == DeliveryState.QUEUED and state is not DeliveryState.FAILED:
            moves.append((row, DeliveryState.SENT, at))
            row["state"] = DeliveryState.SENT
        try:
            rules.advance(DeliveryState(row["state"]), state)
        except rules.DeliveryRefused:
            continue
        moves.append((row, state, at))
        row["state"] = state
        if state is DeliveryState.DELIVERED:
            arrived.append(message_id)
    await _move(tx, moves)
    if arrived:
        await _note_exposure(tx, arrived)
        await response.attribute(tx, sorted({rows[message_id]["customer_id"] for message_id in arrived}))


async def _lock(tx: Transaction, message_ids: Sequence[UUID]) -> list[Record]:
    statement = (
        select(messages, campaigns.c.code)
        .join(campaigns, campaigns.c.id == messages.c.campaign_id)
        .where(messages.c.id.in_(list(message_ids)))
        .order_by(messages.c.id)
        .with_for_update(of=messages)
    )
    return await tx.all(statement)


async def _move(tx: Transaction, moves: Sequence[_Moved], *, failures: Mapping[UUID, str] | None = None) -> None:
    # In the order in which a message passes its states, whatever the order of the moves: the last is to stand.
    for reached, statement in _MOVES.items():
        await tx.execute_many(
            statement,
            [
                {"message_id": row["id"], "state": state, "at": at, "failure": (failures or {}).get(row["id"])}
                for row, state, at in moves
                if state is reached
            ],
        )
    for row, state, at in moves:
        _changed(tx, row, state, at)


async def _note_exposure(tx: Transaction, message_ids: Sequence[UUID]) -> None:
    """Write down who is responsible for the customer at this moment: success is credited to them."""
    subject, standing = scope_subjects.alias("subject"), scope_subjects.alias("standing")
    statement = (
        update(messages)
        .where(
            messages.c.id.in_(list(message_ids)),
            subject.c.subject_id == messages.c.customer_id,
            standing.c.subject_id == subject.c.survivor_id,
        )
        .values(unit_id=standing.c.unit_id, rm_id=standing.c.manager_id)
    )
    await tx.execute(statement)


def _changed(tx: Transaction, row: Mapping[str, Any], state: DeliveryState, at: datetime) -> None:
    event = ContactDeliveryChanged(
        campaign_id=row["campaign_id"],
        campaign_code=row["code"],
        customer_id=row["customer_id"],
        message_id=row["id"],
        channel=Channel(row["channel"]),
        state=state,
        changed_at=at,
    )
    outbox.add(tx, event, at=at)


_QUEUE: Final = insert(messages).values(
    {
        name: bindparam(name)
        for name in ("id", "decision_id", "campaign_id", "customer_id", "channel", "state", "queued_at")
    }
)
_MOVES: Final = {
    state: update(messages)
    .where(messages.c.id == bindparam("message_id"))
    .values({"state": bindparam("state"), f"{state}_at": bindparam("at"), "failure": bindparam("failure")})
    for state in DeliveryState
    if state is not DeliveryState.QUEUED
}
