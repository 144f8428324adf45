"""The import rules hold, and each contract is shown to catch a planted violation."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LINTER = Path(sys.executable).with_name("lint-imports")
SERVICES = ("kehu_customer", "kehu_segmentation", "kehu_complaints", "kehu_campaigns")
FEATURE_FILES = ("routes", "consumers", "jobs", "service", "queries", "rules", "tables")


def _lint(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(LINTER), "--config", ".importlinter", "--no-cache"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def small_house(tmp_path: Path) -> Path:
    """Empty packages of the same names under the same contracts."""
    shutil.copy(ROOT / ".importlinter", tmp_path)
    for package in ("kehu_contracts", "kehu_chassis", "kehu_gateway", "kehu_local"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").touch()
    for module in ("clock", "database", "http", "outbox"):
        (tmp_path / "kehu_chassis" / f"{module}.py").touch()
    for service in SERVICES:
        feature = tmp_path / service / "feature"
        feature.mkdir(parents=True)
        (tmp_path / service / "__init__.py").touch()
        (feature / "__init__.py").touch()
        for name in FEATURE_FILES:
            (feature / f"{name}.py").touch()
    return tmp_path


def test_the_repository_keeps_every_import_contract() -> None:
    result = _lint(ROOT)
    assert result.returncode == 0, result.stdout


def test_the_small_house_is_clean_before_anything_is_planted(small_house: Path) -> None:
    result = _lint(small_house)
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize(
    ("file", "planted", "contract"),
    [
        ("kehu_campaigns/feature/service.py", "import kehu_customer", "Services and gateway never import each other"),
        ("kehu_gateway/__init__.py", "import kehu_complaints", "Services and gateway never import each other"),
        ("kehu_chassis/database.py", "import kehu_customer", "The runner above the deployables"),
        ("kehu_contracts/__init__.py", "import kehu_chassis.clock", "The runner above the deployables"),
        ("kehu_complaints/feature/rules.py", "import sqlalchemy", "Decisions are pure"),
        ("kehu_complaints/feature/rules.py", "import kehu_chassis.clock", "Decisions are pure"),
        ("kehu_contracts/__init__.py", "import httpx", "Contracts are data"),
        ("kehu_customer/feature/queries.py", "import kehu_customer.feature.routes", "never back up"),
    ],
)
def test_a_planted_import_is_caught(small_house: Path, file: str, planted: str, contract: str) -> None:
    (small_house / file).write_text(f"{planted}\n", encoding="utf-8")
    result = _lint(small_house)
    assert result.returncode == 1
    broken = [line for line in result.stdout.splitlines() if line.endswith("BROKEN")]
    assert any(contract in line for line in broken), result.stdout
