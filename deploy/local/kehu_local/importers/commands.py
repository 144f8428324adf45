"""`kehu import`: public data sets through the inbound contracts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from kehu_local.plan import Plan, find_root

__all__ = ["imports"]

imports = typer.Typer(help="Play public data sets as the bank's own systems would state them.", no_args_is_help=True)

out = Console(highlight=False, soft_wrap=True)


@imports.callback()
def _group() -> None:
    """Keep `berka` a command of its own, also while it is the only one."""


@imports.command()
def berka(
    folder: Annotated[
        Path | None,
        typer.Argument(help="The folder of the Berka files; without it berka/ below KEHU_TEST_DATA or ../shared/data."),
    ] = None,
    *,
    data_sets: Annotated[
        Path | None, typer.Option(envvar="KEHU_TEST_DATA", hidden=True, help="The folder of all data sets.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Read and check everything, send nothing.")] = False,
    data: Annotated[
        Path | None,
        typer.Option("--data", envvar="KEHU_DATA", help="The data folder; .local beside the code if not given."),
    ] = None,
) -> None:
    """Import the Berka bank (PKDD'99). Start the suite in its time: kehu up --no-demo --at 1999-01-01T09:00+08:00."""
    from kehu_local.importers.berka.play import import_berka  # noqa: PLC0415 - the other commands need no broker.

    root = find_root()
    plan = None if dry_run else Plan.load(root, data.absolute() if data else root / ".local")
    chosen = folder or (data_sets or root.parent / "shared" / "data") / "berka"
    outcome = import_berka(plan, chosen, out)
    out.print(f"{outcome.rows:,} rows read, {outcome.statements:,} statements")
    if outcome.broken_days:
        out.print(f"{outcome.broken_days:,} days have no order in which their balances chain; they stay as in the file")
    if plan is None:
        out.print("Nothing was sent (dry run).")
    else:
        out.print(f"Sent and taken in within {outcome.seconds:.1f} s: {outcome.rows_per_second:,.0f} rows/s")
