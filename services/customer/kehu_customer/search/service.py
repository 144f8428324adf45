"""Search by name, number, contact point or document."""

from __future__ import annotations

from typing import Any, Final, cast
from uuid import UUID

from kehu_chassis import audit
from kehu_chassis.database import Record, Transaction
from kehu_chassis.paging import PageQuery, PageRows, encode_cursor
from kehu_customer.deeds import Deed
from kehu_customer.identity.rules import check_document_number
from kehu_customer.parties.drafts import ContactDraft, ContactType
from kehu_customer.parties.queries import CustomerFilter, customers_by_id
from kehu_customer.parties.rules import check_contact, is_customer_number
from kehu_customer.parties.sealing import NAME
from kehu_customer.search import queries
from kehu_customer.search.rules import Fit, fit, probes
from kehu_customer.vault import Vault

__all__ = ["look_up", "search_customers"]

ENOUGH_HITS: Final = 200
"""Less sure ways to search are tried only while there are fewer hits than this."""
FEW_HITS: Final = 10
"""The last resorts, which cost most and find least, are tried only while there are fewer hits than this."""


async def search_customers(
    tx: Transaction, vault: Vault, typed: str, wanted: CustomerFilter, page: PageQuery
) -> PageRows:
    """Customers by name or customer number, the best fit first. A merged customer's name finds its survivor."""
    number = typed.strip().upper()
    if is_customer_number(number):
        return {"items": await queries.by_number(tx, number), "next_cursor": None}
    fits = await _fits(tx, vault, typed, wanted)
    ranked = sorted(((-value, customer_id) for customer_id, value in fits.items()))
    after = page.place(int, UUID)
    if after is not None:
        ranked = [rank for rank in ranked if rank > after]
    shown = ranked[: page.limit]
    rows = await customers_by_id(tx, [customer_id for _, customer_id in shown])
    more = encode_cursor(shown[-1], shape=page.shape) if len(ranked) > page.limit else None
    return {"items": [rows[customer_id] for _, customer_id in shown if customer_id in rows], "next_cursor": more}


async def _fits(tx: Transaction, vault: Vault, typed: str, wanted: CustomerFilter) -> dict[UUID, int]:
    """The best fit of every customer found, by the id of who now stands for it."""
    fits: dict[UUID, int] = {}
    seen: set[UUID] = set()
    for probe in probes(typed):
        if probe.last_resort and len(fits) >= FEW_HITS:
            continue
        found: list[Any] = await queries.name_candidates(tx, vault.probe_tokens(probe), wanted, all_of=probe.all_of)
        for row in found:
            if row["id"] in seen:
                continue
            seen.add(row["id"])
            name = vault.open(vault.key_of(row), row["name_sealed"], NAME, row["id"])
            value = int(fit(typed, name))
            if value > Fit.NONE:
                fits[row["survivor_id"]] = max(value, fits.get(row["survivor_id"], 0))
        if len(fits) >= ENOUGH_HITS:
            break
    return fits


async def look_up(tx: Transaction, deed: Deed, kind: str, value: str) -> list[Record]:
    """Customers by exact phone, e-mail, WeChat id, document or customer number; the search is audited, not its value."""
    found = await _matches(tx, deed, kind, value)
    details = {"found": [str(row["id"]) for row in found]}
    await audit.record(
        tx, actor=deed.actor, action="customer.looked_up", resource=("lookup", kind), at=deed.at, details=details
    )
    return found


async def _matches(tx: Transaction, deed: Deed, kind: str, value: str) -> list[Any]:
    if kind == "customer_number":
        return await queries.by_number(tx, value.strip().upper())
    if kind == "document":
        # Of whatever type: the one written form is the same for all of them.
        number = check_document_number("foreign_id", value, deed.on)
        return await queries.by_document(tx, deed.vault.document_probes(number))
    contact = check_contact(ContactDraft(cast("ContactType", kind), value))
    return await queries.by_contact(tx, kind, deed.vault.contact_probes(kind, contact.value))
