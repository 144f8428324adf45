"""Answers about holdings. Every amount shows its business date and its source."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

from kehu_chassis.schemas import Id, Out
from kehu_contracts.codes import HolderRole, ProductClass, TransactionKind

__all__ = ["AccountOut", "BalanceOut", "TransactionOut"]


class BalanceOut(Out):
    """A balance, the business date that it belongs to, and when the source said so."""

    amount: Decimal
    currency: str
    business_date: date
    as_of: datetime
    source: str


class AccountOut(Out):
    """What a customer holds, as the core last stated it: an account, a card, a loan, a standing order."""

    id: Id
    source: str
    source_id: str
    product_class: ProductClass
    product_code: str
    currency: str
    parent_account_id: Id | None
    unit_code: str
    opened_on: date
    closed_on: date | None
    amount: Decimal | None
    term_months: int | None
    status_code: str | None
    holder_customer_id: Id
    holder_role: HolderRole
    counts: bool
    as_of: datetime
    balance: BalanceOut | None


class TransactionOut(Out):
    """A movement as the core posted it. `amount` is positive; `kind` gives its direction."""

    id: Id
    account_id: Id
    kind: TransactionKind
    amount: Decimal
    currency: str
    balance_after: Decimal | None
    business_date: date
    booked_at: datetime
    position: int
    purpose_code: str | None
    counterparty_bank: str | None
    source: str
    source_id: str
    as_of: datetime
