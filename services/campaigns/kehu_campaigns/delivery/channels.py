"""Channels: how a message leaves the bank. The simulator ships by default; others implement the same protocol."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol
from uuid import UUID

from sqlalchemy import ARRAY, Uuid, bindparam, func, select
from sqlalchemy.dialects.postgresql import insert

from kehu_campaigns.delivery.rules import SimulatedBehaviour, simulated_steps
from kehu_campaigns.delivery.tables import simulated_sends
from kehu_campaigns.delivery.tables import simulated_steps as steps_table
from kehu_chassis import timers
from kehu_chassis.columns import new_id
from kehu_chassis.database import Database

__all__ = ["REPORT", "ChannelAdapter", "OutboundMessage", "SimulatorChannel"]

REPORT: Final = "simulator.report"
"""The timer by which the simulator reports what became of messages."""


@dataclass(frozen=True, slots=True)
class OutboundMessage:
    """A message ready to go. `address` and `text` are personal data: they are handed on and kept nowhere."""

    message_id: UUID
    address: str
    text: str
    seed: tuple[str, ...]
    """What decides the simulator's outcome; a real provider does not look at it."""


class ChannelAdapter(Protocol):
    """Hands messages to a provider. Idempotent by message id: the same message handed in twice reaches the customer once."""

    async def send(self, messages: Sequence[OutboundMessage], *, at: datetime) -> None:
        """Hand messages in; raises when the provider did not take them, and then all may be handed in again."""
        ...


class SimulatorChannel:
    """A provider that reaches nobody: it takes messages and reports delivery, opening and clicks as real ones do."""

    def __init__(self, database: Database, behaviour: SimulatedBehaviour) -> None:
        self._database = database
        self._behaviour = behaviour

    async def send(self, messages: Sequence[OutboundMessage], *, at: datetime) -> None:
        """Take messages in one transaction of its own; those it has taken before are left as they are."""
        async with self._database.begin() as tx:
            taken = {
                row["message_id"]
                for row in await tx.all(
                    _ACCEPT, {"message_ids": [message.message_id for message in messages], "accepted_at": at}
                )
            }
            batch_id = new_id()
            planned = [
                (message.message_id, step)
                for message in messages
                if message.message_id in taken
                for step in simulated_steps(self._behaviour, seed=message.seed, sent_at=at)
            ]
            if planned:
                await tx.execute_many(
                    _PLAN,
                    [
                        {"batch_id": batch_id, "message_id": message_id, "state": step.state, "at": step.at}
                        for message_id, step in planned
                    ],
                )
                await timers.schedule(tx, due_at=min(step.at for _, step in planned), kind=REPORT, key=str(batch_id))


_ACCEPT: Final = (
    insert(simulated_sends)
    .from_select(
        ["message_id", "accepted_at"],
        select(
            func.unnest(bindparam("message_ids", type_=ARRAY(Uuid))).column_valued("message_id"),
            bindparam("accepted_at", type_=simulated_sends.c.accepted_at.type),
        ),
    )
    .on_conflict_do_nothing()
    .returning(simulated_sends.c.message_id)
)
_PLAN: Final = insert(steps_table).values(
    batch_id=bindparam("batch_id"), message_id=bindparam("message_id"), state=bindparam("state"), at=bindparam("at")
)
