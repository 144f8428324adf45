"""Suites of their own for tests that look at all that a suite keeps."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from kehu_local.plan import Plan, choose_ports
from kehu_local.testing import SuiteProcess, free_ports

__all__ = ["ROOT", "a_suite"]

ROOT: Final = Path(__file__).parents[2]


@contextmanager
def a_suite(*options: str, traced: str, until: str) -> Iterator[Plan]:
    """A suite with ports of its own; everything is gone afterwards.

    Args:
        options: more for `kehu up`.
        traced: the share of requests that are traced.
        until: what it prints when it is as it should be.
    """
    with tempfile.TemporaryDirectory(prefix="kehu-people-") as folder:
        data = Path(folder) / "data"
        ports = free_ports(choose_ports([], 0))
        chosen = [part for name, number in ports.items() for part in ("--port", f"{name}={number}")]
        command = [
            "/usr/bin/env", f"KEHU_TRACE_RATIO={traced}",
            sys.executable, "-m", "kehu_local", "up", "--data", str(data), "--quiet", *options, *chosen,
        ]  # fmt: skip
        process = SuiteProcess(command, data, ports)
        try:
            process.start()
            process.wait_for_line(until)
            yield Plan.load(ROOT, data)
            assert process.interrupt() == 0, process.text
        finally:
            process.clean_up()
