"""`kehu audit`: is the audit what was written?"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from kehu_chassis.audit_chain import Break, Verdict, anchors, verify
from kehu_chassis.database import Database
from kehu_chassis.ledger import Ledger, LedgerDamaged
from kehu_local.environment import database_dsn
from kehu_local.failures import Failed, no_database
from kehu_local.plan import Plan, find_root
from kehu_local.secrets import SCHEMAS, Secrets

__all__ = ["audit", "ledger_in", "verdicts"]

audit = typer.Typer(help="The audit's chain of hashes.", no_args_is_help=True)
out = Console(highlight=False, soft_wrap=True)

MEANINGS = {
    "changed": "the row is not the one that was sealed",
    "removed": "a row or its seal is gone",
    "reordered": "a row stands elsewhere than where it was sealed",
    "put_in": "a row was put in among sealed ones",
    "cut_off": "the chain once was longer: its end is gone",
    "replaced": "the chain was computed anew: it is not the one that was anchored",
}


@audit.callback()
def _group() -> None:
    """Keep `verify` a command of its own, also while it is the only one."""


@audit.command("verify")
def verify_chains(
    ledger: Annotated[
        Path | None, typer.Option(envvar="KEHU_LEDGER", help="The folder of anchors; the suite's own if not given.")
    ] = None,
    data: Annotated[Path | None, typer.Option("--data", envvar="KEHU_DATA", help="The data folder.")] = None,
) -> None:
    """Recompute the chain of every service and of the gateway, compare it with its anchors, and name the first break. Exit 1 when broken."""
    root = find_root()
    plan = Plan.load(root, data.absolute() if data else root / ".local")
    if ledger is not None and not any(ledger.rglob("*.jsonl")):
        # Without anchors every chain that is whole in itself would hold, also one that was made anew.
        raise Failed(f"There is no ledger in {ledger}.", "Name the folder with a .jsonl file for each service.")
    found = asyncio.run(verdicts(plan, ledger or plan.ledger))
    for service, verdict in found.items():
        held = f"{verdict.checked} rows hold, {verdict.anchored} of them anchored"
        out.print(f"{service}: {held}" if verdict.broken is None else f"{service}: {held}; {_told(verdict.broken)}")
    if any(verdict.broken for verdict in found.values()):
        raise typer.Exit(1)


def _told(broken: Break) -> str:
    row = f" (row {broken.audit_id}, {broken.action or 'gone'})" if broken.audit_id else ""
    return f"[bold red]broken at position {broken.position}[/bold red]: {MEANINGS[broken.what]}{row}"


def ledger_in(folder: Path, service: str) -> Ledger:
    """The ledger of a service: in a folder of its own, as containers have it, or in the one for all."""
    own = folder / service
    return Ledger(own if own.is_dir() else folder, service)


async def verdicts(plan: Plan, ledger: Path) -> dict[str, Verdict]:
    """By service, the gateway too: how far its chain holds, compared with a folder of anchors."""
    secrets = Secrets.load_or_make(plan)
    found = {}
    for service in SCHEMAS:
        try:
            held = anchors(ledger_in(ledger, service))
            opened = await Database.connect(database_dsn(plan, secrets, service, "worker"), schema=service)
        except LedgerDamaged as error:
            raise Failed(
                str(error), "Take the line out if you know why it is damaged; what it held is lost."
            ) from error
        except OSError as error:
            raise no_database(error) from error
        try:
            async with opened.begin(read_only=True) as tx:
                found[service] = await verify(tx, held)
        finally:
            await opened.close()
    return found
