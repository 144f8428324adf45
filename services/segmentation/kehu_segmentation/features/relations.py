"""The four relations that rules are asked over, as SQL on this service's tables, and the facts of a few customers read by it.

`rules.compiler` says what the relations are. Here a merged customer's facts count for the survivor, an account that two
merged customers hold counts once, and only holdings whose role counts are there.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from datetime import date
from typing import Any, Final
from uuid import UUID

from kehu_chassis.database import Transaction
from kehu_contracts.codes import CustomerStatus, Gender, PartyKind, ProductClass, TransactionKind
from kehu_segmentation.rules.facts import BalanceFact, CustomerFacts, ProductFact, TransactionFact

__all__ = ["OF_ALL", "OF_SOME", "load_facts"]

# Nearly everybody is their own survivor, but PostgreSQL takes the equality of two columns for rare, and would go through
# all facts once for each of the few customers that it expects. Of what coalesce gives it supposes nothing.
_RELATIONS: Final = """
WITH counting AS {materialized} (
    SELECT c.survivor_id AS customer_id, h.customer_id AS holder_id, h.account_id, h.product_class, h.product_code,
           h.currency, h.opened_on, h.closed_on
    FROM holdings AS h JOIN customers AS c ON c.customer_id = h.customer_id
    WHERE h.counts AND {facts} AND (
        c.customer_id = c.survivor_id OR NOT EXISTS (
            SELECT 1 FROM holdings AS other JOIN customers AS same ON same.customer_id = other.customer_id
            WHERE other.account_id = h.account_id AND other.counts AND other.customer_id <> h.customer_id
              AND same.survivor_id = c.survivor_id
              AND (same.customer_id = same.survivor_id OR same.customer_id < h.customer_id)))
), subjects AS NOT MATERIALIZED (
    SELECT c.customer_id, c.kind, c.status, c.gender, c.birth_year, c.unit_id, c.customer_since
    FROM customers AS c WHERE coalesce(c.customer_id = c.survivor_id, false) AND {subjects}
), balances AS NOT MATERIALIZED (
    SELECT h.customer_id, h.account_id, h.product_class, h.product_code, d.currency, d.business_date,
           coalesce(d.stated, d.moved) AS closing,
           greatest(d.stated, d.moved_highest) AS highest,
           least(d.stated, d.moved_lowest) AS lowest
    FROM account_days AS d JOIN counting AS h ON h.holder_id = d.customer_id AND h.account_id = d.account_id
), transactions AS NOT MATERIALIZED (
    SELECT h.customer_id, h.account_id, h.product_class, h.product_code, t.currency, t.kind, t.amount,
           t.business_date, t.transaction_id
    FROM posted AS t JOIN counting AS h ON h.holder_id = t.customer_id AND h.account_id = t.account_id
), products AS NOT MATERIALIZED (
    SELECT customer_id, account_id, product_class, product_code, opened_on, closed_on
    FROM counting WHERE opened_on IS NOT NULL
)
"""

OF_ALL: Final = _RELATIONS.format(materialized="NOT MATERIALIZED", facts="true", subjects="true")
"""The relations over every customer; put it before a SELECT."""

OF_SOME: Final = _RELATIONS.format(
    materialized="MATERIALIZED",
    facts="c.survivor_id = ANY ($1::uuid[])",
    subjects="c.customer_id = ANY ($1::uuid[])",
)
"""The same over the customers in the first argument. Their holdings are looked up once, and the facts from there."""


async def load_facts(
    tx: Transaction, customer_ids: Collection[UUID], *, balances_since: date | None, transactions_since: date | None
) -> dict[UUID, CustomerFacts]:
    """The facts of a few customers; those that are unknown or merged into another are not in the answer.

    Args:
        tx: the transaction.
        customer_ids: whose.
        balances_since: the first business date whose balances are wanted.
        transactions_since: the first business date whose movements are wanted.
    """
    ids = list(customer_ids)
    subjects = await tx.connection.fetch(f"{OF_SOME} SELECT * FROM subjects", ids)  # noqa: S608 - our own text.
    balances = await _by_customer(tx, "balances WHERE business_date >= $2", ids, balances_since or date.min)
    transactions = await _by_customer(tx, "transactions WHERE business_date >= $2", ids, transactions_since or date.min)
    products = await _by_customer(tx, "products", ids)
    return {
        row["customer_id"]: CustomerFacts(
            customer_id=row["customer_id"],
            kind=PartyKind(row["kind"]),
            status=CustomerStatus(row["status"]),
            gender=Gender(row["gender"]),
            birth_year=row["birth_year"],
            unit_id=row["unit_id"],
            customer_since=row["customer_since"],
            balances=tuple(_balance(fact) for fact in balances[row["customer_id"]]),
            transactions=tuple(_transaction(fact) for fact in transactions[row["customer_id"]]),
            products=tuple(_product(fact) for fact in products[row["customer_id"]]),
        )
        for row in subjects
    }


async def _by_customer(tx: Transaction, source: str, *arguments: Any) -> Mapping[UUID, list[Any]]:
    found: dict[UUID, list[Any]] = defaultdict(list)
    for row in await tx.connection.fetch(f"{OF_SOME} SELECT * FROM {source}", *arguments):  # noqa: S608 - our own text.
        found[row["customer_id"]].append(row)
    return found


def _balance(row: Any) -> BalanceFact:
    return BalanceFact(
        row["account_id"],
        ProductClass(row["product_class"]),
        row["product_code"],
        row["currency"],
        row["business_date"],
        row["closing"],
        row["highest"],
        row["lowest"],
    )


def _transaction(row: Any) -> TransactionFact:
    return TransactionFact(
        row["transaction_id"],
        row["account_id"],
        ProductClass(row["product_class"]),
        row["product_code"],
        TransactionKind(row["kind"]),
        row["currency"],
        row["amount"],
        row["business_date"],
    )


def _product(row: Any) -> ProductFact:
    return ProductFact(
        row["account_id"],
        ProductClass(row["product_class"]),
        row["product_code"],
        row["opened_on"],
        row["closed_on"],
    )
