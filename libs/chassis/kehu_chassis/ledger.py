"""What must outlive the database: lines appended to a file that no restore takes back.

A chain of hashes cannot tell that its own end was cut off, and a backup does not know who was erased after it was made.
So the worker notes both outside: the head of its audit chain (`audit.anchored`) and each erasure. Keep the folder on
other storage than the database, best such that the suite may append and nothing else. It holds ids and hashes only.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import structlog

from kehu_chassis.clock import technical_now

__all__ = ["Ledger", "LedgerDamaged"]

log = structlog.get_logger(__name__)

SUFFIX: Final = ".jsonl"


class LedgerDamaged(ValueError):
    """A line of the ledger cannot be read."""


class Ledger:
    """The ledger of one service: `FOLDER/SERVICE.jsonl`. Without a folder, notes stand in the log alone."""

    def __init__(self, folder: Path | None, service: str) -> None:
        self.path = folder / f"{service}{SUFFIX}" if folder is not None else None

    def note(self, kind: str, **content: str | int) -> None:
        """Append one line and wait until the disk has it. The log has it too.

        Raises:
            OSError: the line could not be written.
        """
        log.info(kind, **content)
        if self.path is None:
            return
        line = json.dumps({"kind": kind, "noted_at": technical_now().isoformat(), **content}) + "\n"
        # One write in append mode: lines of several workers never mix.
        descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.write(descriptor, line.encode())
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def read(self, *kinds: str) -> Iterator[dict[str, Any]]:
        """The lines of these kinds, the oldest first; none when nothing was noted yet.

        Raises:
            LedgerDamaged: a line is no note; names its number.
        """
        if self.path is None or not self.path.exists():
            return
        with self.path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                try:
                    note = json.loads(line)
                    matches = note["kind"] in kinds
                except (ValueError, KeyError, TypeError):
                    raise LedgerDamaged(f"{self.path}:{number} cannot be read") from None
                if matches:
                    yield note
