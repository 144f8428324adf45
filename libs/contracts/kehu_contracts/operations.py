"""`kehu.dead-letter.v1`: messages that a service could not handle, and why."""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

from kehu_contracts.base import Event

__all__ = ["MessageDied"]


class MessageDied(Event):
    """A message was given up; an operator redrives or skips it. `body` is absent where it must not be kept."""

    event_type: ClassVar[str] = "kehu.operations.message_died"
    topic: ClassVar[str] = "kehu.dead-letter.v1"

    dead_letter_id: UUID
    subscription: str
    message_id: UUID
    message_type: str
    message_topic: str
    partition: int
    offset: int
    key: str
    reason: str
    body: str | None

    def subject_id(self) -> UUID:
        """The dead letter."""
        return self.dead_letter_id
