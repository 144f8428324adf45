"""Print what the packages and the tools of this repository require, for `make lock`."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]


def main() -> None:
    """Print each requirement once; Kehu's own packages are installed from their folders."""
    requirements: set[str] = set()
    for path in [ROOT / "pyproject.toml", *ROOT.glob("*/pyproject.toml"), *ROOT.glob("*/*/pyproject.toml")]:
        project = tomllib.loads(path.read_text(encoding="utf-8"))
        requirements.update(project["project"].get("dependencies", []))
        requirements.update(project.get("dependency-groups", {}).get("dev", []))
    sys.stdout.write("\n".join(sorted(line for line in requirements if not line.startswith("kehu-"))) + "\n")


if __name__ == "__main__":
    main()
