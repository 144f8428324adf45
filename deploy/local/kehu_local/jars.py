"""The broker's jars: resolved once into a lock file, fetched by it afterwards and checked against their SHA-256."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

__all__ = ["JARS_LOCK", "Jar", "JarsFailed", "fetch_jars", "jars_are_complete", "lock_jars", "read_lock"]

# `!` keeps the logging project's own version table from overruling Kafka's.
ROOTS: Final = ("org.apache.kafka:kafka_2.13:4.3.1", "org.apache.logging.log4j:log4j-slf4j-impl:2.25.3!")
JARS_LOCK: Final = Path(__file__).with_name("kafka.lock")
DOWNLOAD_TIMEOUT: Final = 60


class JarsFailed(RuntimeError):
    """A jar could not be fetched, or is not the one that was locked."""


@dataclass(frozen=True, slots=True)
class Jar:
    """One locked jar."""

    group: str
    artifact: str
    version: str
    sha256: str

    @property
    def file_name(self) -> str:
        """The name in the flat folder that is the class path."""
        return f"{self.artifact}-{self.version}.jar"


def read_lock(path: Path = JARS_LOCK) -> list[Jar]:
    """Read the lock file: one `group:artifact:version sha256` a line."""
    jars = []
    for line in path.read_text(encoding="utf-8").splitlines():
        coordinates, sha256 = line.split()
        group, artifact, version = coordinates.split(":")
        jars.append(Jar(group, artifact, version, sha256))
    return jars


def jars_are_complete(folder: Path, jars: list[Jar]) -> bool:
    """Whether the folder holds every locked jar, by name: contents are checked when a jar is fetched."""
    return all((folder / jar.file_name).is_file() for jar in jars)


def fetch_jars(folder: Path, jars: list[Jar]) -> None:
    """Fetch the jars that are missing in the folder. Raises `JarsFailed`, and leaves no jar that was not checked."""
    from jgo.maven import MavenContext  # noqa: PLC0415 - heavy, and needed at set-up only.

    folder.mkdir(parents=True, exist_ok=True)
    repository = folder / ".repository"
    context = MavenContext(repo_cache=repository, timeout=DOWNLOAD_TIMEOUT)
    for jar in jars:
        if (folder / jar.file_name).is_file():
            continue
        try:
            fetched = context.project(jar.group, jar.artifact).at_version(jar.version).artifact().resolve()
        except (OSError, RuntimeError) as error:
            raise JarsFailed(f"{jar.group}:{jar.artifact}:{jar.version} could not be fetched: {error}") from error
        found = _sha256(fetched)
        if found != jar.sha256:
            fetched.unlink()
            raise JarsFailed(f"{jar.file_name} has SHA-256 {found}; locked is {jar.sha256}")
        os.replace(fetched, folder / jar.file_name)  # noqa: PTH105 - one atomic step within one file system.
    shutil.rmtree(repository, ignore_errors=True)


def lock_jars(folder: Path, path: Path = JARS_LOCK) -> list[Jar]:
    """Resolve the broker's dependencies anew, fetch them, and write the lock file."""
    from jgo.maven import MavenContext  # noqa: PLC0415 - heavy, and needed at set-up only.

    resolved = folder / ".resolved"
    context = MavenContext(repo_cache=resolved, timeout=DOWNLOAD_TIMEOUT)
    given, needed = context.resolver.resolve([context.create_dependency(root) for root in ROOTS])
    artifacts = {dependency.artifact.filename: dependency.artifact for dependency in (*given, *needed)}
    jars = sorted(
        (
            Jar(artifact.groupId, artifact.artifactId, artifact.version, _sha256(artifact.resolve()))
            for artifact in artifacts.values()
        ),
        key=lambda jar: (jar.group, jar.artifact),
    )
    lines = [f"{jar.group}:{jar.artifact}:{jar.version} {jar.sha256}\n" for jar in jars]
    path.write_text("".join(lines), encoding="utf-8")
    shutil.rmtree(resolved)
    return jars


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def main(arguments: Sequence[str]) -> int:
    """Run `check`, `fetch` or `lock` on a folder; `check` exits 1 when jars are missing."""
    command, folder = arguments[0], Path(arguments[1])
    if command == "lock":
        lock_jars(folder)
        return 0
    jars = read_lock()
    if command == "check":
        return 0 if jars_are_complete(folder, jars) else 1
    try:
        fetch_jars(folder, jars)
    except JarsFailed as error:
        sys.stderr.write(f"kehu: {error}\n      See that this machine reaches the jars' registry, then try again.\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
