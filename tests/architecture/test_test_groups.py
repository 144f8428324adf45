"""Tests that share one suite must run in one worker: a second one would start it again and find other data in it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

TESTS = """
import pytest

pytestmark = pytest.mark.xdist_group("suite")


@pytest.mark.parametrize("number", range(4))
def test_one(number):
    assert True
"""


def test_a_group_of_tests_runs_in_one_worker(tmp_path: Path) -> None:
    for name in ("test_first.py", "test_second.py"):
        (tmp_path / name).write_text(TESTS, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "--numprocesses=2", "--dist=loadgroup", "--verbose", "--rootdir=."]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120)
    workers = re.findall(r"\[(gw\d)] .*PASSED", ran.stdout)
    assert len(workers) == 8, ran.stdout + ran.stderr
    assert len(set(workers)) == 1
