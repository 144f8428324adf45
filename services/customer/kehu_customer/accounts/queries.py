"""What is asked about holdings, in the caller's scope."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Subquery, and_, desc, or_, select, true
from sqlalchemy.dialects.postgresql import distinct_on

from kehu_chassis.database import Record, Transaction
from kehu_chassis.paging import PageQuery, PageRows, keyset, page_rows
from kehu_chassis.scope import within_scope_subject
from kehu_contracts.codes import ProductClass, TransactionKind
from kehu_customer.accounts.rules import Balance, in_minor_units, shown_balance
from kehu_customer.accounts.tables import account_holders, account_months, accounts, holder_roles, transactions
from kehu_customer.kinship import party_ids

__all__ = ["TransactionFilter", "accounts_of", "transactions_of"]


_FIRST_MONTHS: Final = 3
_WIDER: Final = 4
"""How many months are opened first, and how many times more when they did not fill the page."""
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

    Only the partitions of months are opened in which the accounts have movements, a few at first: most pages are full by
    then, whatever the number of years that stand behind them.

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
    rows: list[Record] = []
    months = await _months_of(tx, held, page, wanted)
    span = _FIRST_MONTHS
    while months and len(rows) <= page.limit:
        some, months = months[:span], months[span:]
        own = select(transactions).where(
            transactions.c.account_id == held.c.account_id, _within(some, span), *_conditions(wanted)
        )
        span *= _WIDER
        missing = replace(page, limit=page.limit - len(rows))
        # Each account's newest are read from the index's end; only those few are brought into one order.
        newest = keyset(own, _ORDER, missing, descending=True).lateral("newest")
        order = (newest.c.business_date, newest.c.position, newest.c.id)
        statement = select(newest).select_from(held.join(newest, true()))
        rows += await tx.all(keyset(statement, order, missing, descending=True))
    found = page_rows(rows, page, ("business_date", "position", "id"))
    return {"items": [_transaction(row) for row in found["items"]], "next_cursor": found["next_cursor"]}


async def _months_of(tx: Transaction, held: Subquery, page: PageQuery, wanted: TransactionFilter) -> list[date]:
    """First days of the months in which the accounts have movements that may be on this page, the newest first."""
    month = account_months.c.month
    statement = select(month).distinct().join(held, held.c.account_id == account_months.c.account_id)
    after = page.place(*(column.type.python_type for column in _ORDER))
    ends = [day for day in (wanted.until, after and after[0]) if day is not None]
    if ends:
        statement = statement.where(month <= min(ends))
    if wanted.since is not None:
        statement = statement.where(month >= wanted.since.replace(day=1))
    if wanted.account_id is not None:
        statement = statement.where(account_months.c.account_id == wanted.account_id)
    return [row["month"] for row in await tx.all(statement.order_by(month.desc()))]


def _within(months: Sequence[date], span: int) -> ColumnElement[bool]:
    # Month by month, so that PostgreSQL opens none between two that lie far apart; always as many, so that the same
    # statement serves every time.
    day = transactions.c.business_date
    filled = [*months, *[months[-1]] * (span - len(months))]
    return or_(*(and_(day >= month, day < _month_after(month)) for month in filled))


def _month_after(month: date) -> date:
    return date(month.year + month.month // 12, month.month % 12 + 1, 1)


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
