"""The tree of a rule as it travels in JSON: one class per kind of node, told apart by `type` and, for attributes, `name`.

What each node means, with its windows and its NULLs, stands in the service's README; `rules.evaluate` is the reference.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Annotated, Any, Final, Literal, TypeVar
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Discriminator, Field, Tag, TypeAdapter, model_validator
from pydantic_core import PydanticCustomError

from kehu_chassis.schemas import Day
from kehu_contracts.codes import CustomerStatus, Gender, PartyKind, ProductClass, TransactionKind

__all__ = [
    "AllOf",
    "AnyOf",
    "BalanceRule",
    "BalanceWhere",
    "BirthYearRule",
    "CustomerSinceRule",
    "GenderRule",
    "KindRule",
    "Leaf",
    "NotRule",
    "ProductRule",
    "ProductWhere",
    "Rule",
    "RuleTree",
    "StatusRule",
    "TenureRule",
    "TransactionRule",
    "TransactionWhere",
    "UnitRule",
    "leaves",
    "parse_rule",
]

MAX_NODES: Final = 200
MAX_DEPTH: Final = 20

Comparison = Literal["=", "!=", "<", "<=", ">", ">="]
Equality = Literal["=", "!=", "in", "not_in", "is_null", "is_not_null"]
Ordering = Literal["=", "!=", "<", "<=", ">", ">=", "in", "not_in", "is_null", "is_not_null"]
Aggregate = Literal["any", "count", "sum", "min", "max", "avg"]
Measure = Literal["closing", "highest", "lowest"]

Days = Annotated[int, Field(ge=1, le=3660)]
Threshold = Annotated[Decimal, Field(max_digits=20, decimal_places=4, allow_inf_nan=False)]
Code = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]+$")]
Value = TypeVar("Value")
Values = Annotated[tuple[Value, ...], Field(min_length=1, max_length=1000)]
CurrencyCode = Annotated[str, Field(pattern=r"^[A-Z]{3}$")]


class _Node(BaseModel):
    # A rule is given back whole, with what was left to a default filled in.
    model_config = ConfigDict(frozen=True, extra="forbid", json_schema_serialization_defaults_required=True)


class AllOf(_Node):
    """TRUE when every part is TRUE; FALSE when one is FALSE; else UNKNOWN."""

    type: Literal["and"]
    rules: Annotated[tuple[Rule, ...], Field(min_length=1, max_length=50)]


class AnyOf(_Node):
    """TRUE when one part is TRUE; FALSE when every part is FALSE; else UNKNOWN."""

    type: Literal["or"]
    rules: Annotated[tuple[Rule, ...], Field(min_length=1, max_length=50)]


class NotRule(_Node):
    """The opposite; of UNKNOWN it is UNKNOWN."""

    type: Literal["not"]
    rule: Rule


class _Attribute(_Node):
    type: Literal["attribute"]
    operator: str
    value: Any = None
    values: Any = None

    @model_validator(mode="after")
    def _operand_fits_the_operator(self) -> _Attribute:
        wanted = {"in": "values", "not_in": "values", "is_null": None, "is_not_null": None}.get(self.operator, "value")
        given = [name for name in ("value", "values") if getattr(self, name) is not None]
        if given != ([] if wanted is None else [wanted]):
            raise PydanticCustomError(
                "rule_operand",
                "The operator {operator} takes {wanted}",
                {
                    "operator": self.operator,
                    "wanted": wanted or "neither value nor values",
                    "detail_zh": f"运算符 {self.operator} 需要 {wanted}"
                    if wanted
                    else f"运算符 {self.operator} 不带取值",
                },
            )
        return self


class KindRule(_Attribute):
    """The kind of party."""

    name: Literal["kind"]
    operator: Equality
    value: PartyKind | None = None
    values: Values[PartyKind] | None = None


class StatusRule(_Attribute):
    """Whether the relationship runs."""

    name: Literal["status"]
    operator: Equality
    value: CustomerStatus | None = None
    values: Values[CustomerStatus] | None = None


class GenderRule(_Attribute):
    """The gender; `unknown` is a value, not a NULL."""

    name: Literal["gender"]
    operator: Equality
    value: Gender | None = None
    values: Values[Gender] | None = None


class BirthYearRule(_Attribute):
    """The year of birth; NULL for parties that were not born."""

    name: Literal["birth_year"]
    operator: Ordering
    value: Annotated[int, Field(ge=1850, le=2200)] | None = None
    values: Values[Annotated[int, Field(ge=1850, le=2200)]] | None = None


class UnitRule(_Attribute):
    """The owning unit itself, not the units below it."""

    name: Literal["unit_id"]
    operator: Equality
    value: UUID | None = None
    values: Values[UUID] | None = None


class CustomerSinceRule(_Attribute):
    """The date on which the relationship began."""

    name: Literal["customer_since"]
    operator: Ordering
    value: Day | None = None
    values: Values[Day] | None = None


class TenureRule(_Attribute):
    """Days since the relationship began: today minus `customer_since`."""

    name: Literal["tenure_days"]
    operator: Ordering
    value: Annotated[int, Field(ge=0, le=73_000)] | None = None
    values: Values[Annotated[int, Field(ge=0, le=73_000)]] | None = None


class BalanceWhere(_Node):
    """Which account-days a balance rule looks at; what is not given does not restrict."""

    product_class: Values[ProductClass] | None = None
    product_code: Values[Code] | None = None
    currency: CurrencyCode | None = None


class TransactionWhere(BalanceWhere):
    """Which movements a transaction rule looks at."""

    kind: TransactionKind | None = None


class ProductWhere(_Node):
    """Which holdings a product rule looks at."""

    product_class: Values[ProductClass] | None = None
    product_code: Values[Code] | None = None


class _Window(_Node):
    aggregate: Aggregate
    days: Days | None = None
    """The last so many days: from today - days (exclusive) to today (inclusive); without it all days up to today."""
    operator: Comparison
    value: Threshold

    @model_validator(mode="after")
    def _a_count_is_whole(self) -> _Window:
        if self.aggregate == "count" and self.value != self.value.to_integral_value():
            raise PydanticCustomError(
                "rule_count", "A count is compared with a whole number", {"detail_zh": "计数只能与整数比较"}
            )
        return self


class BalanceRule(_Window):
    """An aggregate over account-days with a stated balance, compared with a number."""

    type: Literal["balance"]
    measure: Measure | None = None
    """Which balance of the day: the last stated, the highest or the lowest stated. Without it: `highest` where a high
    balance decides (`max`, and `any` with > or >=), `lowest` where a low one does (`min`, and `any` with < or <=), else
    `closing`."""
    where: BalanceWhere = BalanceWhere()

    @property
    def effective_measure(self) -> Measure:
        """The measure given, or the one that follows from aggregate and operator."""
        if self.measure is not None:
            return self.measure
        if self.aggregate == "max" or (self.aggregate == "any" and self.operator in {">", ">="}):
            return "highest"
        if self.aggregate == "min" or (self.aggregate == "any" and self.operator in {"<", "<="}):
            return "lowest"
        return "closing"


class TransactionRule(_Window):
    """An aggregate over the amounts of movements, compared with a number."""

    type: Literal["transaction"]
    where: TransactionWhere = TransactionWhere()


class ProductRule(_Node):
    """The number of holdings, compared with a number. Without operator and value: there is at least one."""

    type: Literal["product"]
    where: ProductWhere = ProductWhere()
    open: bool = True
    """Only holdings that are open today; else those that were closed count too."""
    opened_within_days: Days | None = None
    operator: Comparison = ">="
    value: Annotated[int, Field(ge=0, le=100_000)] = 1


Leaf = (
    KindRule
    | StatusRule
    | GenderRule
    | BirthYearRule
    | UnitRule
    | CustomerSinceRule
    | TenureRule
    | BalanceRule
    | TransactionRule
    | ProductRule
)


def _tag(node: Any) -> str | None:
    """What tells the kinds of node apart: `type`, and for attributes their `name`."""
    kind, name = (
        (node.get("type"), node.get("name"))
        if isinstance(node, dict)
        else (getattr(node, "type", None), getattr(node, "name", None))
    )
    tag = name if kind == "attribute" else kind
    return tag if isinstance(tag, str) else None


Rule = Annotated[
    Annotated[AllOf, Tag("and")]
    | Annotated[AnyOf, Tag("or")]
    | Annotated[NotRule, Tag("not")]
    | Annotated[KindRule, Tag("kind")]
    | Annotated[StatusRule, Tag("status")]
    | Annotated[GenderRule, Tag("gender")]
    | Annotated[BirthYearRule, Tag("birth_year")]
    | Annotated[UnitRule, Tag("unit_id")]
    | Annotated[CustomerSinceRule, Tag("customer_since")]
    | Annotated[TenureRule, Tag("tenure_days")]
    | Annotated[BalanceRule, Tag("balance")]
    | Annotated[TransactionRule, Tag("transaction")]
    | Annotated[ProductRule, Tag("product")],
    Discriminator(_tag),
]

AllOf.model_rebuild()
AnyOf.model_rebuild()
NotRule.model_rebuild()


def leaves(rule: Rule, pointer: str = "") -> Iterator[tuple[str, Leaf]]:
    """Every leaf of a rule with its JSON Pointer within the rule, from left to right."""
    if isinstance(rule, AllOf | AnyOf):
        for index, part in enumerate(rule.rules):
            yield from leaves(part, f"{pointer}/rules/{index}")
    elif isinstance(rule, NotRule):
        yield from leaves(rule.rule, f"{pointer}/rule")
    else:
        yield pointer, rule


def _size(rule: Rule) -> tuple[int, int]:
    if isinstance(rule, AllOf | AnyOf):
        sizes = [_size(part) for part in rule.rules]
        return 1 + sum(nodes for nodes, _ in sizes), 1 + max(depth for _, depth in sizes)
    if isinstance(rule, NotRule):
        nodes, depth = _size(rule.rule)
        return 1 + nodes, 1 + depth
    return 1, 1


def _bounded(rule: Rule) -> Rule:
    nodes, depth = _size(rule)
    if nodes > MAX_NODES or depth > MAX_DEPTH:
        raise PydanticCustomError(
            "rule_too_large",
            "A rule has at most {max_nodes} nodes and {max_depth} levels",
            {
                "max_nodes": MAX_NODES,
                "max_depth": MAX_DEPTH,
                "detail_zh": f"规则最多 {MAX_NODES} 个节点、{MAX_DEPTH} 层",
            },
        )
    return rule


RuleTree = Annotated[Rule, AfterValidator(_bounded)]
"""A whole rule, within the limits of size."""

_ADAPTER: Final[TypeAdapter[Rule]] = TypeAdapter(RuleTree)


def parse_rule(document: Any) -> Rule:
    """The tree of a rule that was stored as JSON.

    Raises:
        pydantic.ValidationError: the document is no rule.
    """
    return _ADAPTER.validate_python(document)
