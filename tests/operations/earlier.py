"""The version before, from the repository's own history: its code in a folder of its own, ready to run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from kehu_local.secrets import SCHEMAS

from ..faults.suite import Code  # noqa: TID252  no installed package holds the tests of faults

__all__ = ["ROOT", "Earlier", "NoHistory", "an_earlier_version", "before_the_newest_revision"]

ROOT: Final = Path(__file__).parents[2]
MIGRATIONS: Final = (":(glob)services/*/migrations/versions/*", "gateway/migrations/versions")

ASKED: Final = """
import json, sys
from importlib import import_module
from kehu_chassis import migrations
folders = {schema: import_module(f"kehu_{schema}.main").DEFINITION.migrations for schema in sys.argv[1:]}
print(json.dumps({
    "files": [migrations.__file__, *map(str, folders.values())],
    "heads": {schema: list(migrations.heads(folder)) for schema, folder in folders.items()},
    "abides_newer": hasattr(migrations, "require_migrated"),
}))
"""


class NoHistory(RuntimeError):
    """The repository does not hold what the drill goes back to."""


@dataclass(frozen=True)
class Earlier:
    """A version before this one.

    `heads` are the newest revisions that it knows, by schema. One that does not abide a newer schema serves over it, yet
    calls itself not ready, and does not start.
    """

    commit: str
    code: Code
    heads: dict[str, str]
    abides_newer: bool


def before_the_newest_revision() -> str:
    """What a bank would upgrade from: the commit before the newest revision, or the newest commit while one is being written."""
    being_written = _git("ls-files", "--others", "--exclude-standard", "--", *MIGRATIONS)
    if being_written or _git("diff", "--name-only", "--diff-filter=A", "HEAD", "--", *MIGRATIONS):
        return "HEAD"
    added = _git("log", "-1", "--diff-filter=A", "--format=%H", "--", *MIGRATIONS)
    if not added:
        raise NoHistory("no commit has added a migration")
    return f"{added}^"


@contextmanager
def an_earlier_version(reference: str) -> Iterator[Earlier]:
    """Check a version out beside this one; it runs in this one's Python environment unless it locks other packages.

    Raises:
        NoHistory: the repository does not know it, or the clone has no history at all.
    """
    if _git("rev-parse", "--is-shallow-repository") == "true":
        raise NoHistory("this clone is shallow: git fetch --unshallow")
    commit = _git("rev-parse", "--verify", f"{reference or before_the_newest_revision()}^{{commit}}")
    with tempfile.TemporaryDirectory(prefix="kehu-earlier-") as folder:
        tree = Path(folder) / "tree"
        _git("worktree", "add", "--detach", str(tree), commit)
        try:
            yield _described(tree, commit)
        finally:
            _git("worktree", "remove", "--force", str(tree))


def _described(tree: Path, commit: str) -> Earlier:
    code = _code(tree, commit)
    command = [code.python, "-c", ASKED, *SCHEMAS]
    asked = subprocess.run(command, capture_output=True, check=True, env=os.environ | code.environment)
    told = json.loads(asked.stdout)
    for file in told["files"]:
        assert Path(file).is_relative_to(tree), f"{file} is not of the version before"
    heads = {schema: head for schema, (head,) in told["heads"].items()}
    return Earlier(commit, code, heads, told["abides_newer"])


def _code(tree: Path, commit: str) -> Code:
    # Files that no version is asked about here.
    (tree / "web" / "dist").symlink_to(ROOT / "web" / "dist")
    if _git("diff", "--name-only", commit, "--", "requirements.lock"):
        subprocess.run([str(tree / "deploy" / "local" / "setup.sh"), "python"], check=True)
        return Code(str(tree / ".venv" / "bin" / "python"))
    packages = [file.parent for pattern in ("*/pyproject.toml", "*/*/pyproject.toml") for file in tree.glob(pattern)]
    return Code(sys.executable, {"PYTHONPATH": os.pathsep.join(map(str, packages))})


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        told = f"git {' '.join(arguments)}: {done.stderr.strip()}"
        raise NoHistory(f"{told}\nThe version before is taken from the history: that needs a clone of the repository.")
    return done.stdout.strip()
