"""From a rule to SQL: one Ibis expression over four relations, compiled for an engine.

The relations hold one row per fact, with holdings that count only:

    subjects(customer_id, kind, status, gender, birth_year, unit_id, customer_since)
    balances(customer_id, product_class, product_code, currency, business_date, closing, highest, lowest)
    transactions(customer_id, product_class, product_code, currency, kind, amount, business_date)
    products(customer_id, product_class, product_code, opened_on, closed_on)

Whoever runs the SQL provides them: in PostgreSQL `membership.queries` puts them before it as common table expressions,
over a Parquet snapshot they are views. Each relation is read once per rule, all leaves over it side by side.

Ibis is imported in the functions that need it: a process that never publishes a segment never pays for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, Literal
from uuid import UUID

from kehu_segmentation.rules.rules import COMPARISONS
from kehu_segmentation.rules.schemas import (
    AllOf,
    AnyOf,
    BalanceRule,
    NotRule,
    ProductRule,
    Rule,
    TenureRule,
    TransactionRule,
    leaves,
)

if TYPE_CHECKING:
    import ibis.expr.types as ir

__all__ = ["RELATIONS", "Engine", "compile_rule", "expression"]

Engine = Literal["postgres", "duckdb"]

MONEY: Final = "decimal(20, 4)"
_ORIGIN: Final = date(3000, 1, 1)
"""The day that stands for any other while a rule is compiled: every date that Ibis writes is told by its distance from it."""
RELATIONS: Final[Mapping[str, Mapping[str, str]]] = {
    "subjects": {
        "customer_id": "uuid",
        "kind": "string",
        "status": "string",
        "gender": "string",
        "birth_year": "int32",
        "unit_id": "uuid",
        "customer_since": "date",
    },
    "balances": {
        "customer_id": "uuid",
        "product_class": "string",
        "product_code": "string",
        "currency": "string",
        "business_date": "date",
        "closing": MONEY,
        "highest": MONEY,
        "lowest": MONEY,
    },
    "transactions": {
        "customer_id": "uuid",
        "product_class": "string",
        "product_code": "string",
        "currency": "string",
        "kind": "string",
        "amount": MONEY,
        "business_date": "date",
    },
    "products": {
        "customer_id": "uuid",
        "product_class": "string",
        "product_code": "string",
        "opened_on": "date",
        "closed_on": "date",
    },
}
"""The relations that a rule's SQL reads, with Ibis types."""


@lru_cache(maxsize=256)
def compile_rule(rule: Rule, day: int, engine: Engine = "postgres") -> str:
    """The SELECT that gives the `customer_id` of every subject for whom the rule is TRUE on a day.

    The day stays open, so that one text, compiled and planned once, serves every day: it is the statement's argument
    number `day`. Compiling takes some 20 to 50 ms; the text is remembered.
    """
    from sqlglot import exp, parse_one  # noqa: PLC0415 - heavy, as is Ibis.

    if engine == "postgres":
        # The compiler itself, not the back end: that one would want a second PostgreSQL driver.
        from ibis.backends.sql.compilers.postgres import PostgresCompiler as Compiler  # noqa: PLC0415 - see above.
    else:
        from ibis.backends.sql.compilers.duckdb import DuckDBCompiler as Compiler  # noqa: PLC0415 - see above.

    def leave_open(node: Any) -> Any:
        if not isinstance(node, exp.DateFromParts):
            return node
        written = date(*(int(node.args[part].this) for part in ("year", "month", "day")))
        return parse_one(f"(CAST(${day} AS DATE) - {(_ORIGIN - written).days})", dialect=engine)

    tree = Compiler().to_sqlglot(expression(rule, _ORIGIN))
    ruled = tree.transform(leave_open).sql(engine)
    # A rule without spans of days would leave the argument unused, which both engines refuse.
    return f"SELECT customer_id FROM ({ruled}) AS ruled WHERE CAST(${day} AS DATE) IS NOT NULL"  # noqa: S608  Ibis quotes what a rule states.


def expression(rule: Rule, today: date) -> ir.Table:
    """The rule as an Ibis expression over the relations, as of a day."""
    import ibis  # noqa: PLC0415 - heavy, and most processes never need it.

    table = ibis.table(dict(RELATIONS["subjects"]), name="subjects")
    measured = _measure(rule, today)
    for relation, aggregates in measured.items():
        table = table.left_join(aggregates, "customer_id", rname=f"{relation}_{{name}}")
    names = {pointer: f"leaf_{index}" for index, (pointer, _) in enumerate(leaves(rule))}
    return table.filter(_verdict(rule, "", table, names, today)).select("customer_id")


def _measure(rule: Rule, today: date) -> dict[str, ir.Table]:
    """One aggregated table per relation that the rule needs, with the columns of every leaf over it."""
    import ibis  # noqa: PLC0415 - see `expression`.

    measured: dict[str, ir.Table] = {}
    for relation, kind in (("balances", BalanceRule), ("transactions", TransactionRule), ("products", ProductRule)):
        wanted = [(index, leaf) for index, (_, leaf) in enumerate(leaves(rule)) if isinstance(leaf, kind)]
        if not wanted:
            continue
        rows = ibis.table(dict(RELATIONS[relation]), name=relation)
        conditions = {index: _condition(leaf, rows, today) for index, leaf in wanted}
        metrics: dict[str, Any] = {}
        for index, leaf in wanted:
            metrics |= _metrics(f"leaf_{index}", leaf, rows, conditions[index])
        measured[relation] = rows.filter(ibis.or_(*conditions.values())).group_by("customer_id").aggregate(**metrics)
    return measured


def _condition(leaf: Any, rows: ir.Table, today: date) -> ir.BooleanValue:
    import ibis  # noqa: PLC0415 - see `expression`.

    dated = rows.opened_on if isinstance(leaf, ProductRule) else rows.business_date
    days = leaf.opened_within_days if isinstance(leaf, ProductRule) else leaf.days
    parts = [dated <= ibis.literal(today)]
    if days is not None:
        parts.append(dated > ibis.literal(today - timedelta(days=days)))
    if isinstance(leaf, ProductRule) and leaf.open:
        parts.append(rows.closed_on.isnull() | (rows.closed_on > ibis.literal(today)))
    sets = {column: getattr(leaf.where, column) for column in ("product_class", "product_code")}
    parts.extend(
        rows[column].isin([str(code) for code in codes]) for column, codes in sets.items() if codes is not None
    )
    values = {column: getattr(leaf.where, column, None) for column in ("currency", "kind")}
    parts.extend(rows[column] == str(value) for column, value in values.items() if value is not None)
    return ibis.and_(*parts)


def _metrics(name: str, leaf: Any, rows: ir.Table, condition: ir.BooleanValue) -> dict[str, Any]:
    count = rows.customer_id.count(where=condition)
    if isinstance(leaf, ProductRule) or leaf.aggregate == "count":
        return {name: count}
    amount = rows[leaf.effective_measure] if isinstance(leaf, BalanceRule) else rows.amount
    if leaf.aggregate == "any":
        return {name: rows.customer_id.count(where=condition & _compare(leaf.operator, amount, _money(leaf.value)))}
    function = "sum" if leaf.aggregate == "avg" else leaf.aggregate
    metrics = {
        name: getattr(amount, function)(where=condition),
        f"{name}_low": rows.currency.min(where=condition),
        f"{name}_high": rows.currency.max(where=condition),
    }
    return metrics | ({f"{name}_count": count} if leaf.aggregate == "avg" else {})


def _verdict(rule: Rule, pointer: str, table: ir.Table, names: Mapping[str, str], today: date) -> ir.BooleanValue:
    import ibis  # noqa: PLC0415 - see `expression`.

    if isinstance(rule, AllOf | AnyOf):
        join = ibis.and_ if isinstance(rule, AllOf) else ibis.or_
        parts = [_verdict(part, f"{pointer}/rules/{i}", table, names, today) for i, part in enumerate(rule.rules)]
        return join(*parts)
    if isinstance(rule, NotRule):
        return ~_verdict(rule.rule, f"{pointer}/rule", table, names, today)
    name = names[pointer]
    if isinstance(rule, BalanceRule | TransactionRule):
        return _aggregate_verdict(rule, name, table)
    if isinstance(rule, ProductRule):
        return _compare(rule.operator, table[name].fill_null(0), rule.value)
    return _attribute_verdict(rule, table, today)


def _aggregate_verdict(rule: BalanceRule | TransactionRule, name: str, table: ir.Table) -> ir.BooleanValue:
    import ibis  # noqa: PLC0415 - see `expression`.

    if rule.aggregate == "any":
        return table[name].fill_null(0) > 0
    if rule.aggregate == "count":
        return _compare(rule.operator, table[name].fill_null(0), int(rule.value))
    threshold = _money(rule.value)
    if rule.aggregate == "avg":
        threshold *= table[f"{name}_count"].cast("decimal(10, 0)")
    one_currency = table[f"{name}_low"] == table[f"{name}_high"]
    return ibis.ifelse(one_currency, _compare(rule.operator, table[name], threshold), ibis.null("boolean"))


def _attribute_verdict(rule: Any, table: ir.Table, today: date) -> ir.BooleanValue:
    column = table["customer_since" if isinstance(rule, TenureRule) else rule.name]
    if rule.operator == "is_null":
        return column.isnull()
    if rule.operator == "is_not_null":
        return column.notnull()
    comparison = rule.operator
    if isinstance(rule, TenureRule):
        # Days since a date compared with a number are that date compared, the other way round, with a date.
        comparison = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}.get(comparison, comparison)
    if comparison in {"in", "not_in"}:
        found = column.isin([_operand(rule, value, today) for value in rule.values])
        return ~found if comparison == "not_in" else found
    return _compare(comparison, column, _operand(rule, rule.value, today))


def _operand(rule: Any, value: Any, today: date) -> Any:
    import ibis  # noqa: PLC0415 - see `expression`.

    if isinstance(rule, TenureRule):
        return ibis.literal(today - timedelta(days=value))
    if isinstance(value, UUID):
        return ibis.literal(value, type="uuid")
    if isinstance(value, date):
        # As text, since it stays what it is whatever the day: other dates are measured from the day (`compile_rule`).
        return ibis.literal(value.isoformat()).cast("date")
    return ibis.literal(str(value) if isinstance(value, str) else value)


def _money(value: Decimal) -> Any:
    import ibis  # noqa: PLC0415 - see `expression`.

    return ibis.literal(value, type=MONEY)


def _compare(comparison: str, left: Any, right: Any) -> ir.BooleanValue:
    result: ir.BooleanValue = COMPARISONS[comparison](left, right)
    return result
