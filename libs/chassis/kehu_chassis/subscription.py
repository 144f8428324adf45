"""What a feature consumes: topics, event types, a handler, and what happens to messages that it cannot handle."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal

from kehu_chassis.database import Transaction
from kehu_chassis.message import Message
from kehu_contracts.base import Contract

__all__ = ["Handler", "Subscription"]

Handler = Callable[["Transaction", Sequence[Message]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Subscription:
    """A named consumer of topics.

    `handle` gets new messages only, those of one subject in their order, and writes in the given transaction. It may be
    called again with the same messages after a rollback, and with one message at a time when a batch has failed.

    Args:
        name: unique in the service; names the consumer group and the inbox. Renaming it means consuming from the start.
        topics: by their names in the contracts.
        handle: applies messages; raises `Refused` for one that no retry can help.
        types: contracts that it wants; others on the topics are skipped and counted. Empty means all.
        poison: what happens to later messages of a key of which one is dead: `block_key` holds them back in order until
            the dead one is redriven or skipped, `skip` lets them pass.
        max_batch: most messages in one transaction.
        projection_tables: emptied and filled anew by `replay.rebuild`; empty when it cannot be replayed.
        retries: pauses before each new attempt of a failing message.
        dead_letter_limit: when more messages than this die within `dead_letter_window`, the consumer stops and says so:
            a bad deploy must not empty a topic.
    """

    name: str
    topics: tuple[str, ...]
    handle: Handler
    types: tuple[type[Contract], ...] = ()
    poison: Literal["block_key", "skip"] = "block_key"
    max_batch: int = 1_000
    projection_tables: tuple[str, ...] = ()
    retries: tuple[timedelta, ...] = (timedelta(seconds=0.1), timedelta(seconds=0.4), timedelta(seconds=1.5))
    dead_letter_limit: int = 20
    dead_letter_window: timedelta = timedelta(minutes=5)
    _wanted: frozenset[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_wanted", frozenset(contract.event_type for contract in self.types))

    def wants(self, message: Message) -> bool:
        """Whether the handler is to see the message; one that is no CloudEvent counts, so that it is not lost unseen."""
        return not self._wanted or message.type in self._wanted or message.problem is not None
