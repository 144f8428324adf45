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
from kehu_local.failures import Failed
from kehu_local.plan import SERVICES, Plan, find_root
from kehu_local.secrets import Secrets

__all__ = ["audit"]

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
    ledger: Annotated[Path | None, typer.Option(help="The folder of anchors; the suite's own if not given.")] = None,
    data: Annotated[Path | None, typer.Option("--data", envvar="KEHU_DATA", help="The data folder.")] = None,
) -> None:
    """Recompute the chain of every service, compare it with its anchors, and name the first break. Exit 1 when broken."""
    root = find_root()
    plan = Plan.load(root, data.absolute() if data else root / ".local")
    verdicts = asyncio.run(_verdicts(plan, ledger or plan.ledger))
    for service, verdict in verdicts.items():
        held = f"{verdict.checked} rows hold, {verdict.anchored} of them anchored"
        out.print(f"{service}: {held}" if verdict.broken is None else f"{service}: {held}; {_told(verdict.broken)}")
    if any(verdict.broken for verdict in verdicts.values()):
        raise typer.Exit(1)


def _told(broken: Break) -> str:
    row = f" (row {broken.audit_id}, {broken.action or 'gone'})" if broken.audit_id else ""
    return f"[bold red]broken at position {broken.position}[/bold red]: {MEANINGS[broken.what]}{row}"


async def _verdicts(plan: Plan, ledger: Path) -> dict[str, Verdict]:
    secrets = Secrets.load_or_make(plan)
    verdicts = {}
    for service in SERVICES:
        try:
            held = anchors(Ledger(ledger, service))
            opened = await Database.connect(database_dsn(plan, secrets, service, "worker"), schema=service)
        except LedgerDamaged as error:
            raise Failed(
                str(error), "Take the line out if you know why it is damaged; what it held is lost."
            ) from error
        except OSError as error:
            raise Failed(f"PostgreSQL does not answer: {error}", "Start the suite: make up") from error
        try:
            async with opened.begin(read_only=True) as tx:
                verdicts[service] = await verify(tx, held)
        finally:
            await opened.close()
    return verdicts
