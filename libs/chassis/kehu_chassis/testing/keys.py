"""Key files of tests, changed as an operator's command would change them."""

from __future__ import annotations

import base64
import json
from pathlib import Path

__all__ = ["replace_wrapping_key"]


def replace_wrapping_key(path: Path, *, drop_first: bool = False) -> None:
    """Make the second wrapping key active (`kek-2` after `kek-1`), beside the first or alone."""
    content = json.loads(path.read_text())
    section = content["kek"]
    kind = section["active"].rpartition("-")[0]
    section["keys"][f"{kind}-2"] = base64.b64encode(b"2" * 32).decode()
    section["active"] = f"{kind}-2"
    if drop_first:
        del section["keys"][f"{kind}-1"]
    path.write_text(json.dumps(content))
