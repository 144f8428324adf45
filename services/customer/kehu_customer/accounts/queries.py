"""What is asked about holdings, in the caller's scope."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, desc, select, true
from sqlalchemy.dialects.postgresql import distinct_on

from kehu_chassis.database import Transaction
from kehu_chassis.paging import PageQuery, PageRows, keyset, page_rows
from kehu_chassis.scope import within_scope_subject
from kehu_contracts.codes import ProductClass, TransactionKind
from kehu_customer.accounts.rules import Balance, in_minor_units, shown_balance
from kehu_customer.accounts.tables import account_holders, accounts, holder_roles, transactions
from kehu_customer.kinship import party_ids

__all__ = ["TransactionFilter", "accounts_of", "transactions_of"]


_ORDER: Final = (transactions.c.business_date, transactions.c.position, transactions.c.id)


@dataclass(frozen=True, slots=True)
class TransactionFilter:
    """Which movements are wanted; dates are business dates, both included."""

    since: date | None = None
    until: date | None = None
    account_id: UUID | None = None
    kind: TransactionKind | None = None


async def accounts_of(
    tx: Transaction, customer_id: UUID, page: PageQuery, *, product_class: ProductClass | None, is_open: bool | None
) -> PageRows:
    """A page of what a party holds, newest first; an account of two merged customers once, by its counting role.

    Raises:
        NotFound: there is no such customer in the caller's reach.
    """
    ids = await party_ids(tx, customer_id)
    held = (
        select(
            account_holders.c.account_id,
            account_holders.c.customer_id.label("holder_customer_id"),
            account_holders.c.role.label("holder_role"),
            holder_roles.c.counts,
        )
        .ext(distinct_on(account_holders.c.account_id))
        .join(holder_roles, holder_roles.c.role == account_holders.c.role)
        .where(account_holders.c.customer_id.in_(ids), within_scope_subject(account_holders.c.customer_id))
        .order_by(account_holders.c.account_id, desc(holder_roles.c.counts), account_holders.c.customer_id)
        .subquery("held")
    )
    statement = select(accounts, held.c.holder_customer_id, held.c.holder_role, held.c.counts).join(
        held, held.c.account_id == accounts.c.id
    )
    if product_class is not None:
        statement = statement.where(accounts.c.product_class == product_class)
    if is_open is not None:
        closed = accounts.c.closed_on
        statement = statement.where(closed.is_(None) if is_open else closed.is_not(None))
    rows = await tx.all(keyset(statement, (accounts.c.opened_on, accounts.c.id), page, descending=True))
    found = page_rows(rows, page, ("opened_on", "id"))
    return {"items": [_account(row) for row in found["items"]], "next_cursor": found["next_cursor"]}


def _account(row: Mapping[str, Any]) -> dict[str, Any]:
    currency = row["currency"]
    stated = moved = None
    if row["stated_balance"] is not None:
        stated = Balance(row["stated_balance"], row["stated_balance_on"], row["stated_balance_at"])
    if row["moved_balance"] is not None:
        moved = Balance(row["moved_balance"], row["moved_on"], row["moved_at"])
    balance = shown_balance(stated, moved)
    return {
        **row,
        "amount": None if row["amount"] is None else in_minor_units(row["amount"], currency),
        "as_of": row["stated_at"],
        "balance": None
        if balance is None
        else {
            "amount": in_minor_units(balance.amount, currency),
            "currency": currency,
            "business_date": balance.business_date,
            "as_of": balance.as_of,
            "source": row["source"],
        },
    }


async def transactions_of(tx: Transaction, customer_id: UUID, page: PageQuery, wanted: TransactionFilter) -> PageRows:
    """A page of the movements on all accounts that a party holds, newest first.

    Raises:
        NotFound: there is no such customer in the caller's reach.
    """
    ids = await party_ids(tx, customer_id)
    held = (
        select(account_holders.c.account_id)
        .distinct()
        .where(account_holders.c.customer_id.in_(ids), within_scope_subject(account_holders.c.customer_id))
        .subquery("held")
    )
    own = select(transactions).where(transactions.c.account_id == held.c.account_id, *_conditions(wanted))
    # Each account's newest are read from the index's end; only those few are brought into one order.
    newest = keyset(own, _ORDER, page, descending=True).lateral("newest")
    statement = select(newest).select_from(held.join(newest, true()))
    order = (newest.c.business_date, newest.c.position, newest.c.id)
    rows = await tx.all(keyset(statement, order, page, descending=True))
    found = page_rows(rows, page, ("business_date", "position", "id"))
    return {"items": [_transaction(row) for row in found["items"]], "next_cursor": found["next_cursor"]}


def _conditions(wanted: TransactionFilter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if wanted.since is not None:
        conditions.append(transactions.c.business_date >= wanted.since)
    if wanted.until is not None:
        conditions.append(transactions.c.business_date <= wanted.until)
    if wanted.account_id is not None:
        conditions.append(transactions.c.account_id == wanted.account_id)
    if wanted.kind is not None:
        conditions.append(transactions.c.kind == wanted.kind)
    return conditions


def _transaction(row: Mapping[str, Any]) -> dict[str, Any]:
    currency, after = row["currency"], row["balance_after"]
    return {
        **row,
        "amount": in_minor_units(row["amount"], currency),
        "balance_after": None if after is None else in_minor_units(after, currency),
        "as_of": row["stated_at"],
    }
