"""Messages as a broker would give them, and their delivery without one."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from kehu_chassis.clock import Clock
from kehu_chassis.columns import new_id
from kehu_chassis.database import Database
from kehu_chassis.delivery import Delivery
from kehu_chassis.message import Message
from kehu_chassis.subscription import Subscription
from kehu_contracts.base import Contract, Event, Inbound

__all__ = ["Deliver", "outbox_events"]


class Deliver:
    """Brings events to a subscription through the real inbox: `await deliver(subscription, [event, …])`.

    It numbers the events of each topic and subject as their sender would. A `Message` given instead of an event is
    delivered as it is, so a test can repeat, reorder or spoil what `message` made.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._sequences: defaultdict[tuple[str, str], int] = defaultdict(int)

    async def __call__(self, subscription: Subscription, items: Sequence[Contract | Message]) -> list[Message]:
        """Deliver in one batch, and tell the messages that were delivered."""
        messages = [item if isinstance(item, Message) else self.message(item) for item in items]
        await Delivery(self._database, subscription, self._clock).batch(messages)
        return messages

    async def settle(self, subscription: Subscription) -> int:
        """Do what operators have asked for: redrives and skips."""
        return await Delivery(self._database, subscription, self._clock).settle()

    def message(self, contract: Contract, **changes: Any) -> Message:
        """The message that tells an event, with the next sequence of its subject; `changes` replace its fields."""
        if isinstance(contract, Event):
            subject, key, source = str(contract.subject_id()), str(contract.key_id()), "urn:kehu:elsewhere"
        elif isinstance(contract, Inbound):
            subject = key = contract.source_id
            source = f"urn:bank:{contract.source}"
        else:
            raise TypeError(f"{type(contract).__name__} is neither an event nor an inbound message")
        place = contract.topic, subject
        self._sequences[place] += 1
        made = Message(
            id=new_id(),
            type=contract.event_type,
            source=source,
            subject=subject,
            time=self._clock.now(),
            sequence=self._sequences[place],
            key=key,
            body=contract.model_dump_json().encode(),
            topic=contract.topic,
        )
        return replace(made, **changes)


async def outbox_events(database: Database, event_type: type[Contract] | None = None) -> list[dict[str, Any]]:
    """What waits in the outbox, in its order: headers as columns, the body as parsed JSON under `data`."""
    async with database.begin(read_only=True) as tx:
        rows = await tx.connection.fetch("SELECT * FROM outbox ORDER BY position")
    events = [{**row, "data": json.loads(row["body"])} for row in rows]
    return [event for event in events if event_type is None or event["type"] == event_type.event_type]
