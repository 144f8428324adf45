"""Where the lines of all processes go: each into its own log file, and to the terminal behind its name."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path
from typing import Final

__all__ = ["LogFile", "Output"]

LARGEST_LOG: Final = 16 * 2**20
COLOURS: Final = (36, 32, 33, 35, 34, 96, 92, 93, 95, 94)


class LogFile:
    """A log that keeps its last 16 to 32 MiB: a full file becomes `NAME.log.1`."""

    def __init__(self, path: Path, largest: int = LARGEST_LOG) -> None:
        self._path = path
        self._largest = largest
        self._file = path.open("ab")

    def write(self, lines: bytes) -> None:
        """Append whole lines. A full disk costs lines of the log, never the process that wrote them."""
        with contextlib.suppress(OSError):
            self._file.write(lines)
            self._file.flush()
        if self._file.tell() > self._largest:
            self._file.close()
            self._path.replace(self._path.with_name(f"{self._path.name}.1"))
            self._file = self._path.open("ab")

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class Output:
    """The log files, and the terminal once `streaming` is set."""

    def __init__(self, folder: Path, largest: int = LARGEST_LOG) -> None:
        self._folder = folder
        self._largest = largest
        self._files: dict[str, LogFile] = {}
        self.streaming = False

    def write(self, name: str, lines: bytes) -> None:
        """Take whole lines of one process."""
        file = self._files.get(name)
        if file is None:
            file = self._files[name] = LogFile(self.path(name), self._largest)
        file.write(lines)
        if self.streaming:
            self._stream(name, lines)

    def path(self, name: str) -> Path:
        """The log file of a process."""
        return self._folder / f"{name}.log"

    def close(self) -> None:
        """Close all files."""
        for file in self._files.values():
            file.close()
        self._files.clear()

    def _stream(self, name: str, lines: bytes) -> None:
        prefix = f"{name:<19} | ".encode()
        if sys.stdout.isatty():
            colour = COLOURS[list(self._files).index(name) % len(COLOURS)]
            prefix = f"\033[{colour}m{name:<19} |\033[0m ".encode()
        text = b"".join(prefix + line for line in lines.splitlines(keepends=True))
        try:
            os.write(sys.stdout.fileno(), text)
        except OSError:
            # Nobody reads any more: the logs are in the files all the same.
            self.streaming = False
