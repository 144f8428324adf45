"""Answers about a customer's features. Amounts are strings in the units of their currency."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated

from pydantic import Field

from kehu_chassis.schemas import Id, Out
from kehu_contracts.base import Money
from kehu_contracts.codes import ProductClass

__all__ = ["FeaturesOut"]


class AmountsOut(Out):
    """Balances in one currency: now, and the average of each day of this month so far and of the month before."""

    currency: str
    balance: Money
    average_this_month: Money
    average_last_month: Money


class ClassBalanceOut(AmountsOut):
    """Balances of one product class."""

    product_class: ProductClass


class ClassCountOut(Out):
    """Open holdings of one product class."""

    product_class: ProductClass
    open_count: int


class TurnoverOut(Out):
    """What was moved in one currency."""

    currency: str
    amount: Annotated[Money, Field(description="Credits and debits together")]
    credit_amount: Money
    debit_amount: Money


class WindowOut(Out):
    """Movements of the last so many days: after the day `days` before the business date, up to and with that date."""

    days: int
    transaction_count: int
    amounts: list[TurnoverOut]


class FeaturesOut(Out):
    """The features of a customer on a business date (Asia/Shanghai)."""

    customer_id: Annotated[Id, Field(description="The surviving customer when the one asked for is merged")]
    customer_number: str
    as_of: datetime
    business_date: date
    customer_since: date
    tenure_days: int
    product_count: Annotated[int, Field(description="Open holdings: accounts, cards, loans and standing orders")]
    products: list[ClassCountOut]
    balances: list[ClassBalanceOut]
    total_assets: Annotated[
        list[AmountsOut], Field(description="Over the classes that are assets: not loans, not cards")
    ]
    last_transaction_on: date | None
    days_since_last_transaction: int | None
    windows: list[WindowOut]
