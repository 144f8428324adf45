"""A whole suite, as `kehu up` starts it, with the Berka bank in it: shared by the scenarios of one run."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from kehu_local.plan import Plan, choose_ports
from kehu_local.testing import SuiteProcess, free_ports

from ..world.visitors import Visitors  # noqa: TID252  no installed package holds the world of the tests

ROOT = Path(__file__).parents[2]
FILES = Path(os.environ.get("KEHU_TEST_DATA", ROOT.parent / "shared" / "data")) / "berka"
RUNNING = os.environ.get("KEHU_TEST_SUITE")
"""The data folder of a suite that runs already with the Berka bank in it; saves a developer the start."""

BEGINS = "1999-01-01T09:00+08:00"


def load(name: str) -> ModuleType:
    """A module of this folder, which is no package."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@dataclass
class Suite(Visitors):
    """A suite that the runner started: also its `kehu` command, and Kehu's ids of what the bank names."""

    kehu: Callable[..., str] = field(kw_only=True)
    _customers: dict[str, str] = field(default_factory=dict)

    def customer(self, source_id: str) -> str:
        """Kehu's id of a party of the source `berka`."""
        if source_id not in self._customers:
            parameters = {"source": "berka", "source_id": source_id}
            (record,) = self.get("auditor", "/api/v1/source-records", **parameters)["items"]
            self._customers[source_id] = record["customer_id"]
        return self._customers[source_id]


@pytest.fixture(scope="session")
def berka() -> Iterator[Any]:
    """The files, read by DuckDB alone."""
    if not FILES.exists():
        pytest.skip("needs ../shared/data/berka, which is not here")
    opened = load("berka_reference").Berka(FILES)
    yield opened
    opened.close()


def _kehu(data: Path) -> Callable[..., str]:
    def run(*arguments: str) -> str:
        command = [sys.executable, "-m", "kehu_local", *arguments, "--data", str(data)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
        assert done.returncode == 0, f"kehu {' '.join(arguments)}: {done.stdout}{done.stderr}"
        return done.stdout

    return run


@pytest.fixture(scope="session")
def suite(berka: Any) -> Iterator[Suite]:
    """A suite that begins on the morning of 1999-01-01 and has taken in the Berka bank."""
    assert berka.counts()["movement"] > 0
    if RUNNING is not None:
        running = Suite(Plan.load(ROOT, Path(RUNNING)), kehu=_kehu(Path(RUNNING)))
        yield running
        running.close()
        return
    with tempfile.TemporaryDirectory(prefix="kehu-berka-") as folder:
        data = Path(folder) / "data"
        ports = free_ports(choose_ports([], 0))
        chosen = [part for name, number in ports.items() for part in ("--port", f"{name}={number}")]
        command = [
            sys.executable,
            "-m",
            "kehu_local",
            "up",
            "--data",
            str(data),
            "--no-demo",
            "--at",
            BEGINS,
            "--quiet",
        ]
        process = SuiteProcess([*command, *chosen], data, ports)
        try:
            process.start()
            process.wait_for_line("are ready")
            made = Suite(Plan.load(ROOT, data), kehu=_kehu(data))
            made.kehu("import", "berka", str(FILES))
            yield made
            made.close()
            assert process.interrupt() == 0, process.text
        finally:
            process.clean_up()
