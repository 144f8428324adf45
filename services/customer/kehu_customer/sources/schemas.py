"""Answers about source records."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from kehu_chassis.schemas import Id, Out

__all__ = ["SourceRecordOut", "SourceRecordsOut"]


class SourceRecordOut(Out):
    """What a key of a source means. `statement` is a party's last message as it came: its identity stays encrypted."""

    kind: Literal["party", "account"]
    source: str
    source_id: str
    customer_id: Id | None
    account_id: Id | None
    source_sequence: int
    stated_at: datetime
    statement: dict[str, Any] | None


class SourceRecordsOut(Out):
    """What is known under one key."""

    items: list[SourceRecordOut]
    next_cursor: str | None
