"""Which version the upgrade drill starts from, and what it says where there is no history to take it from."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import pytest

from . import earlier
from .earlier import NoHistory, an_earlier_version, before_the_newest_revision

VERSIONS = "gateway/migrations/versions"


def git(folder: Path, *arguments: str) -> str:
    command = ["git", "-c", "user.name=Tester", "-c", "user.email=tester@example.com", *arguments]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


def commit(folder: Path, file: str, content: str) -> str:
    """Commit one file; the name of the commit."""
    place = folder / file
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(content, encoding="utf-8")
    git(folder, "add", file)
    git(folder, "commit", "--quiet", "--message", file)
    return git(folder, "rev-parse", "HEAD")


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "repository"
    folder.mkdir()
    git(folder, "init", "--quiet")
    with patch.object(earlier, "ROOT", folder):
        yield folder


def test_a_bank_upgrades_from_the_commit_before_the_newest_revision(repository: Path) -> None:
    commit(repository, f"{VERSIONS}/0001_first.py", "")
    before = commit(repository, "README.md", "")
    commit(repository, f"{VERSIONS}/0002_second.py", "")
    # A revision that is mended adds none.
    commit(repository, f"{VERSIONS}/0001_first.py", "mended")
    assert git(repository, "rev-parse", before_the_newest_revision()) == before
    (repository / VERSIONS / "0003_third.py").touch()
    assert before_the_newest_revision() == "HEAD"
    git(repository, "add", VERSIONS)
    assert before_the_newest_revision() == "HEAD"


def test_a_clone_without_history_says_so(repository: Path, tmp_path: Path) -> None:
    commit(repository, f"{VERSIONS}/0001_first.py", "")
    commit(repository, f"{VERSIONS}/0002_second.py", "")
    shallow = tmp_path / "shallow"
    git(tmp_path, "clone", "--quiet", "--depth", "1", repository.as_uri(), str(shallow))
    nothing = tmp_path / "nothing"
    nothing.mkdir()
    for place, told in ((shallow, "shallow"), (nothing, "needs a clone")):
        with patch.object(earlier, "ROOT", place), pytest.raises(NoHistory, match=told), an_earlier_version(""):
            pass
