"""The set-up says what is missing and what to do, and takes nothing half done for done."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from kehu_local.plan import find_root
from kehu_local.testing import free_ports

PACKAGES = ("libs/contracts", "libs/chassis", "services/customer", "services/segmentation", "services/complaints")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that needs one package of each registry and has nothing set up."""
    tmp_path = tmp_path_factory.mktemp("fresh")
    (tmp_path / "deploy/local").mkdir(parents=True)
    shutil.copy(find_root() / "deploy/local/setup.sh", tmp_path / "deploy/local")
    for package in (*PACKAGES, "services/campaigns", "gateway", "deploy/local"):
        (tmp_path / package).mkdir(parents=True, exist_ok=True)
        (tmp_path / package / "pyproject.toml").touch()
    (tmp_path / "requirements.lock").write_text(f"idna==3.10 --hash=sha256:{'0' * 64}\n", encoding="utf-8")
    web = tmp_path / "web"
    web.mkdir()
    (web / "package.json").write_text(json.dumps({"name": "web", "dependencies": {"ms": "2.1.3"}}), encoding="utf-8")
    packages = {"": {"dependencies": {"ms": "2.1.3"}}, "node_modules/ms": {"version": "2.1.3"}}
    lock = {"name": "web", "lockfileVersion": 3, "packages": packages}
    (web / "package-lock.json").write_text(json.dumps(lock), encoding="utf-8")
    return tmp_path


def _set_up(folder: Path, part: str) -> str:
    """What a set-up without any registry prints; it must fail."""
    nowhere = f"http://127.0.0.1:{free_ports(['registry'])['registry']}"
    environment = os.environ | {
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_INDEX_URL": f"{nowhere}/simple",
        "PIP_RETRIES": "1",
        "npm_config_cache": str(folder / "cache"),
        "npm_config_fetch_retries": "0",
        "npm_config_registry": nowhere,
    }
    script = folder / "deploy/local/setup.sh"
    done = subprocess.run(["bash", script, part], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    return done.stderr


@pytest.mark.parametrize(
    ("part", "what", "way"), [("python", "Python", "PIP_INDEX_URL"), ("web", "console", "npm config")]
)
def test_a_registry_that_does_not_answer_is_named_with_a_remedy(folder: Path, part: str, what: str, way: str) -> None:
    cause, remedy = _set_up(folder, part).splitlines()[-2:]
    assert what in cause
    assert cause.endswith("could not be installed: the package registry did not answer.")
    assert way in remedy
    assert remedy.endswith("then run the same command again.")
    assert not list(folder.rglob("*stamp"))


def test_another_failure_is_not_blamed_on_the_registry(folder: Path) -> None:
    (folder / "requirements.lock").write_text("not a requirement\n", encoding="utf-8")
    cause, remedy = _set_up(folder, "python").splitlines()[-2:]
    assert cause == "kehu: The Python packages could not be installed."
    assert remedy.strip() == "The lines above tell why."
