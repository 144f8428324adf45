"""Random rules on random customers: the evaluator in memory and every SQL engine find the same members."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from datetime import date, timedelta
from decimal import Decimal
from itertools import count
from typing import Any, Literal
from uuid import UUID

import duckdb
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from kehu_chassis.database import Database, Transaction
from kehu_contracts.codes import CustomerStatus, Gender, PartyKind, ProductClass, TransactionKind
from kehu_segmentation.business_days import start_of_day
from kehu_segmentation.features import tables
from kehu_segmentation.features.relations import OF_ALL, OF_SOME, load_facts
from kehu_segmentation.rules.compiler import RELATIONS, compile_rule
from kehu_segmentation.rules.facts import BalanceFact, CustomerFacts, ProductFact, TransactionFact
from kehu_segmentation.rules.rules import Boundary, News, boundaries, concerns, evaluate, is_member
from kehu_segmentation.rules.schemas import Rule, parse_rule

TODAY = date(2026, 3, 31)
CODES = ("gold", "o'hara", 'a"b', "x:y", "back\\slash", "%s $1", "活期")
UNITS = [UUID(int=number) for number in (1, 2, 3)]
AMOUNTS = (Decimal(0), Decimal("0.01"), Decimal("99999.9900"), Decimal(100_000), Decimal("100000.0001"), Decimal(-5))


# Most of what is drawn stands at an edge: a window's first or last day, a threshold, a day to come.
EDGES = (1, 30, 90)
lengths = st.one_of(st.sampled_from(EDGES), st.integers(1, 400))
ages = st.one_of(st.sampled_from([0, -1, *(edge + off for edge in EDGES for off in (-1, 0, 1))]), st.integers(-5, 400))
days_around = ages.map(lambda days: TODAY - timedelta(days=days))
amounts = st.sampled_from(AMOUNTS)
classes = st.sampled_from([ProductClass.SAVINGS, ProductClass.CARD])
codes = st.one_of(st.just("gold"), st.sampled_from(CODES))
currencies = st.sampled_from(["CNY", "CNY", "CNY", "USD"])
thresholds = amounts.map(str)
comparisons = st.sampled_from(["=", "!=", "<", "<=", ">", ">="])
windows = st.one_of(st.none(), lengths)


@st.composite
def customer_facts(draw: st.DrawFn, number: int) -> CustomerFacts:
    """A customer whose facts stand on an account each, as one account has one product code."""
    ids = (UUID(int=number * 1000 + index) for index in count(1))

    def balance() -> BalanceFact:
        low, mid, high = sorted(draw(st.tuples(amounts, amounts, amounts)))
        return BalanceFact(next(ids), draw(classes), draw(codes), draw(currencies), draw(days_around), mid, high, low)

    def transaction() -> TransactionFact:
        return TransactionFact(
            next(ids),
            next(ids),
            draw(classes),
            draw(codes),
            draw(st.sampled_from(TransactionKind)),
            draw(currencies),
            draw(amounts),
            draw(days_around),
        )

    def product() -> ProductFact:
        return ProductFact(
            next(ids), draw(classes), draw(codes), draw(days_around), draw(st.one_of(st.none(), days_around))
        )

    return CustomerFacts(
        UUID(int=number),
        draw(st.sampled_from(PartyKind)),
        draw(st.sampled_from(CustomerStatus)),
        draw(st.sampled_from(Gender)),
        draw(st.one_of(st.none(), st.integers(1950, 1955))),
        draw(st.one_of(st.none(), st.sampled_from(UNITS))),
        draw(days_around),
        tuple(balance() for _ in range(draw(st.integers(0, 6)))),
        tuple(transaction() for _ in range(draw(st.integers(0, 6)))),
        tuple(product() for _ in range(draw(st.integers(0, 3)))),
    )


populations = st.integers(1, 6).flatmap(
    lambda size: st.tuples(*(customer_facts(number) for number in range(1, size + 1)))
)


def _operands(name: str, values: st.SearchStrategy[Any], *, ordered: bool) -> st.SearchStrategy[dict[str, Any]]:
    base = {"type": st.just("attribute"), "name": st.just(name)}
    single = ["=", "!=", "<", "<=", ">", ">="] if ordered else ["=", "!="]
    return st.one_of(
        st.fixed_dictionaries(base | {"operator": st.sampled_from(single), "value": values}),
        st.fixed_dictionaries(
            base | {"operator": st.sampled_from(["in", "not_in"]), "values": st.lists(values, min_size=1, max_size=3)}
        ),
        st.fixed_dictionaries(base | {"operator": st.sampled_from(["is_null", "is_not_null"])}),
    )


def _where(**extra: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    restricted = st.fixed_dictionaries(
        {},
        optional={
            "product_class": st.lists(classes.map(str), min_size=1, max_size=2),
            "product_code": st.lists(codes, min_size=1, max_size=3),
            **extra,
        },
    )
    return st.one_of(st.just({}), restricted)


def _aggregates(kind: str, where: st.SearchStrategy[Any], **extra: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    base = {"type": st.just(kind), "days": windows, "where": where, "operator": comparisons}
    return st.one_of(
        st.fixed_dictionaries(
            base | {"aggregate": st.sampled_from(["any", "sum", "min", "max", "avg"]), "value": thresholds},
            optional=extra,
        ),
        st.fixed_dictionaries(base | {"aggregate": st.just("count"), "value": st.integers(0, 3)}, optional=extra),
    )


attribute_documents = st.one_of(
    _operands("kind", st.sampled_from(PartyKind).map(str), ordered=False),
    _operands("status", st.sampled_from(CustomerStatus).map(str), ordered=False),
    _operands("gender", st.sampled_from(Gender).map(str), ordered=False),
    _operands("birth_year", st.integers(1950, 1955), ordered=True),
    _operands("unit_id", st.sampled_from(UNITS).map(str), ordered=False),
    _operands("customer_since", days_around.map(str), ordered=True),
)
timed_documents = st.one_of(
    _operands("tenure_days", ages.filter(lambda days: days >= 0), ordered=True),
    _aggregates(
        "balance", _where(currency=currencies), measure=st.sampled_from(["closing", "highest", "lowest", None])
    ),
    _aggregates("transaction", _where(currency=currencies, kind=st.sampled_from(TransactionKind).map(str))),
    st.fixed_dictionaries(
        {"type": st.just("product"), "where": _where(), "open": st.booleans()},
        optional={"opened_within_days": windows, "operator": comparisons, "value": st.integers(0, 3)},
    ),
)
leaf_documents = st.one_of(attribute_documents, timed_documents)
attribute_rules = attribute_documents.map(parse_rule)
timed_rules = timed_documents.map(parse_rule)
rules = st.recursive(
    leaf_documents,
    lambda inner: st.one_of(
        st.fixed_dictionaries(
            {"type": st.sampled_from(["and", "or"]), "rules": st.lists(inner, min_size=1, max_size=3)}
        ),
        st.fixed_dictionaries({"type": st.just("not"), "rule": inner}),
    ),
    max_leaves=6,
).map(parse_rule)

GOLD_OR_RICH = parse_rule(
    {
        "type": "or",
        "rules": [
            {"type": "product", "where": {"product_class": ["card"], "product_code": ["gold"]}},
            {"type": "balance", "aggregate": "any", "days": 90, "operator": ">=", "value": "100000"},
        ],
    }
)


def relation_rows(population: Sequence[CustomerFacts]) -> dict[str, list[tuple[Any, ...]]]:
    rows: dict[str, list[tuple[Any, ...]]] = {relation: [] for relation in RELATIONS}
    for customer in population:
        known = asdict(customer)
        rows["subjects"].append(tuple(known[column] for column in RELATIONS["subjects"]))
        for relation in ("balances", "transactions", "products"):
            for fact in known[relation]:
                fact["customer_id"] = customer.customer_id
                rows[relation].append(tuple(fact[column] for column in RELATIONS[relation]))
    return rows


@pytest.fixture(scope="module")
def duck() -> Iterator[duckdb.DuckDBPyConnection]:
    connection = duckdb.connect(":memory:")
    connection.execute("SET threads = 1")
    for relation, columns in RELATIONS.items():
        described = ", ".join(
            f"{name} {kind.replace('string', 'varchar').replace('int32', 'integer')}" for name, kind in columns.items()
        )
        connection.execute(f"CREATE TABLE {relation} ({described})")
    yield connection
    connection.close()


def members_in_duckdb(
    duck: duckdb.DuckDBPyConnection, rule: Rule, population: Sequence[CustomerFacts], today: date
) -> set[UUID]:
    for relation, rows in relation_rows(population).items():
        duck.execute(f"DELETE FROM {relation}")  # noqa: S608 - a name from our own list.
        if rows:
            marks = ", ".join("?" for _ in RELATIONS[relation])
            duck.executemany(f"INSERT INTO {relation} VALUES ({marks})", rows)  # noqa: S608 - likewise.
    return {row[0] for row in duck.execute(compile_rule(rule, 1, "duckdb"), [today]).fetchall()}


def _with_balances(*held: tuple[str, int]) -> CustomerFacts:
    balances = tuple(
        BalanceFact(
            UUID(int=100 + place), ProductClass.SAVINGS, "gold", currency, TODAY, *(Decimal(amount) for _ in range(3))
        )
        for place, (currency, amount) in enumerate(held)
    )
    return CustomerFacts(
        UUID(int=1),
        PartyKind.INDIVIDUAL,
        CustomerStatus.ACTIVE,
        Gender.UNKNOWN,
        None,
        None,
        TODAY,
        balances=balances,
    )


IN_ONE_CURRENCY = _with_balances(("CNY", 60), ("CNY", 60))
IN_TWO_CURRENCIES = _with_balances(("CNY", 60), ("USD", 60))
AT_LEAST_100 = parse_rule({"type": "balance", "aggregate": "sum", "operator": ">=", "value": "100"})

# Dates that a rule states itself stay what they are, on whatever day it is judged.
SINCE_TODAY, BEFORE_TODAY, AMONG_DAYS = (
    parse_rule({"type": "attribute", "name": "customer_since", **asked})
    for asked in (
        {"operator": "=", "value": str(TODAY)},
        {"operator": "<", "value": str(TODAY)},
        {"operator": "in", "values": ["2020-01-01", str(TODAY)]},
    )
)


def test_amounts_in_two_currencies_do_not_add_up() -> None:
    assert evaluate(AT_LEAST_100, IN_ONE_CURRENCY, TODAY) is True
    assert evaluate(AT_LEAST_100, IN_TWO_CURRENCIES, TODAY) is None
    assert evaluate(AT_LEAST_100, _with_balances(), TODAY) is None
    assert evaluate(AT_LEAST_100, _with_balances(("CNY", 60)), TODAY) is False


class _Undo(Exception):
    """Takes an example's rows back."""


async def _write(tx: Transaction, population: Sequence[CustomerFacts]) -> None:
    people = [
        (
            one.customer_id,
            str(one.customer_id)[-12:],
            one.kind.value,
            one.status.value,
            one.gender.value,
            one.birth_year,
            one.unit_id,
            one.customer_id,
            one.customer_since,
            1,
        )
        for one in population
    ]
    holdings, days, movements = [], [], []
    for one in population:
        facts: list[BalanceFact | TransactionFact | ProductFact] = [*one.balances, *one.transactions, *one.products]
        for fact in facts:
            opened, closed = (fact.opened_on, fact.closed_on) if isinstance(fact, ProductFact) else (None, None)
            product = (fact.product_class.value, fact.product_code)
            holdings.append((one.customer_id, fact.account_id, "owner", True, *product, None, opened, closed, 1))
        days += [
            (one.customer_id, it.account_id, it.business_date, it.currency, it.closing, it.highest, it.lowest)
            for it in one.balances
        ]
        movements += [
            (
                one.customer_id,
                it.business_date,
                it.transaction_id,
                it.account_id,
                it.kind.value,
                it.amount,
                it.currency,
                start_of_day(it.business_date),
            )
            for it in one.transactions
        ]
    await tx.copy(tables.customers, [column.name for column in tables.customers.columns], people)
    await tx.copy(tables.holdings, [column.name for column in tables.holdings.columns], holdings)
    measures = ["customer_id", "account_id", "business_date", "currency", "moved", "moved_highest", "moved_lowest"]
    await tx.copy(tables.account_days, measures, days)
    await tx.copy(tables.posted, [column.name for column in tables.posted.columns], movements)


async def members_in_postgres(
    database: Database, rule: Rule, population: Sequence[CustomerFacts], today: date
) -> tuple[set[UUID], set[UUID], dict[UUID, CustomerFacts]]:
    """Members found over all customers, members found among some, and the facts as they are read back."""
    asked = [one.customer_id for one in population]
    with contextlib.suppress(_Undo):
        async with database.begin() as tx:
            await _write(tx, population)
            over_all = await tx.connection.fetch(f"{OF_ALL} {compile_rule(rule, 1)}", today)
            over_some = await tx.connection.fetch(f"{OF_SOME} {compile_rule(rule, 2)}", asked, today)
            facts = await load_facts(tx, asked, balances_since=None, transactions_since=None)
            raise _Undo
    return {row["customer_id"] for row in over_all}, {row["customer_id"] for row in over_some}, facts


@given(rule=st.one_of(attribute_rules, timed_rules, rules), population=populations)
@example(rule=GOLD_OR_RICH, population=())
@example(rule=AT_LEAST_100, population=(IN_ONE_CURRENCY,))
@example(rule=AT_LEAST_100, population=(IN_TWO_CURRENCIES,))
@example(rule=SINCE_TODAY, population=(IN_ONE_CURRENCY,))
@example(rule=BEFORE_TODAY, population=(IN_ONE_CURRENCY,))
@example(rule=AMONG_DAYS, population=(IN_ONE_CURRENCY,))
@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
        HealthCheck.function_scoped_fixture,
    ],
)
async def test_every_engine_finds_the_members_that_the_evaluator_finds(
    duck: duckdb.DuckDBPyConnection, worker_database: Database, rule: Rule, population: tuple[CustomerFacts, ...]
) -> None:
    expected = {facts.customer_id for facts in population if is_member(rule, facts, TODAY)}
    assert members_in_duckdb(duck, rule, population, TODAY) == expected
    over_all, over_some, facts = await members_in_postgres(worker_database, rule, population, TODAY)
    assert over_all == expected
    assert over_some == expected
    assert {found.customer_id for found in facts.values() if is_member(rule, found, TODAY)} == expected


def _crosses(boundary: Boundary, facts: CustomerFacts, before: date, after: date) -> bool:
    dates = {
        "balances": [row.business_date for row in facts.balances],
        "transactions": [row.business_date for row in facts.transactions],
        "opened": [row.opened_on for row in facts.products],
        "closed": [row.closed_on for row in facts.products if row.closed_on is not None],
        "customer_since": [facts.customer_since],
    }[boundary.fact]
    return any(before < day + timedelta(days=boundary.shift) <= after for day in dates)


@given(rule=timed_rules, facts=customer_facts(1), ahead=lengths)
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_verdict_changes_by_time_only_where_a_boundary_is_crossed(
    rule: Rule, facts: CustomerFacts, ahead: int
) -> None:
    later = TODAY + timedelta(days=ahead)
    if evaluate(rule, facts, TODAY) != evaluate(rule, facts, later):
        assert any(_crosses(boundary, facts, TODAY, later) for boundary in boundaries(rule))


@given(rule=timed_rules, facts=customer_facts(1), fact=st.sampled_from(["balances", "transactions"]))
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_news_that_concern_no_condition_change_no_verdict(
    rule: Rule, facts: CustomerFacts, fact: Literal["balances", "transactions"]
) -> None:
    rows: tuple[BalanceFact | TransactionFact, ...] = getattr(facts, fact)
    for row in rows:
        kind = row.kind if isinstance(row, TransactionFact) else None
        news = News(fact, row.product_class, row.product_code, row.currency, kind, row.business_date)
        without: dict[str, Any] = {fact: tuple(other for other in rows if other is not row)}
        before = replace(facts, **without)
        if evaluate(rule, before, TODAY) != evaluate(rule, facts, TODAY):
            assert concerns(rule, news, TODAY)
