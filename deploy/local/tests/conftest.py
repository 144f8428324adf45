"""A suite of fakes under the real runner."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from kehu_local.testing import SuiteProcess, free_ports

FAKES = Path(__file__).with_name("fake_suite.py")


def _fakes(data: Path, kafka: str | None) -> SuiteProcess:
    ports = free_ports(("gateway", "customer", "postgres", "kafka", "kafka-controller"))
    command = [sys.executable, str(FAKES), str(data), json.dumps(ports), *([kafka] if kafka else [])]
    return SuiteProcess(command, data, ports)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder of the test's own; not below pytest's, whose modes each run of pytest sets anew under our feet."""
    with tempfile.TemporaryDirectory(prefix="kehu-suite-") as made:
        yield Path(made)


@pytest.fixture
def suite(folder: Path, kafka_bootstrap: str) -> Iterator[SuiteProcess]:
    """Its own PostgreSQL, the test run's broker."""
    made = _fakes(folder / "data", kafka_bootstrap)
    yield made
    made.clean_up()


@pytest.fixture
def whole_suite(folder: Path) -> Iterator[SuiteProcess]:
    """Its own PostgreSQL and broker."""
    made = _fakes(folder / "data", None)
    yield made
    made.clean_up()


@pytest.fixture(autouse=True)
def _as_a_fresh_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("KEHU_") and not name.startswith("KEHU_TEST_"):
            monkeypatch.delenv(name)
