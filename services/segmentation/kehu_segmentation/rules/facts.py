"""What a rule is asked of: the facts of one customer as plain values.

The same facts stand in PostgreSQL as four relations (`rules.compiler` names them); here they are in memory.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from uuid import UUID

from kehu_contracts.codes import CustomerStatus, Gender, PartyKind, ProductClass, TransactionKind

__all__ = ["BalanceFact", "CustomerFacts", "ProductFact", "TransactionFact"]


@dataclass(frozen=True, slots=True)
class BalanceFact:
    """The stated balances of one account on one business date."""

    account_id: UUID
    product_class: ProductClass
    product_code: str
    currency: str
    business_date: date
    closing: Decimal
    highest: Decimal
    lowest: Decimal


@dataclass(frozen=True, slots=True)
class TransactionFact:
    """One posted movement; the amount is positive."""

    transaction_id: UUID
    account_id: UUID
    product_class: ProductClass
    product_code: str
    kind: TransactionKind
    currency: str
    amount: Decimal
    business_date: date


@dataclass(frozen=True, slots=True)
class ProductFact:
    """One holding: an account, card, loan or standing order."""

    account_id: UUID
    product_class: ProductClass
    product_code: str
    opened_on: date
    closed_on: date | None


@dataclass(frozen=True, slots=True)
class CustomerFacts:
    """All that rules may ask of a customer. Holdings whose holder role does not count are not among them."""

    customer_id: UUID
    kind: PartyKind
    status: CustomerStatus
    gender: Gender
    birth_year: int | None
    unit_id: UUID | None
    customer_since: date
    balances: tuple[BalanceFact, ...] = ()
    transactions: tuple[TransactionFact, ...] = ()
    products: tuple[ProductFact, ...] = ()
