"""Which figures are an alert: the thresholds of the alert rules, for those who look at the figures and not at Prometheus.

`alerts.json` is written from deploy/observability/rules.yml by `make contracts`: a threshold is changed there, and there
alone. How long a figure has to stay beyond it before somebody is called (`for`) is Prometheus's matter.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Final, Literal

__all__ = ["RULES", "Rule", "State"]

State = Literal["ok", "ticket", "page", "unknown"]
"""How urgent a figure is: not at all, in the morning, at once; or nobody knows the figure."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule's threshold, and how urgent it is to be beyond it; with `including`, at it is beyond it too."""

    threshold: float
    including: bool
    severity: Literal["ticket", "page"]

    def judge(self, figure: float | None) -> State:
        """The word for a figure."""
        if figure is None:
            return "unknown"
        beyond = figure >= self.threshold if self.including else figure > self.threshold
        return self.severity if beyond else "ok"


RULES: Final[Mapping[str, Rule]] = {
    name: Rule(**rule) for name, rule in json.loads(files("kehu_chassis").joinpath("alerts.json").read_text()).items()
}
"""By the alert's name."""
