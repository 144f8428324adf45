"""What a rule means: the evaluator in memory, which is the reference that the SQL is tested against.

Logic has three values as in SQL: TRUE, FALSE and UNKNOWN (None). A customer is a member when the rule is TRUE.
`any` and `count` are never NULL; `sum`, `min`, `max` and `avg` are NULL over no rows, and over rows in more than one
currency, since amounts in different currencies do not add up. A comparison with NULL is UNKNOWN.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Final, Literal
from uuid import UUID

from kehu_contracts.codes import ProductClass, TransactionKind
from kehu_segmentation.rules.facts import BalanceFact, CustomerFacts, ProductFact, TransactionFact
from kehu_segmentation.rules.schemas import (
    AllOf,
    AnyOf,
    BalanceRule,
    BalanceWhere,
    Leaf,
    NotRule,
    ProductRule,
    ProductWhere,
    Rule,
    TenureRule,
    TransactionRule,
    TransactionWhere,
    leaves,
)

__all__ = [
    "Boundary",
    "Evidence",
    "LeafResult",
    "News",
    "Verdict",
    "boundaries",
    "concerns",
    "evaluate",
    "explain",
    "is_member",
    "lookback",
]

Verdict = bool | None
MAX_EVIDENCE: Final = 20

COMPARISONS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}

Fact = Literal["balances", "transactions", "opened", "closed", "customer_since"]


@dataclass(frozen=True, slots=True)
class Boundary:
    """A day on which a verdict may change though nothing happens: the date of a fact plus `shift` days."""

    fact: Fact
    shift: int


@dataclass(frozen=True, slots=True)
class News:
    """What is new about a customer: a stated balance or a posted movement (then with its kind)."""

    fact: Literal["balances", "transactions"]
    product_class: ProductClass
    product_code: str
    currency: str
    kind: TransactionKind | None
    business_date: date


@dataclass(frozen=True, slots=True)
class Evidence:
    """One row that a leaf looked at and that speaks for its value."""

    account_id: UUID
    transaction_id: UUID | None
    on: date
    amount: Decimal | None


@dataclass(frozen=True, slots=True)
class LeafResult:
    """What one leaf found: its value beside the threshold, the verdict, and the rows behind the value."""

    pointer: str
    leaf: Leaf
    value: Any
    verdict: Verdict
    evidence: tuple[Evidence, ...]


def evaluate(rule: Rule, facts: CustomerFacts, today: date) -> Verdict:
    """The verdict of a rule on one customer on a day (a date in Asia/Shanghai)."""
    if isinstance(rule, AllOf):
        return _and(evaluate(part, facts, today) for part in rule.rules)
    if isinstance(rule, AnyOf):
        return _not(_and(_not(evaluate(part, facts, today)) for part in rule.rules))
    if isinstance(rule, NotRule):
        return _not(evaluate(rule.rule, facts, today))
    return _leaf(rule, facts, today)[0]


def is_member(rule: Rule, facts: CustomerFacts, today: date) -> bool:
    """Whether the customer belongs: the verdict must be TRUE, UNKNOWN is not enough."""
    return evaluate(rule, facts, today) is True


def explain(rule: Rule, facts: CustomerFacts, today: date) -> tuple[LeafResult, ...]:
    """Every leaf with its value, its verdict and its evidence, the strongest rows first."""
    results = []
    for pointer, leaf in leaves(rule):
        verdict, value, evidence = _leaf(leaf, facts, today)
        results.append(LeafResult(pointer, leaf, value, verdict, tuple(evidence[:MAX_EVIDENCE])))
    return tuple(results)


def _and(verdicts: Iterator[Verdict]) -> Verdict:
    found = list(verdicts)
    if False in found:
        return False
    return None if None in found else True


def _not(verdict: Verdict) -> Verdict:
    return None if verdict is None else not verdict


def _leaf(leaf: Leaf, facts: CustomerFacts, today: date) -> tuple[Verdict, Any, Sequence[Evidence]]:
    if isinstance(leaf, BalanceRule):
        return _balances(leaf, facts.balances, today)
    if isinstance(leaf, TransactionRule):
        return _transactions(leaf, facts.transactions, today)
    if isinstance(leaf, ProductRule):
        return _products(leaf, facts.products, today)
    value = (today - facts.customer_since).days if isinstance(leaf, TenureRule) else getattr(facts, leaf.name)
    return _attribute(leaf.operator, value, leaf.value, leaf.values or ()), value, ()


def _attribute(comparison: str, value: Any, operand: Any, operands: Sequence[Any]) -> Verdict:
    if comparison == "is_null":
        return value is None
    if comparison == "is_not_null":
        return value is not None
    if value is None:
        return None
    if comparison == "in":
        return value in operands
    if comparison == "not_in":
        return value not in operands
    return COMPARISONS[comparison](value, operand)


def _in_window(day: date, days: int | None, today: date) -> bool:
    return day <= today and (days is None or day > today - timedelta(days=days))


def _matches(where: BalanceWhere | ProductWhere, row: BalanceFact | TransactionFact | ProductFact | News) -> bool:
    currency = getattr(where, "currency", None)
    return (
        (where.product_class is None or row.product_class in where.product_class)
        and (where.product_code is None or row.product_code in where.product_code)
        and (currency is None or getattr(row, "currency", None) == currency)
    )


def _balances(leaf: BalanceRule, rows: Sequence[BalanceFact], today: date) -> tuple[Verdict, Any, Sequence[Evidence]]:
    where, measure = leaf.where, leaf.effective_measure
    found = [
        (row.currency, getattr(row, measure), Evidence(row.account_id, None, row.business_date, getattr(row, measure)))
        for row in rows
        if _in_window(row.business_date, leaf.days, today) and _matches(where, row)
    ]
    return _aggregate(leaf, found)


def _transactions(
    leaf: TransactionRule, rows: Sequence[TransactionFact], today: date
) -> tuple[Verdict, Any, Sequence[Evidence]]:
    where = leaf.where
    found = [
        (row.currency, row.amount, Evidence(row.account_id, row.transaction_id, row.business_date, row.amount))
        for row in rows
        if _in_window(row.business_date, leaf.days, today)
        and _matches(where, row)
        and (where.kind is None or row.kind == where.kind)
    ]
    return _aggregate(leaf, found)


def _aggregate(
    leaf: BalanceRule | TransactionRule, found: Sequence[tuple[str, Decimal, Evidence]]
) -> tuple[Verdict, Any, Sequence[Evidence]]:
    compare = COMPARISONS[leaf.operator]
    high_first = leaf.operator in {">", ">=", "!="}
    rows = sorted((row for _, _, row in found), key=lambda row: (row.amount, row.on), reverse=high_first)
    amounts = [amount for _, amount, _ in found]
    if leaf.aggregate == "any":
        hits = [row for row in rows if compare(row.amount, leaf.value)]
        best = max(amounts, default=None) if high_first else min(amounts, default=None)
        return bool(hits), (hits[0].amount if hits else best), hits
    if leaf.aggregate == "count":
        return compare(len(amounts), leaf.value), len(amounts), rows
    if not amounts or len({currency for currency, _, _ in found}) > 1:
        return None, None, rows
    if leaf.aggregate == "avg":
        # Compared as sum against value times count: exact, where a quotient would have to be rounded.
        total = sum(amounts, Decimal(0))
        return compare(total, leaf.value * len(amounts)), total / len(amounts), rows
    value = {"sum": sum(amounts, Decimal(0)), "min": min(amounts), "max": max(amounts)}[leaf.aggregate]
    return compare(value, leaf.value), value, rows


def _products(leaf: ProductRule, rows: Sequence[ProductFact], today: date) -> tuple[Verdict, Any, Sequence[Evidence]]:
    where = leaf.where
    found = [
        Evidence(row.account_id, None, row.opened_on, None)
        for row in rows
        if _in_window(row.opened_on, leaf.opened_within_days, today)
        and (not leaf.open or row.closed_on is None or row.closed_on > today)
        and _matches(where, row)
    ]
    return COMPARISONS[leaf.operator](len(found), leaf.value), len(found), found


def boundaries(rule: Rule) -> frozenset[Boundary]:
    """When the mere passing of time may change the verdict: for each boundary, on the fact's date plus `shift`.

    A date enters a window on its own day (shift 0) and leaves a window of N days N days later. So the customers whose
    verdict may differ between two days are those with a fact whose boundary falls after the first and not after the
    second; nobody else has to be asked.
    """
    found: set[Boundary] = set()
    for _, leaf in leaves(rule):
        if isinstance(leaf, BalanceRule | TransactionRule):
            fact: Fact = "balances" if isinstance(leaf, BalanceRule) else "transactions"
            found |= {Boundary(fact, shift) for shift in (0, leaf.days) if shift is not None}
        elif isinstance(leaf, ProductRule):
            found |= {Boundary("opened", shift) for shift in (0, leaf.opened_within_days) if shift is not None}
            if leaf.open:
                found.add(Boundary("closed", 0))
        elif isinstance(leaf, TenureRule):
            # Equality with k holds from day k to the day before k + 1, so both are boundaries.
            for days in (leaf.value, *(leaf.values or ())):
                if days is not None:
                    found |= {Boundary("customer_since", days), Boundary("customer_since", days + 1)}
    return frozenset(found)


def concerns(rule: Rule, news: News, today: date) -> bool:
    """Whether the verdict may change by the news: some condition looks at such a fact, and its date lies in the window."""
    wanted = BalanceRule if news.fact == "balances" else TransactionRule
    return any(
        isinstance(leaf, wanted)
        and _in_window(news.business_date, leaf.days, today)
        and _matches(leaf.where, news)
        and (not isinstance(leaf.where, TransactionWhere) or leaf.where.kind in {None, news.kind})
        for _, leaf in leaves(rule)
    )


def lookback(rule: Rule, fact: Literal["balances", "transactions"]) -> int | None:
    """How many days of balances or transactions the rule needs: 0 for none, None for all there are."""
    wanted = BalanceRule if fact == "balances" else TransactionRule
    days = [leaf.days for _, leaf in leaves(rule) if isinstance(leaf, wanted)]
    return None if None in days else max((day for day in days if day is not None), default=0)
