"""Reading a timeline: the page, with the notes that the reader may see."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from kehu_chassis.auth import Principal
from kehu_chassis.database import Transaction
from kehu_chassis.paging import PageQuery, PageRows
from kehu_customer.parties.rules import sees_names
from kehu_customer.timeline import queries
from kehu_customer.timeline.service import NOTE_PLACE
from kehu_customer.vault import Vault

__all__ = ["read_timeline"]


async def read_timeline(  # noqa: PLR0913  what is asked, and for whom
    tx: Transaction,
    vault: Vault,
    customer_id: UUID,
    page: PageQuery,
    *,
    types: Collection[str],
    channels: Collection[str],
    reader: Principal,
) -> PageRows:
    """A page of the timeline; notes are opened for readers who see customers' names.

    Raises:
        NotFound: there is no such customer in the caller's reach.
    """
    found = await queries.timeline(tx, customer_id, page, types=types, channels=channels)
    ids = [row["entry_id"] for row in found["items"] if row["type"] == "interaction"]
    notes = await queries.notes_of(tx, ids) if sees_names(reader.roles) else {}
    items = []
    for row in found["items"]:
        item = {**row, "note": None}
        contact = notes.get(row["entry_id"])
        if contact is not None:
            item["attributes"] = {**row["attributes"], "kind": contact["kind"]}
            item["note"] = vault.open_optional(vault.key_of(contact), contact["note_sealed"], NOTE_PLACE, contact["id"])
        items.append(item)
    return {"items": items, "next_cursor": found["next_cursor"]}
