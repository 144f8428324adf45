"""`kehu keys`: the keys of personal data and of webhooks."""

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

keys = typer.Typer(
    help="The keys of personal data and of webhooks: replaced while the suite runs.", no_args_is_help=True
)
out = Console(highlight=False, soft_wrap=True)

Data = Annotated[Path | None, typer.Option("--data", envvar="KEHU_DATA", help="The data folder.")]


def _plan(data: Path | None) -> Plan:
    root = find_root()
    return Plan.load(root, data.absolute() if data else root / ".local")


@keys.command()
def status(data: Data = None) -> None:
    """Show each key, whether it is active, how many rows stand under it, and when senders last used it."""
    from kehu_local.key_store import standing  # noqa: PLC0415 - each command loads its own code.

    table = Table("Key", "State", "Rows", "Last message")
    for key in asyncio.run(standing(_plan(data))):
        rows = ", ".join(f"{count} {name}" for name, count in key.rows.items())
        last = key.last_sent.isoformat(timespec="seconds") if key.last_sent else ""
        table.add_row(key.name, "active" if key.active else "old", rows or "none", last)
    out.print(table)


@keys.command()
def rotate(
    kind: Annotated[
        str,
        typer.Argument(
            help="kek: wraps the parties' keys; index: blind indexes and name tokens; message: what senders seal;"
            " webhook: the secrets of webhooks."
        ),
    ],
    settle: Annotated[float, typer.Option(help="Seconds in which every process has read a changed file.")] = 5.0,
    jwk: Annotated[Path | None, typer.Option(help="message: the file of a key that its sender made.")] = None,
    data: Data = None,
) -> None:
    """Add a key and make it active; the workers then move everything to it, slice by slice."""
    from kehu_local import key_store  # noqa: PLC0415 - see `status`.
    from kehu_local.message_keys import Jwk  # noqa: PLC0415 - see `status`.

    found = next((each for each in key_store.KINDS if each == kind), None)
    if found is None:
        raise Failed(f"There is no kind of key {kind!r}.", f"The kinds are {', '.join(key_store.KINDS)}.")
    if jwk is not None and found != "message":
        raise Failed("Only message keys are made by senders.", "Leave --jwk out: a new key is made.")
    given = Jwk.read(jwk) if jwk else None
    name = asyncio.run(key_store.rotate(_plan(data), found, settle=settle, given=given))
    if found != "message":
        out.print(f"{name} is active. Copy the key file now; see the rows move: kehu keys status")
        return
    told = "its sender may use it" if given else f"give it to the senders: kehu keys hand-over {name} FILE"
    out.print(f"{name} is active. Copy the key file now; {told}. What comes under the others still opens.")


@keys.command("hand-over")
def hand_over(
    name: Annotated[str, typer.Argument(help="The message key, e.g. bank-2.")],
    file: Annotated[Path, typer.Argument(help="The file to write, a JWK that its owner alone can read; - prints it.")],
    data: Data = None,
) -> None:
    """Write a message key into a file for whoever is to send under it."""
    from kehu_local import key_store  # noqa: PLC0415 - see `status`.

    if str(file) == "-":
        asyncio.run(key_store.hand_over(_plan(data), name, None))
        return
    asyncio.run(key_store.hand_over(_plan(data), name, file))
    out.print(f"{name} is in {file}: give it to the senders by a safe way, and destroy the file then.")


@keys.command()
def retire(
    name: Annotated[str, typer.Argument(help="The key, e.g. kek-1, index-1 or bank-1.")], data: Data = None
) -> None:
    """Take a key out for good; refused while it is active or anything stands under it."""
    from kehu_local import key_store  # noqa: PLC0415 - see `status`.

    asyncio.run(key_store.retire(_plan(data), name))
    out.print(f"{name} is gone. Backups that need it carry it among their keys.")
