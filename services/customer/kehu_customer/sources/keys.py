"""The cross-reference: what a key of a source system means in Kehu, and who waits for a key that has not come.

A fact may arrive before what it hangs on, on another topic and in another transaction at the same time. So that neither
side misses the other, both lock the key's row: who waits leaves one behind, who brings the key fills it in and then
looks for those that wait. Keys are locked in one order, units before staff before parties before accounts.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from enum import StrEnum
from typing import Final, NamedTuple
from uuid import UUID

from sqlalchemy import Uuid, and_, bindparam, select, update
from sqlalchemy.dialects.postgresql import insert

from kehu_chassis.columns import Text
from kehu_chassis.database import Transaction
from kehu_customer.rows import arrays, given
from kehu_customer.sources.tables import source_keys

__all__ = ["Kind", "SourceKey", "arrive", "find", "find_or_await", "lock", "waiting_for"]


class Kind(StrEnum):
    """What a key names."""

    UNIT = "unit"
    STAFF = "staff"
    PARTY = "party"
    ACCOUNT = "account"


class SourceKey(NamedTuple):
    """A system and its key for a thing. Codes of units and staff are the bank's own: their source is empty."""

    source: str
    source_id: str


_keys = given("given", source=Text, source_id=Text)
_arrivals = given("given", source=Text, source_id=Text, subject_id=Uuid)

_FIND: Final = (
    select(source_keys.c.source, source_keys.c.source_id, source_keys.c.subject_id)
    .join(_keys, and_(source_keys.c.source == _keys.c.source, source_keys.c.source_id == _keys.c.source_id))
    .where(source_keys.c.kind == bindparam("of_kind", type_=Text), source_keys.c.subject_id.is_not(None))
)

_insert_keys = insert(source_keys).from_select(
    ["kind", "source", "source_id"],
    select(bindparam("of_kind", type_=Text), _keys.c.source, _keys.c.source_id).order_by(
        _keys.c.source, _keys.c.source_id
    ),
)
# The update changes nothing; it is what locks a row that stands already.
_LOCK: Final = _insert_keys.on_conflict_do_update(
    index_elements=["kind", "source", "source_id"], set_={"source": _insert_keys.excluded.source}
).returning(source_keys.c.source, source_keys.c.source_id, source_keys.c.subject_id)

_ARRIVE: Final = (
    update(source_keys)
    .values(subject_id=_arrivals.c.subject_id)
    .where(
        source_keys.c.kind == bindparam("of_kind", type_=Text),
        source_keys.c.source == _arrivals.c.source,
        source_keys.c.source_id == _arrivals.c.source_id,
    )
)


def waiting_for(kind: Kind, key: SourceKey) -> str:
    """The name under which a message is parked that waits for the key, e.g. `account:core/4711`."""
    return f"{kind}:{key.source}/{key.source_id}"


async def find(tx: Transaction, kind: Kind, keys: Collection[SourceKey]) -> dict[SourceKey, UUID]:
    """The ids of the keys that have arrived."""
    if not keys:
        return {}
    rows = await tx.all(_FIND, {"of_kind": kind, **arrays(("source", "source_id"), set(keys))})
    return {SourceKey(row["source"], row["source_id"]): row["subject_id"] for row in rows}


async def lock(tx: Transaction, kind: Kind, keys: Collection[SourceKey]) -> dict[SourceKey, UUID | None]:
    """Lock the keys until the transaction ends, those that have not arrived too (their id is None)."""
    if not keys:
        return {}
    rows = await tx.all(_LOCK, {"of_kind": kind, **arrays(("source", "source_id"), set(keys))})
    return {SourceKey(row["source"], row["source_id"]): row["subject_id"] for row in rows}


async def find_or_await(tx: Transaction, kind: Kind, keys: Collection[SourceKey]) -> dict[SourceKey, UUID]:
    """The ids of the keys that have arrived; the others are locked, so that what waits for them may be parked."""
    found = await find(tx, kind, keys)
    missing = set(keys) - found.keys()
    # Somebody may have brought a key between the two statements: locked, its row shows it.
    locked = await lock(tx, kind, missing)
    found.update({key: subject_id for key, subject_id in locked.items() if subject_id is not None})
    return found


async def arrive(tx: Transaction, kind: Kind, subjects: Mapping[SourceKey, UUID]) -> list[str]:
    """Say what locked keys mean from now on. Gives the names under which messages may wait for them."""
    if not subjects:
        return []
    rows = [(*key, subject_id) for key, subject_id in subjects.items()]
    await tx.execute(_ARRIVE, {"of_kind": kind, **arrays(("source", "source_id", "subject_id"), rows)})
    return [waiting_for(kind, key) for key in subjects]
