"""What is read about one customer: attributes, and features as of a moment, computed from the facts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from sqlalchemy import bindparam, select

from kehu_chassis.database import Record, Transaction
from kehu_chassis.problems import NotFound
from kehu_chassis.scope import within_scope_subject
from kehu_contracts.codes import TransactionKind
from kehu_segmentation.business_days import business_day, first_of_month, month_before
from kehu_segmentation.features.averages import ASSETS, average_balances
from kehu_segmentation.features.relations import OF_SOME
from kehu_segmentation.features.tables import customers

__all__ = ["WINDOWS", "features_of", "surviving_customer"]

WINDOWS: Final = (30, 90, 365)
"""Days of the windows that transactions are counted in."""

_in_scope = customers.alias("asked")
_SURVIVOR = (
    select(customers)
    .join(_in_scope, _in_scope.c.survivor_id == customers.c.customer_id)
    .where(_in_scope.c.customer_id == bindparam("customer_id"), within_scope_subject(_in_scope.c.customer_id))
)

_OPEN: Final = "opened_on <= $2 AND (closed_on IS NULL OR closed_on > $2)"
_PRODUCTS: Final = f"""{OF_SOME}
SELECT product_class, count(*) AS open_count FROM products WHERE {_OPEN} GROUP BY product_class ORDER BY product_class
"""  # noqa: S608 - our own text.
_BALANCES: Final = f"""{OF_SOME}
SELECT h.product_class, d.currency, sum(coalesce(d.stated, d.moved)) AS balance
FROM counting AS h CROSS JOIN LATERAL (
    SELECT * FROM account_days AS day
    WHERE day.customer_id = h.holder_id AND day.account_id = h.account_id AND day.business_date <= $2
    ORDER BY day.business_date DESC LIMIT 1) AS d
WHERE h.closed_on IS NULL OR h.closed_on > $2
GROUP BY h.product_class, d.currency ORDER BY h.product_class, d.currency
"""  # noqa: S608 - our own text.
_MOVEMENTS: Final = f"""{OF_SOME}
SELECT w.days, t.currency, t.kind, count(*) AS number, sum(t.amount) AS amount
FROM transactions AS t JOIN unnest($3::int[]) AS w (days) ON t.business_date > $2::date - w.days
WHERE t.business_date <= $2::date
GROUP BY w.days, t.currency, t.kind ORDER BY w.days, t.currency, t.kind
"""  # noqa: S608 - our own text.
_LAST: Final = f"""{OF_SOME}
SELECT max(business_date) FROM transactions WHERE business_date <= $2
"""  # noqa: S608 - our own text.


async def surviving_customer(tx: Transaction, customer_id: UUID) -> Record:
    """The customer, or the one that it is merged into.

    Raises:
        NotFound: there is none, or it is not in the caller's scope.
    """
    row = await tx.first(_SURVIVOR, {"customer_id": customer_id})
    if row is None:
        raise NotFound
    return row


async def features_of(tx: Transaction, customer_id: UUID, *, as_of: datetime) -> dict[str, Any]:
    """The features of a customer on the business day of a moment.

    Raises:
        NotFound: there is no such customer in the caller's scope.
    """
    customer = await surviving_customer(tx, customer_id)
    today = business_day(as_of)
    ids = [customer["customer_id"]]
    products = await tx.connection.fetch(_PRODUCTS, ids, today)
    last = await tx.connection.fetchval(_LAST, ids, today)
    return {
        "customer_id": customer["customer_id"],
        "customer_number": customer["customer_number"],
        "as_of": as_of,
        "business_date": today,
        "customer_since": customer["customer_since"],
        "tenure_days": max((today - customer["customer_since"]).days, 0),
        "product_count": sum(row["open_count"] for row in products),
        "products": products,
        **await _assets(tx, ids, today),
        "last_transaction_on": last,
        "days_since_last_transaction": None if last is None else (today - last).days,
        "windows": _windows(await tx.connection.fetch(_MOVEMENTS, ids, today, list(WINDOWS))),
    }


async def _assets(tx: Transaction, ids: Sequence[UUID], today: date) -> dict[str, Any]:
    this_month, last_month, tomorrow = first_of_month(today), month_before(today), today + timedelta(days=1)
    found: dict[tuple[str, str], dict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    for row in await tx.connection.fetch(_BALANCES, ids, today):
        found[row["product_class"], row["currency"]]["balance"] = row["balance"]
    for name, first, until in (
        ("average_this_month", this_month, tomorrow),
        ("average_last_month", last_month, this_month),
    ):
        for row in await average_balances(tx, ids, first=first, until=until):
            found[row["product_class"], row["currency"]][name] = row["average"]
    totals: dict[str, dict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    for (product_class, currency), amounts in found.items():
        if product_class in ASSETS:
            for name in _AMOUNTS:
                totals[currency][name] += amounts[name]
    return {
        "balances": [
            {"product_class": product_class, "currency": currency, **_amounts(amounts)}
            for (product_class, currency), amounts in sorted(found.items())
        ],
        "total_assets": [{"currency": currency, **_amounts(amounts)} for currency, amounts in sorted(totals.items())],
    }


_AMOUNTS: Final = ("balance", "average_this_month", "average_last_month")


def _amounts(found: dict[str, Decimal]) -> dict[str, Decimal]:
    return {name: found[name] for name in _AMOUNTS}


def _windows(rows: Sequence[Record]) -> list[dict[str, Any]]:
    windows = []
    for days in WINDOWS:
        inside = [row for row in rows if row["days"] == days]
        currencies = sorted({row["currency"] for row in inside})
        windows.append(
            {
                "days": days,
                "transaction_count": sum(row["number"] for row in inside),
                "amounts": [_turnover(currency, inside) for currency in currencies],
            }
        )
    return windows


def _turnover(currency: str, rows: Sequence[Record]) -> dict[str, Any]:
    by_kind = {row["kind"]: row["amount"] for row in rows if row["currency"] == currency}
    credit = by_kind.get(TransactionKind.CREDIT.value, Decimal(0))
    debit = by_kind.get(TransactionKind.DEBIT.value, Decimal(0))
    return {"currency": currency, "amount": credit + debit, "credit_amount": credit, "debit_amount": debit}
