"""One row per measurement, and the table that they make."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field

__all__ = ["Measurement", "exponent", "markdown"]


@dataclass(frozen=True)
class Measurement:
    """Ours beside a limit or a peer, round by round."""

    work: str
    unit: str
    ours: Sequence[float]
    peer_name: str = "–"
    peer: Sequence[float] = ()
    budget: str = "–"
    exponent: float | None = None
    notes: str = field(default="")

    @property
    def ratios(self) -> list[float]:
        """Ours to the peer's, pair by pair: what the machine did to one it did to the other."""
        return [ours / peer for ours, peer in zip(self.ours, self.peer, strict=True)]

    def cells(self) -> list[str]:
        """The row of the table."""
        peer = f"{self.peer_name}: {_shown(self.peer)}" if self.peer else self.peer_name
        ratio = f"{statistics.median(self.ratios):.2f}" if self.peer else "–"
        spread = self.ratios if self.peer else self.ours
        spread_shown = f"{_figure(min(spread))}–{_figure(max(spread))}" if len(spread) > 1 else "–"
        grows = "–" if self.exponent is None else f"{self.exponent:.2f}"
        return [
            self.work,
            f"{_shown(self.ours)} {self.unit}",
            peer,
            ratio,
            spread_shown,
            self.budget,
            grows,
            self.notes,
        ]


def _shown(values: Sequence[float]) -> str:
    return _figure(statistics.median(values))


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:,.1f}" if value >= 10 else f"{value:,.2f}"


def exponent(sizes: Sequence[int], seconds: Sequence[float]) -> float:
    """The slope of log(time) over log(size): 1 is linear."""
    xs, ys = [math.log(size) for size in sizes], [math.log(second) for second in seconds]
    return statistics.linear_regression(xs, ys).slope


def markdown(measurements: Sequence[Measurement]) -> str:
    """All rows as a Markdown table, ready for docs/performance.md."""
    head = ["Work", "Ours", "Limit or peer", "Ratio", "Spread", "Budget", "Exponent", "Notes"]
    rows = [head, ["---"] * len(head), *(measurement.cells() for measurement in measurements)]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)
