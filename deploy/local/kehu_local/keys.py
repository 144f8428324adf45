"""`kehu keys`: the keys of personal data."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from kehu_local.failures import Failed
from kehu_local.plan import Plan, find_root

__all__ = ["keys"]

keys = typer.Typer(help="The keys of personal data: replaced while the suite runs.", no_args_is_help=True)
out = Console(highlight=False, soft_wrap=True)

Data = Annotated[Path | None, typer.Option("--data", envvar="KEHU_DATA", help="The data folder.")]


def _plan(data: Path | None) -> Plan:
    root = find_root()
    return Plan.load(root, data.absolute() if data else root / ".local")


@keys.command()
def status(data: Data = None) -> None:
    """Show each key, whether it is active, and how many rows stand under it."""
    from kehu_local.key_store import standing  # noqa: PLC0415 - each command loads its own code.

    table = Table("Key", "State", "Rows")
    for key in asyncio.run(standing(_plan(data))):
        rows = ", ".join(f"{count} {name}" for name, count in key.rows.items())
        table.add_row(key.name, "active" if key.active else "old", rows or "none")
    out.print(table)


@keys.command()
def rotate(
    kind: Annotated[str, typer.Argument(help="kek: wraps the parties' keys; index: blind indexes and name tokens.")],
    settle: Annotated[float, typer.Option(help="Seconds in which every process has read a changed file.")] = 5.0,
    data: Data = None,
) -> None:
    """Add a key and make it active; the workers then move everything to it, slice by slice."""
    from kehu_local import key_store  # noqa: PLC0415 - see `status`.

    if kind not in {"kek", "index"}:
        raise Failed(f"There is no kind of key {kind!r}.", "The kinds are kek and index.")
    name = asyncio.run(key_store.rotate(_plan(data), "kek" if kind == "kek" else "index", settle=settle))
    out.print(f"{name} is active. Copy the key file now; see the rows move: kehu keys status")


@keys.command()
def retire(name: Annotated[str, typer.Argument(help="The key, e.g. kek-1 or index-1.")], data: Data = None) -> None:
    """Take a key out for good; refused while it is active or anything stands under it."""
    from kehu_local import key_store  # noqa: PLC0415 - see `status`.

    asyncio.run(key_store.retire(_plan(data), name))
    out.print(f"{name} is gone. Backups that need it carry it among their keys.")
