"""A message of the bank beside what it says, so that both can be carried through a batch together."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from kehu_chassis.database import Transaction
from kehu_chassis.message import Message
from kehu_chassis.parking import park
from kehu_contracts.base import Inbound
from kehu_customer.sources.keys import SourceKey

__all__ = ["Statement", "hold", "statements_of"]

Body = TypeVar("Body", bound=Inbound)


# Not frozen, as messages are not: there are as many of them.
@dataclass(slots=True)
class Statement(Generic[Body]):
    """What a source said, and the message it said it in; not changed once made."""

    message: Message
    body: Body
    key: SourceKey = field(init=False)
    """The thing that the statement is about, in the words of its source."""
    sequence: int = field(init=False)
    """Rises with every statement about the thing."""

    def __post_init__(self) -> None:
        self.key = SourceKey(self.body.source, self.body.source_id)
        self.sequence = self.message.sequence


def statements_of(messages: Iterable[Message], contract: type[Body]) -> list[Statement[Body]]:
    """The messages that are of the contract, read."""
    read = ((message, message.parse()) for message in messages)
    return [Statement(message, body) for message, body in read if isinstance(body, contract)]


async def hold(tx: Transaction, waiting: Iterable[tuple[Statement[Body], str]]) -> None:
    """Park statements until what they wait for (see `keys.waiting_for`) has arrived."""
    await park(tx, [(statement.message, reason) for statement, reason in waiting])
