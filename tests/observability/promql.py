"""The part of PromQL that our rules and dashboards use, evaluated over scrapes as Prometheus would.

Written for the tests: Prometheus itself is not part of the repository. Where `promtool` is there, it checks the syntax too.
What is not understood is refused, so that no rule is passed over.
"""

from __future__ import annotations

import math
import operator
import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from prometheus_client.parser import text_string_to_metric_families

__all__ = ["Evaluator", "Scrape", "Selector", "scrape_of", "selectors"]

Labels = frozenset[tuple[str, str]]
Vector = dict[Labels, float]
Value = Vector | float

AGGREGATIONS: Final[Mapping[str, Callable[[list[float]], float]]] = {"sum": sum, "max": max, "min": min}
RANGED: Final = frozenset({"rate", "increase"})
OPERATORS: Final[Mapping[str, Callable[[float, float], float]]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": lambda a, b: a / b if b else math.nan,
}
COMPARISONS: Final[Mapping[str, Callable[[float, float], bool]]] = {
    ">": operator.gt,
    "<": operator.lt,
    ">=": operator.ge,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
}
TOKEN: Final = re.compile(
    r'\s*([a-zA-Z_:][\w:]*|\d+[smhd]|\d+(?:\.\d+)?|"(?:[^"\\]|\\.)*"|=~|!~|[<>=!]=|[-+*/<>=(){},\[\]])'
)
SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}


@dataclass(frozen=True)
class Scrape:
    """What one scrape gave, all targets together."""

    at: float
    samples: Mapping[str, Vector]


def scrape_of(at: float, *targets: tuple[str, Mapping[str, str]]) -> Scrape:
    """A scrape of several targets: the text that each answered, and the labels that the configuration gives it."""
    samples: defaultdict[str, Vector] = defaultdict(dict)
    for text, given in targets:
        samples["up"][frozenset(given.items())] = float(bool(text))
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                samples[sample.name][frozenset({**sample.labels, **given}.items())] = sample.value
    return Scrape(at, samples)


@dataclass(frozen=True)
class Selector:
    """`name{matchers}[window]`; `grouped_by` is what the aggregation around it asks for."""

    name: str
    matchers: tuple[tuple[str, str, str], ...]
    window: int | None

    def admits(self, labels: Labels) -> bool:
        held = dict(labels)
        for name, how, wanted in self.matchers:
            found = held.get(name, "")
            is_it = re.fullmatch(wanted, found) is not None if how.endswith("~") else found == wanted
            if is_it == how.startswith("!"):
                return False
        return True


class Evaluator:
    """Evaluates expressions at the moment of the last scrape; `selectors` and `labels` tell what they asked for."""

    def __init__(self, scrapes: Sequence[Scrape]) -> None:
        self._scrapes = scrapes
        self.selectors: list[Selector] = []
        self.labels: set[str] = set()
        self._tokens: list[str] = []

    def __call__(self, expression: str) -> Value:
        """The value of an expression; a comparison keeps what fulfils it.

        Raises:
            ValueError: it is not of the part of the language that is understood here.
        """
        found = TOKEN.findall(expression)
        if "".join(found) != re.sub(r"\s+", "", expression):
            raise ValueError(f"not understood: {expression}")
        self._tokens = found[::-1]
        value = self._comparison()
        if self._tokens:
            raise ValueError(f"left over: {self._tokens[::-1]}")
        return value

    def _next(self, wanted: str | None = None) -> str:
        token = self._tokens.pop() if self._tokens else ""
        if not token or (wanted is not None and token != wanted):
            raise ValueError(f"{token!r} where {wanted!r} should be")
        return token

    def _peek(self) -> str:
        return self._tokens[-1] if self._tokens else ""

    def _comparison(self) -> Value:
        left = self._sum()
        if self._peek() not in COMPARISONS:
            return left
        holds = COMPARISONS[self._next()]
        right = self._sum()
        if not isinstance(left, dict) or isinstance(right, dict):
            raise ValueError("a comparison is of a vector with a number")  # noqa: TRY004  the expression is wrong
        return {labels: value for labels, value in left.items() if holds(value, right)}

    def _sum(self) -> Value:
        value = self._product()
        while self._peek() in {"+", "-"}:
            value = _combined(self._next(), value, self._product())
        return value

    def _product(self) -> Value:
        value = self._factor()
        while self._peek() in {"*", "/"}:
            value = _combined(self._next(), value, self._factor())
        return value

    def _factor(self) -> Value:
        token = self._next()
        if token == "(":
            value = self._comparison()
            self._next(")")
            return value
        if token[0].isdigit():
            return float(token)
        if token in AGGREGATIONS:
            return self._aggregation(AGGREGATIONS[token])
        if self._peek() == "(":
            return self._function(token)
        selector = self._selector(token)
        if selector.window is not None:
            raise ValueError(f"{token} over a time belongs into rate or increase")
        samples = self._scrapes[-1].samples.get(selector.name, {})
        return {labels: value for labels, value in samples.items() if selector.admits(labels)}

    def _aggregation(self, combine: Callable[[list[float]], float]) -> Vector:
        self._next("by")
        names = self._names()
        self._next("(")
        value = self._comparison()
        self._next(")")
        self.labels |= set(names)
        assert isinstance(value, dict)
        groups: defaultdict[Labels, list[float]] = defaultdict(list)
        for labels, one in value.items():
            groups[frozenset((name, held) for name, held in labels if name in names)].append(one)
        return {labels: combine(values) for labels, values in groups.items()}

    def _names(self) -> list[str]:
        self._next("(")
        names = [self._next()]
        while self._peek() == ",":
            self._next()
            names.append(self._next())
        self._next(")")
        return names

    def _function(self, name: str) -> Value:
        self._next("(")
        value: Value
        if name == "time":
            value = self._scrapes[-1].at
        elif name in RANGED:
            selector = self._selector(self._next())
            if selector.window is None:
                raise ValueError(f"{name} needs a time")
            value = self._growth(selector, per_second=name == "rate")
        elif name == "histogram_quantile":
            quantile = float(self._next())
            self._next(",")
            buckets = self._comparison()
            assert isinstance(buckets, dict)
            value = _quantile(quantile, buckets)
        else:
            raise ValueError(f"the function {name} is not understood")
        self._next(")")
        return value

    def _selector(self, name: str) -> Selector:
        matchers = []
        if self._peek() == "{":
            self._next()
            while self._peek() != "}":
                matchers.append((self._next(), self._next(), self._next()[1:-1]))
                if self._peek() == ",":
                    self._next()
            self._next("}")
        window = None
        if self._peek() == "[":
            self._next()
            length = self._next()
            window = int(length[:-1]) * SECONDS[length[-1]]
            self._next("]")
        selector = Selector(name, tuple(matchers), window)
        self.selectors.append(selector)
        self.labels |= {label for label, _, _ in matchers}
        return selector

    def _growth(self, selector: Selector, *, per_second: bool) -> Vector:
        # As Prometheus: what has one sample only in the time has not grown, so a counter must be there before it moves.
        assert selector.window is not None
        now = self._scrapes[-1].at
        series: defaultdict[Labels, list[tuple[float, float]]] = defaultdict(list)
        for scrape in self._scrapes:
            if scrape.at > now - selector.window:
                for labels, value in scrape.samples.get(selector.name, {}).items():
                    if selector.admits(labels):
                        series[labels].append((scrape.at, value))
        return {
            labels: (points[-1][1] - points[0][1])
            / (points[-1][0] - points[0][0])
            * (1 if per_second else selector.window)
            for labels, points in series.items()
            if len(points) > 1
        }


def _combined(sign: str, left: Value, right: Value) -> Value:
    apply = OPERATORS[sign]
    if isinstance(left, dict) and isinstance(right, dict):
        return {labels: apply(left[labels], right[labels]) for labels in left.keys() & right.keys()}
    if isinstance(left, dict):
        assert not isinstance(right, dict)
        return {labels: apply(value, right) for labels, value in left.items()}
    if isinstance(right, dict):
        return {labels: apply(left, value) for labels, value in right.items()}
    return apply(left, right)


def _quantile(quantile: float, buckets: Vector) -> Vector:
    groups: defaultdict[Labels, list[tuple[float, float]]] = defaultdict(list)
    for labels, count in buckets.items():
        [bound] = [float(value) for name, value in labels if name == "le"]
        groups[frozenset(pair for pair in labels if pair[0] != "le")].append((bound, count))
    found: Vector = {}
    for labels, bounds in groups.items():
        ordered = sorted(bounds)
        total = ordered[-1][1]
        if not total:
            continue
        rank = quantile * total
        lower, below = 0.0, 0.0
        for bound, count in ordered:
            if count >= rank:
                found[labels] = (
                    lower if math.isinf(bound) else lower + (bound - lower) * (rank - below) / (count - below)
                )
                break
            lower, below = bound, count
    return found


def selectors(expression: str) -> tuple[list[Selector], set[str]]:
    """Every selector of an expression, and every label that it names."""
    evaluator = Evaluator([Scrape(0.0, {})])
    evaluator(expression)
    return evaluator.selectors, evaluator.labels
