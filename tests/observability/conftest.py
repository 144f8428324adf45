"""The chassis's probe service, in whatever state an operator would be called for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from kehu_chassis.definition import ServiceDefinition
from kehu_chassis.testing.probe import DEFINITION

FOLDER = Path(__file__).parents[2] / "deploy" / "observability"


@pytest.fixture(scope="session")
def definition() -> ServiceDefinition:
    return DEFINITION


@pytest.fixture(scope="session")
def observability() -> Path:
    """Where rules, dashboards and the scrape configuration lie."""
    return FOLDER


@pytest.fixture(scope="session")
def rules(observability: Path) -> dict[str, dict[str, Any]]:
    """The alert rules by name."""
    content = yaml.safe_load((observability / "rules.yml").read_text(encoding="utf-8"))
    return {rule["alert"]: rule for group in content["groups"] for rule in group["rules"]}
