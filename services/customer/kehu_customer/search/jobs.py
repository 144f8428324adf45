"""The job that makes blind indexes and tokens anew when the index key has been replaced, slice by slice.

While both keys are in the key file searches ask for both, so nothing is missed meanwhile. The job is set whenever a
process reads a key file with more than one index key; rows that are new already are passed over.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Table, bindparam, select, union_all, update

from kehu_chassis.crypto import KeyRing
from kehu_chassis.database import Transaction
from kehu_chassis.timers import TimerHandler, schedule
from kehu_customer.identity.tables import documents
from kehu_customer.parties.sealing import CONTACT, DOCUMENT, NAME
from kehu_customer.parties.tables import contact_points, customers, party_names
from kehu_customer.vault import Vault

__all__ = ["REINDEX", "reindexer", "schedule_reindex"]

REINDEX: Final = "search.reindex"
SLICE: Final = 1000
AGAIN_AFTER: Final = timedelta(seconds=2)
BEGINNING: Final = MappingProxyType({"table": 0, "after": str(UUID(int=0))})


@dataclass(frozen=True, slots=True)
class _Indexed:
    """A table whose rows are found by an index of a sealed value."""

    table: Table
    sealed: str
    place: str
    index: str
    value_of: Callable[[Vault, Mapping[str, Any], str], Any]


_INDEXED: Final = (
    _Indexed(party_names, "name_sealed", NAME, "tokens", lambda vault, _, name: vault.name_tokens(name)),
    _Indexed(
        contact_points,
        "value_sealed",
        CONTACT,
        "value_index",
        lambda vault, row, value: vault.contact_index(row["type"], value),
    ),
    _Indexed(
        documents, "number_sealed", DOCUMENT, "number_index", lambda vault, _, number: vault.document_index(number)
    ),
)


async def schedule_reindex(tx: Transaction, ring: KeyRing, at: datetime) -> None:
    """Set the job when there is more than one index key; begins anew where it was under way."""
    if len(ring.index.versions) > 1:
        await schedule(tx, due_at=at, kind=REINDEX, key="all", payload=BEGINNING)


def reindexer(vault: Vault) -> TimerHandler:
    """The handler of the timer: one slice, then it sets itself for the next."""

    async def reindex(tx: Transaction, due_at: datetime, key: str, payload: dict[str, Any]) -> None:
        place, after = payload["table"], UUID(payload["after"])
        last = await _slice(tx, vault, _INDEXED[place], after)
        following = {"table": place, "after": str(last)} if last else {"table": place + 1, "after": str(UUID(int=0))}
        if following["table"] < len(_INDEXED):
            await schedule(tx, due_at=due_at, kind=REINDEX, key=key, payload=following)
        elif await _some_are_stale(tx, vault):
            # Written under the former key by a transaction that had begun before the key was replaced.
            await schedule(tx, due_at=due_at + AGAIN_AFTER, kind=REINDEX, key=key, payload=BEGINNING)

    return reindex


async def _some_are_stale(tx: Transaction, vault: Vault) -> bool:
    stale = [
        select(indexed.table.c.id).where(indexed.table.c.index_version != vault.index_version) for indexed in _INDEXED
    ]
    return await tx.first(union_all(*stale).limit(1)) is not None


async def _slice(tx: Transaction, vault: Vault, indexed: _Indexed, after: UUID) -> UUID | None:
    """Index a slice of rows anew; tells the last id, or None when there was none left."""
    columns = indexed.table.c
    rows: list[Any] = await tx.all(
        select(indexed.table, customers.c.key_id, customers.c.wrapped_key)
        .join(customers, customers.c.id == columns.customer_id)
        .where(columns.id > after)
        .order_by(columns.id)
        .limit(SLICE)
        .with_for_update(of=indexed.table)
    )
    stale = [row for row in rows if row["index_version"] != vault.index_version]
    changes = [
        {"row_id": row["id"], "anew": indexed.value_of(vault, row, _opened(vault, indexed, row))} for row in stale
    ]
    anew = {indexed.index: bindparam("anew", type_=columns[indexed.index].type), "index_version": vault.index_version}
    await tx.execute_many(update(indexed.table).where(columns.id == bindparam("row_id")).values(anew), changes)
    return rows[-1]["id"] if rows else None


def _opened(vault: Vault, indexed: _Indexed, row: Mapping[str, Any]) -> str:
    return vault.open(vault.key_of(row), row[indexed.sealed], indexed.place, row["id"])
