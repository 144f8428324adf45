"""A backup on disk: two folders that belong together and are to be stored apart, and what proves that they are whole.

`DIR` holds the data (database without the parties' keys, topics, clock, ledger), `DIR.keys` what opens them: the wrapped
keys of parties and cases, and the suite's secrets. Neither tells anything about a person without the other.
"""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Any, Final, Self

from kehu_local.failures import Failed

__all__ = ["FORMAT", "Archive", "gzip_reader", "gzip_writer"]

FORMAT: Final = 1
MANIFEST: Final = "manifest.json"


@dataclass(frozen=True, slots=True)
class Archive:
    """A backup's two folders. `manifest` is what it says of itself."""

    data: Path
    keys: Path
    manifest: dict[str, Any]

    @classmethod
    def begin(cls, data: Path, keys: Path) -> Self:
        """Make the folders under names that say that they are not whole yet. Raises `Failed` when there are such."""
        for folder in (data, keys):
            if folder.exists():
                raise Failed(f"{folder} is there already.", "Name a folder that does not exist yet.")
            shutil.rmtree(_unfinished(folder), ignore_errors=True)
            try:
                _unfinished(folder).mkdir(parents=True, mode=0o700)
            except OSError as error:
                cause = f"{folder} cannot be made: {error.strerror}."
                raise Failed(
                    cause, "Name a place where you may write; in a container, below a mounted folder."
                ) from None
        return cls(_unfinished(data), _unfinished(keys), {})

    def finish(self, data: Path, keys: Path) -> None:
        """State what the backup holds, and give the folders their names: from then on it is whole."""
        content = {"format": FORMAT, **self.manifest, "files": dict(_digests(self.data))}
        text = json.dumps(content, indent=1)
        (self.data / MANIFEST).write_text(text, encoding="utf-8")
        halves = {"format": FORMAT, "data": sha256(text.encode()).hexdigest(), "files": dict(_digests(self.keys))}
        (self.keys / MANIFEST).write_text(json.dumps(halves, indent=1), encoding="utf-8")
        self.keys.rename(keys)
        self.data.rename(data)

    @classmethod
    def open(cls, data: Path, keys: Path) -> Self:
        """Read a backup and check every file against its digest. Raises `Failed` when it is not whole."""
        text = _read(data / MANIFEST)
        manifest, halves = _parsed(data, text), _parsed(keys, _read(keys / MANIFEST))
        if halves["data"] != sha256(text.encode()).hexdigest():
            raise Failed(f"{keys} does not belong to {data}.", "Name the keys that were written with this backup.")
        for folder, files in ((data, manifest["files"]), (keys, halves["files"])):
            _require_whole(folder, files)
        return cls(data, keys, manifest)

    @staticmethod
    def discard(data: Path, keys: Path) -> None:
        """Remove what an interrupted backup has left."""
        for folder in (data, keys):
            shutil.rmtree(_unfinished(folder), ignore_errors=True)


def _unfinished(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.unfinished")


def _digests(folder: Path) -> Iterator[tuple[str, str]]:
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            with path.open("rb") as file:
                yield path.relative_to(folder).as_posix(), file_digest(file, "sha256").hexdigest()


def _require_whole(folder: Path, files: dict[str, str]) -> None:
    found = {name: digest for name, digest in _digests(folder) if name != MANIFEST}
    for name, digest in files.items():
        if name not in found:
            raise Failed(f"{folder / name} is missing.", "The backup is not whole: use another.")
        if found[name] != digest:
            raise Failed(f"{folder / name} is not what was written.", "The backup is damaged: use another.")
    stray = sorted(found.keys() - files.keys())
    if stray:
        raise Failed(f"{folder / stray[0]} does not belong to the backup.", "Take it away and try again.")


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise Failed(f"{path} cannot be read: {error.strerror}", "Name the folder of a backup that is whole.") from None


def _parsed(folder: Path, text: str) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(text)
        version = content["format"]
    except (ValueError, KeyError, TypeError):
        raise Failed(f"{folder / MANIFEST} is not the manifest of a backup.", "Name the folder of a backup.") from None
    if version != FORMAT:
        raise Failed(f"{folder} has the format {version}.", f"This version of Kehu reads format {FORMAT}.")
    return content


def gzip_writer(path: Path) -> gzip.GzipFile:
    """A compressed file to write; the fastest level, since a backup under load shares the machine."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return gzip.open(path, "wb", compresslevel=1)


def gzip_reader(path: Path) -> gzip.GzipFile:
    """A compressed file to read."""
    return gzip.open(path, "rb")
