"""`kehu.holding.v1`: accounts, balances and transactions of the core, keyed by Kehu's customer, one fact per holder.

`counts` says whether the holder's role counts towards balances and sums; the customer service decides it once.
"""

from __future__ import annotations

from datetime import date
from typing import ClassVar
from uuid import UUID

from kehu_contracts.base import Currency, Event, Instant, Money
from kehu_contracts.codes import HolderRole, ProductClass, TransactionKind

__all__ = ["AccountStated", "BalanceStated", "ProductOpened", "TransactionPosted"]


class _HoldingEvent(Event):
    customer_id: UUID
    account_id: UUID
    holder_role: HolderRole
    counts: bool
    product_class: ProductClass
    product_code: str

    def subject_id(self) -> UUID:
        """The holder: all that happens to one customer's holdings stands in one order."""
        return self.customer_id


class AccountStated(_HoldingEvent):
    """An account (or card, loan, standing order) of this holder as the core now states it."""

    event_type: ClassVar[str] = "kehu.holding.account_stated"
    topic: ClassVar[str] = "kehu.holding.v1"

    parent_account_id: UUID | None
    currency: Currency
    opened_on: date
    closed_on: date | None


class BalanceStated(_HoldingEvent):
    """The balance of an account at the end of a business date."""

    event_type: ClassVar[str] = "kehu.holding.balance_stated"
    topic: ClassVar[str] = "kehu.holding.v1"

    balance: Money
    currency: Currency
    business_date: date
    source_sequence: int


class TransactionPosted(_HoldingEvent):
    """A movement on an account. `amount` is positive; `kind` gives its direction."""

    event_type: ClassVar[str] = "kehu.holding.transaction_posted"
    topic: ClassVar[str] = "kehu.holding.v1"

    transaction_id: UUID
    kind: TransactionKind
    amount: Money
    currency: Currency
    balance_after: Money | None
    business_date: date
    booked_at: Instant
    position: int = 0
    """Order within the business date, as the core states it: the last movement's balance is the day's."""
    source_sequence: int


class ProductOpened(_HoldingEvent):
    """The customer bought a product: what campaigns count as a conversion."""

    event_type: ClassVar[str] = "kehu.holding.product_opened"
    topic: ClassVar[str] = "kehu.holding.v1"

    opening_id: UUID
    amount: Money | None
    currency: Currency
    opened_at: Instant
