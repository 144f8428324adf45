# noqa: INP001 - a script of its own.
"""Which of the locked packages an image needs.

    requirements.py versions LOCK            prints the locked versions, as constraints for pip's resolver
    requirements.py resolved LOCK REPORT     prints the locked entries of what it chose (`pip install --report`), with hashes

So an image installs nothing but what its package declares, each file checked against the one lock.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable
from pathlib import Path

ENTRY = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^ ;\\]+)(?P<marker> ;[^\\]*)?", re.MULTILINE)


def main() -> None:
    """Print what was asked for."""
    command, lock, *rest = sys.argv[1:]
    text = Path(lock).read_text(encoding="utf-8")
    if command == "versions":
        lines = [
            f"{found['name']}=={found['version']}{found['marker'] or ''}".rstrip() for found in ENTRY.finditer(text)
        ]
        sys.stdout.write("\n".join(lines) + "\n")
        return
    sys.stdout.write("".join(_entries(text, {_plain(name) for name in _resolved(Path(rest[0]))})))


def _resolved(report: Path) -> list[str]:
    installed = json.loads(report.read_text(encoding="utf-8"))["install"]
    names = [item["metadata"]["name"] for item in installed]
    return [name for name in names if not name.startswith("kehu-")]


def _entries(text: str, wanted: set[str]) -> Iterable[str]:
    starts = [found.start() for found in ENTRY.finditer(text)]
    for start, end in zip(starts, [*starts[1:], len(text)], strict=True):
        entry = text[start:end]
        name = _plain(entry.split("==", 1)[0])
        if name in wanted:
            wanted.discard(name)
            yield entry
    if wanted:
        sys.exit(f"not in the lock: {', '.join(sorted(wanted))}")


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


if __name__ == "__main__":
    main()
