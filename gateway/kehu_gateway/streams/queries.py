"""Reads of the log, in the caller's scope."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from sqlalchemy import bindparam, or_, select
from sqlalchemy.dialects.postgresql import ARRAY, TEXT

from kehu_chassis.database import Record, Transaction
from kehu_chassis.scope import within_scope_subject
from kehu_contracts.access import Permission
from kehu_gateway.streams.rules import Cursor
from kehu_gateway.streams.tables import live_events

__all__ = ["PAGE", "holds", "newest", "page"]

PAGE: Final = 200

_columns = live_events.c
_PAGE: Final = (
    select(live_events)
    .where(
        _columns.position > bindparam("after"),
        _columns.position <= bindparam("upto"),
        _columns.permission == bindparam("permissions", type_=ARRAY(TEXT)).any_(),
        or_(_columns.scope_subject_id.is_(None), within_scope_subject(_columns.scope_subject_id)),
    )
    .order_by(_columns.position)
    .limit(PAGE)
)
_NEWEST: Final = select(_columns.position, _columns.event_id).order_by(_columns.position.desc()).limit(1)
_AT: Final = select(_columns.event_id).where(_columns.position == bindparam("position"))


async def page(tx: Transaction, after: int, upto: int, permissions: Iterable[Permission]) -> list[Record]:
    """The next events that the caller may see, at most `PAGE` of them."""
    allowed = [permission.value for permission in permissions]
    return await tx.all(_PAGE, {"after": after, "upto": upto, "permissions": allowed})


async def newest(tx: Transaction) -> Cursor:
    """The end of the log. Needs a transaction that reaches everything."""
    row: Any = await tx.first(_NEWEST)
    return Cursor.of(0, None) if row is None else Cursor.of(row["position"], row["event_id"])


async def holds(tx: Transaction, cursor: Cursor) -> bool:
    """Whether everything after a cursor is still kept. Needs a transaction that reaches everything."""
    event_id = await tx.scalar(_AT, {"position": cursor.position})
    return event_id is not None and Cursor.of(cursor.position, event_id) == cursor
