"""Seals audit rows into a hash chain outside the write path, and tells where the chain was broken.

A row is sealed once every transaction that began to write before it has ended, so that none can slip in front of it: the
order is that in which transactions began to write, and one that began after another had committed stands behind it. Each
seal is the hash of the row and the seal before. What was changed, removed, put in or put elsewhere is found by `verify`.
Whoever may write to the tables could also compute all seals anew, or cut off the chain's end; therefore its head is
noted in the ledger from time to time (`anchor`), and `verify` compares.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final, Literal
from uuid import UUID

from pydantic_core import to_json

from kehu_chassis.audit import audit
from kehu_chassis.database import Database, Transaction
from kehu_chassis.ledger import Ledger

__all__ = ["ANCHORED", "RESTORED", "Anchor", "Break", "Verdict", "anchor", "anchors", "head", "seal", "verify"]

ANCHORED: Final = "audit.anchored"
RESTORED: Final = "audit.restored"
"""A restore took the chain back: what was anchored behind its position holds no more."""

_LOCK: Final = "SELECT pg_advisory_xact_lock(hashtextextended(current_schema() || ':audit', 0))"
_HEAD: Final = "SELECT position, transaction_id, hash FROM audit_seals ORDER BY position DESC LIMIT 1"
# Rows of transactions that began before the oldest one still under way can no longer be joined by earlier ones. A
# restored database counts transactions anew: so it is the last seal that says where to go on, not the greatest number.
_UNSEALED: Final = """
SELECT a.* FROM audit a
WHERE a.transaction_id < pg_snapshot_xmin(pg_current_snapshot())::text::bigint AND a.transaction_id >= $2
  AND NOT EXISTS (SELECT FROM audit_seals s WHERE s.audit_id = a.audit_id)
ORDER BY a.transaction_id, a.audit_id
LIMIT $1
"""
_UNSEALED_AT_REST: Final = """
SELECT a.* FROM audit a WHERE NOT EXISTS (SELECT FROM audit_seals s WHERE s.audit_id = a.audit_id)
ORDER BY a.recorded_at, a.transaction_id, a.audit_id
LIMIT $1
"""
_SEAL: Final = """
INSERT INTO audit_seals (position, audit_id, transaction_id, hash)
SELECT * FROM unnest($1::bigint[], $2::uuid[], $3::bigint[], $4::bytea[])
"""
_SEALED: Final = """
SELECT s.position, s.hash AS seal, s.audit_id AS sealed_id, a.* FROM audit_seals s
LEFT JOIN audit a ON a.audit_id = s.audit_id
WHERE s.position > $1 ORDER BY s.position LIMIT $2
"""
# Sealing never leaves a row behind: one without a seal before the last that has one was put in later.
_PUT_IN: Final = """
SELECT a.audit_id, a.action FROM audit a
WHERE a.transaction_id < $1 AND NOT EXISTS (SELECT FROM audit_seals s WHERE s.audit_id = a.audit_id)
ORDER BY a.transaction_id, a.audit_id LIMIT 1
"""
_LINKED: Final = tuple(column.name for column in audit.columns)


async def seal(database: Database, *, batch: int = 5000, at_rest: bool = False) -> int:
    """Chain the rows that can be chained, oldest first; tells how many. One process at a time does this.

    `at_rest` is for a restored database that nobody else has opened: all rows are sealed, in the order of recording.
    """
    async with database.begin() as tx:
        connection = tx.connection
        await connection.execute(_LOCK)
        end = await connection.fetchrow(_HEAD)
        position, previous, last = (end["position"], end["hash"], end["transaction_id"]) if end else (0, b"", 0)
        rows = await (
            connection.fetch(_UNSEALED_AT_REST, batch) if at_rest else connection.fetch(_UNSEALED, batch, last)
        )
        hashes: list[bytes] = []
        for row in rows:
            previous = _link(previous, row)
            hashes.append(previous)
        if rows:
            await connection.execute(
                _SEAL,
                list(range(position + 1, position + 1 + len(rows))),
                [row["audit_id"] for row in rows],
                [row["transaction_id"] for row in rows],
                hashes,
            )
        return len(rows)


@dataclass(frozen=True, slots=True)
class Anchor:
    """The head of a chain as it once was, noted outside the database."""

    position: int
    hash: str


async def head(tx: Transaction) -> Anchor:
    """Where the chain ends; position 0 when nothing was sealed yet."""
    row = await tx.connection.fetchrow(_HEAD)
    return Anchor(row["position"], row["hash"].hex()) if row else Anchor(0, "")


async def anchor(tx: Transaction, ledger: Ledger, *, since: int = 0) -> int:
    """Note the chain's head in the ledger when it stands behind a position; tells where it stands."""
    end = await head(tx)
    if end.position <= since:
        return since
    await asyncio.to_thread(ledger.note, ANCHORED, position=end.position, hash=end.hash)
    return end.position


def anchors(ledger: Ledger) -> list[Anchor]:
    """The anchors that hold, by position: a restore voids those behind the position to which it went back."""
    found: dict[int, Anchor] = {}
    for note in ledger.read(ANCHORED, RESTORED):
        if note["kind"] == RESTORED:
            found = {position: held for position, held in found.items() if position <= note["kept"]}
        found[note["position"]] = Anchor(note["position"], note["hash"])
    return [found[position] for position in sorted(found)]


@dataclass(frozen=True, slots=True)
class Break:
    """The first place where the chain does not hold.

    `changed`: the row is not the one that was sealed; `removed`: row or seal is gone; `reordered`: it was sealed at
    another place; `put_in`: it was never sealed, though later ones were; `cut_off`: the chain once was longer;
    `replaced`: all hashes fit, but they are not those that were anchored.
    """

    position: int
    what: Literal["changed", "removed", "reordered", "put_in", "cut_off", "replaced"]
    audit_id: UUID | None = None
    action: str | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """How far the chain holds: seals checked, anchors met, and the first break (None: it holds)."""

    checked: int
    anchored: int
    broken: Break | None


async def verify(tx: Transaction, held: Sequence[Anchor] = (), *, batch: int = 5000) -> Verdict:
    """Recompute the whole chain from the rows as they stand, and compare it with what was anchored."""
    position, previous, last, met = 0, b"", 0, 0
    expected = {each.position: each.hash for each in held}
    while rows := await tx.connection.fetch(_SEALED, position, batch):
        for place, row in enumerate(rows):
            broken = _broken(previous, position + 1, row, rows[place:])
            if broken is None and expected.get(row["position"], row["seal"].hex()) != row["seal"].hex():
                broken = Break(row["position"], "replaced", row["audit_id"], row["action"])
            if broken is not None:
                return Verdict(position, met, broken)
            met += row["position"] in expected
            position, previous, last = row["position"], row["seal"], row["transaction_id"]
    missing = next((each for each in held if each.position > position), None)
    if missing is not None:
        return Verdict(position, met, Break(position + 1, "cut_off"))
    stray = await tx.connection.fetchrow(_PUT_IN, last)
    broken = Break(position + 1, "put_in", stray["audit_id"], stray["action"]) if stray else None
    return Verdict(position, met, broken)


def _broken(
    previous: bytes, position: int, row: Mapping[str, Any], following: Iterable[Mapping[str, Any]]
) -> Break | None:
    """What is wrong at this position; None when the row and its seal fit to the seal before."""
    if row["position"] != position:
        return Break(position, "removed")
    if row["audit_id"] is not None and _link(previous, row) == row["seal"]:
        return None
    # The row that was sealed here may stand behind it: then both were only put elsewhere.
    for other in following:
        if other["audit_id"] is not None and _link(previous, other) in {row["seal"], other["seal"]}:
            return Break(position, "reordered", row["sealed_id"], row["action"])
    what: Literal["changed", "removed"] = "removed" if row["audit_id"] is None else "changed"
    return Break(position, what, row["sealed_id"], row["action"])


def _link(previous: bytes, row: Mapping[str, Any]) -> bytes:
    return sha256(previous + to_json({name: row[name] for name in _LINKED})).digest()
