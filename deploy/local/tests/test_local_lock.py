"""One lock file for everything: what any package declares stands in it, at a version that it accepts."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[3]
ENTRY = re.compile(r"^([A-Za-z0-9._-]+)==([^ ;\\]+)", re.MULTILINE)


def _locked() -> dict[str, str]:
    text = (ROOT / "requirements.lock").read_text()
    return {canonicalize_name(name): version for name, version in ENTRY.findall(text)}


def test_every_declared_requirement_is_locked_at_a_version_that_it_accepts() -> None:
    printed = subprocess.run(
        [sys.executable, str(ROOT / "deploy/local/requirements.py")], capture_output=True, text=True, check=True
    )
    locked = _locked()
    declared = [Requirement(line) for line in printed.stdout.split("\n") if line]
    wrong = [
        str(requirement)
        for requirement in declared
        if not requirement.specifier.contains(locked.get(canonicalize_name(requirement.name), "0"))
    ]
    assert len(declared) > 40
    assert wrong == []


def test_every_locked_package_has_hashes_and_no_address() -> None:
    text = (ROOT / "requirements.lock").read_text()
    entries = ENTRY.split(text)[3::3]
    assert entries
    assert [entry for entry in entries if "--hash=sha256:" not in entry] == []
    assert "://" not in text
