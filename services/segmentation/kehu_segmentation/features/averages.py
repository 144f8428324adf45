"""Average daily balances: each day counts with the last balance stated on or before it, 0 before the first."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from typing import Final
from uuid import UUID

from kehu_chassis.database import Record, Transaction
from kehu_contracts.codes import ProductClass
from kehu_segmentation.features.relations import OF_SOME

__all__ = ["ASSETS", "average_balances"]

ASSETS: Final = (
    ProductClass.CURRENT,
    ProductClass.SAVINGS,
    ProductClass.TIME_DEPOSIT,
    ProductClass.WEALTH,
    ProductClass.FUND,
    ProductClass.INSURANCE,
)
"""The product classes whose balances are assets of the customer; loans and cards are not."""

# $2 is the first day of the period, $3 the day after its last, $4 the product classes. A balance holds from its date to the next one's, and
# nothing is there from the day on which the account was closed.
_AVERAGES: Final = f"""{OF_SOME}, points AS (
    SELECT h.customer_id, h.account_id, h.product_class, h.closed_on, d.currency, d.business_date,
           coalesce(d.stated, d.moved) AS closing
    FROM counting AS h CROSS JOIN LATERAL (
        (SELECT * FROM account_days AS day
         WHERE day.customer_id = h.holder_id AND day.account_id = h.account_id AND day.business_date < $2
         ORDER BY day.business_date DESC LIMIT 1)
        UNION ALL
        SELECT * FROM account_days AS day
        WHERE day.customer_id = h.holder_id AND day.account_id = h.account_id
          AND day.business_date >= $2 AND day.business_date < $3) AS d
    WHERE h.product_class = ANY ($4::text[])
), spans AS (
    SELECT customer_id, product_class, currency, closing, greatest(business_date, $2::date) AS begins,
           least(lead(business_date, 1, $3::date) OVER (PARTITION BY customer_id, account_id ORDER BY business_date),
                 closed_on, $3::date) AS ends
    FROM points
)
SELECT customer_id, product_class, currency,
       round(sum(closing * greatest(ends - begins, 0)) / ($3::date - $2::date), 4) AS average
FROM spans GROUP BY customer_id, product_class, currency ORDER BY customer_id, product_class, currency
"""  # noqa: S608 - our own text.


async def average_balances(
    tx: Transaction,
    customer_ids: Collection[UUID],
    *,
    first: date,
    until: date,
    classes: Collection[ProductClass] = tuple(ProductClass),
) -> list[Record]:
    """The average daily balance per customer, product class and currency over a period.

    Args:
        tx: the transaction.
        customer_ids: whose; a merged customer's holdings are the survivor's.
        first: the first day of the period.
        until: the day after its last.
        classes: of which products; else of all.

    Returns:
        Rows of customer_id, product_class, currency, average (four places, rounded half away from zero).
    """
    rows: list[Record] = await tx.connection.fetch(_AVERAGES, list(customer_ids), first, until, list(classes))
    return rows
