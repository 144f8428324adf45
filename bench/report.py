"""One row per measurement, and the table that they make."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field

__all__ = ["Measurement", "exponent", "markdown"]


@dataclass(frozen=True)
class Measurement:
    """Ours beside a limit or a peer, round by round; a higher figure is better unless `lower_is_better`."""

    work: str
    unit: str
    ours: Sequence[float]
    peer_name: str
    peer: Sequence[float] = ()
    budget: str = ""
    exponent: float | None = None
    notes: str = field(default="")

    @property
    def ratios(self) -> list[float]:
        """Ours to the peer's, pair by pair: what the machine did to one it did to the other."""
        return [ours / peer for ours, peer in zip(self.ours, self.peer, strict=True)]

    def cells(self) -> list[str]:
        """The row of the table."""
        ratio = "–"
        if self.peer:
            low, high = min(self.ratios), max(self.ratios)
            ratio = f"{statistics.median(self.ratios):.2f} ({low:.2f}–{high:.2f})"
        peer = f"{statistics.median(self.peer):,.0f}" if self.peer else "–"
        grows = "–" if self.exponent is None else f"{self.exponent:.2f}"
        ours = statistics.median(self.ours)
        shown = f"{ours:,.0f}" if ours >= 100 else f"{ours:,.1f}"
        return [self.work, f"{shown} {self.unit}", f"{self.peer_name}: {peer}", ratio, self.budget, grows, self.notes]


def exponent(sizes: Sequence[int], seconds: Sequence[float]) -> float:
    """The slope of log(time) over log(size): 1 is linear."""
    xs, ys = [math.log(size) for size in sizes], [math.log(second) for second in seconds]
    return statistics.linear_regression(xs, ys).slope


def markdown(measurements: Sequence[Measurement]) -> str:
    """All rows as a Markdown table, ready for docs/performance.md."""
    head = ["Work", "Ours (median)", "Limit or peer (median)", "Ratio (lowest–highest)", "Budget", "Exponent", "Notes"]
    rows = [head, ["---"] * len(head), *(measurement.cells() for measurement in measurements)]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)
