"""Facts whose parent has not arrived wait here until it has.

A handler that finds an account's party missing parks the message under a name of what it waits for
(`party:core-banking/4711`), and the handler that creates the party releases what waits for it and applies it, in the
order in which it was parked. Parked messages count as handled: nothing waits behind them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from kehu_chassis import metrics
from kehu_chassis.clock import technical_now
from kehu_chassis.database import Transaction
from kehu_chassis.message import COLUMNS, Message, from_row

__all__ = ["park", "release"]

_PARK: Final = f"""
INSERT INTO parked_messages (waiting_for, parked_at, {", ".join(f'"{name}"' for name in COLUMNS)})
VALUES ({", ".join(f"${number + 1}" for number in range(len(COLUMNS) + 2))})
ON CONFLICT (waiting_for, id) DO NOTHING
"""  # noqa: S608  names of columns only

_RELEASE: Final = """
WITH released AS (DELETE FROM parked_messages WHERE waiting_for = ANY ($1::text[]) RETURNING *)
SELECT * FROM released ORDER BY parked_id
"""


async def park(tx: Transaction, waiting: Iterable[tuple[Message, str]]) -> None:
    """Keep messages, each with the name of what it waits for, e.g. `account:core-banking/123`."""
    now = technical_now()
    rows = [(name, now, *(getattr(message, column) for column in COLUMNS)) for message, name in waiting]
    if rows:
        await tx.connection.executemany(_PARK, rows)
        metrics.PARKED.labels(direction="in").inc(len(rows))


async def release(tx: Transaction, *, waiting_for: Sequence[str]) -> list[Message]:
    """Take the messages that wait for any of these, in the order in which they were parked."""
    if not waiting_for:
        return []
    rows = await tx.connection.fetch(_RELEASE, list(waiting_for))
    metrics.PARKED.labels(direction="out").inc(len(rows))
    return [from_row(row) for row in rows]
