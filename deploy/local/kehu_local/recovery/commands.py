"""`kehu backup`, `kehu restore` and `kehu verify`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape

from kehu_local.failures import Failed
from kehu_local.plan import Plan, choose_ports, find_root

if TYPE_CHECKING:
    from kehu_local.recovery.restore import Source

__all__ = ["Folder", "Keys", "LostLedger", "NoLedger", "backup", "register", "say", "source_of", "verify"]

out = Console(highlight=False, soft_wrap=True)

Folder = Annotated[Path, typer.Argument(help="The backup's folder.")]
Keys = Annotated[Path | None, typer.Option(help="The folder of its keys; the backup's name and .keys if not given.")]
LostLedger = Annotated[
    Path | None,
    typer.Option("--ledger", help="The ledger that outlived the suite: it names who was erased since the backup."),
]
NoLedger = Annotated[bool, typer.Option("--no-ledger", help="It is lost: erasures since the backup are not known.")]
Data = Annotated[
    Path | None,
    typer.Option("--data", envvar="KEHU_DATA", help="The data folder; .local beside the code if not given."),
]


def register(app: typer.Typer) -> None:
    """Add the commands to `kehu`."""
    for command in (backup, restore, verify):
        app.command()(command)


def _data(folder: Path | None) -> Path:
    return folder.absolute() if folder else find_root() / ".local"


def _keys(folder: Path, keys: Path | None) -> Path:
    return (keys or folder.with_name(f"{folder.name}.keys")).absolute()


def say(line: str) -> None:
    """Tell the operator a line."""
    out.print(escape(line))


def backup(folder: Folder, keys: Keys = None, data: Data = None) -> None:
    """Back up the running suite: data into one folder, what opens them into another."""
    from kehu_local.recovery.backup import back_up  # noqa: PLC0415 - each command loads its own code.

    back_up(Plan.load(find_root(), _data(data)), folder.absolute(), _keys(folder, keys), say)


def restore(  # noqa: PLR0913 - each is an option of the command line.
    folder: Folder,
    *,
    keys: Keys = None,
    ledger: LostLedger = None,
    no_ledger: NoLedger = False,
    data: Data = None,
    port: Annotated[list[str] | None, typer.Option(help="NAME=NUMBER, as for up.")] = None,
    port_offset: Annotated[int, typer.Option(envvar="KEHU_PORT_OFFSET", help="As for up.")] = 0,
    kafka: Annotated[str | None, typer.Option(envvar="KEHU_KAFKA", help="As for up.")] = None,
    postgres: Annotated[str | None, typer.Option(envvar="KEHU_POSTGRES", help="As for up.")] = None,
    replace_topics: Annotated[
        bool, typer.Option("--replace-topics", help="Delete what Kehu's own topics hold on a broker that survived.")
    ] = False,
) -> None:
    """Make a suite of a backup, in a new data folder; it is left stopped."""
    from kehu_local.recovery.restore import restore_suite  # noqa: PLC0415 - see `backup`.

    source = source_of(folder, keys, ledger, no_ledger=no_ledger, replace_topics=replace_topics)
    plan = Plan(
        root=find_root(), data=_data(data), ports=choose_ports(port or [], port_offset), kafka=kafka, postgres=postgres
    )
    restore_suite(plan, source, say)


def source_of(
    folder: Path, keys: Path | None, ledger: Path | None, *, no_ledger: bool, replace_topics: bool = False
) -> Source:
    """What is to be restored. Raises `Failed` when nothing was said of the ledger, or there is none."""
    from kehu_local.recovery.restore import Source  # noqa: PLC0415 - see `backup`.

    if (ledger is None) != no_ledger:
        raise Failed(
            "A restore must know who was erased since the backup.",
            "Name the ledger of the lost suite: --ledger FOLDER (or, if it is lost too: --no-ledger)",
        )
    if ledger is not None and not ledger.is_dir():
        raise Failed(f"{ledger} is no folder.", "Name the folder with a .jsonl file for each service.")
    kept = ledger.absolute() if ledger else None
    return Source(folder.absolute(), _keys(folder, keys), kept, replace_topics)


def verify(
    *,
    patience: Annotated[float, typer.Option(help="Seconds that projections have to catch up.")] = 30.0,
    data: Data = None,
) -> None:
    """Compare what the services hold with one another: projections, positions, outboxes, audit chains, keys."""
    from kehu_local.recovery.verify import verify_suite  # noqa: PLC0415 - see `backup`.

    if not verify_suite(Plan.load(find_root(), _data(data)), out, patience=patience):
        raise typer.Exit(1)
