"""`python -m kehu_contracts generate | check | release VERSION`, in a checkout."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import kehu_contracts
from kehu_contracts.generate import Repository, check, generate, release

HERE = Path(kehu_contracts.__file__).parents[3]


def main() -> int:
    """Run one command; 1 when something is wrong."""
    arguments = argparse.ArgumentParser(prog="kehu_contracts", description=__doc__)
    arguments.add_argument("--root", type=Path, default=HERE, help="the checkout; by default the one of this package")
    commands = arguments.add_subparsers(dest="command", required=True)
    commands.add_parser("generate", aliases=["write"], help="write schemas, asyncapi.yaml and docs/events.md")
    commands.add_parser("check", help="fail when a generated file differs or a change breaks the released version")
    commands.add_parser("release", help="keep the schemas as those of a version").add_argument("version")
    given = arguments.parse_args()
    repository = Repository(given.root)
    if not repository.contracts.is_dir():
        sys.stderr.write(f"{given.root} is not a checkout of Kehu: it has no libs/contracts\n")
        return 1
    if given.command == "check":
        wrong = check(repository)
        sys.stderr.writelines(f"{line}\n" for line in wrong)
        return 1 if wrong else 0
    if given.command == "release":
        try:
            kept = release(repository, given.version)
        except ValueError as error:
            sys.stderr.write(f"{error}\n")
            return 1
        sys.stdout.write(f"kept {kept.relative_to(given.root)}\n")
    for path in generate(repository):
        sys.stdout.write(f"wrote {path.relative_to(given.root)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
