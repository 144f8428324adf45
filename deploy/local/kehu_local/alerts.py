"""Writes the thresholds of the alert rules where the services find them: `python -m kehu_local.alerts`.

A rule of another shape than `… > number` has no threshold that a single figure could be held against, and is left out.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Final

import yaml

from kehu_local.plan import find_root

__all__ = ["THRESHOLDS", "main", "thresholds"]

RULES: Final = Path("deploy/observability/rules.yml")
THRESHOLDS: Final = Path("libs/chassis/kehu_chassis/alerts.json")
_COMPARED: Final = re.compile(r" (?P<comparison>>=?) (?P<threshold>[0-9.]+)$")


def thresholds(root: Path) -> str:
    """What the file holds, by the rules of the repository at `root`."""
    content = yaml.safe_load((root / RULES).read_text(encoding="utf-8"))
    found = {rule["alert"]: _threshold(rule) for group in content["groups"] for rule in group["rules"]}
    return json.dumps({name: rule for name, rule in found.items() if rule}, indent=1) + "\n"


def _threshold(rule: dict[str, Any]) -> dict[str, Any] | None:
    compared = _COMPARED.search(rule["expr"])
    if compared is None:
        return None
    return {
        "threshold": float(compared["threshold"]),
        "including": compared["comparison"] == ">=",
        "severity": rule["labels"]["severity"],
    }


def main() -> None:
    """Write the file."""
    root = find_root()
    (root / THRESHOLDS).write_text(thresholds(root), encoding="utf-8")


if __name__ == "__main__":
    main()
