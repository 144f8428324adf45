"""Plays the Berka bank through the inbound topics, and waits until the customer service has taken it in."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from kehu_chassis.crypto import KeyRing
from kehu_contracts.bank import PartyIdentity
from kehu_local.bank import BankDoor, seal_identity
from kehu_local.failures import Failed
from kehu_local.importers.berka.files import BerkaFiles, read_files
from kehu_local.importers.berka.statements import Order, order_transactions, state_bank
from kehu_local.plan import Plan
from kehu_local.uptake import INBOUND, Uptake

__all__ = ["Outcome", "import_berka"]

STALLED_AFTER: Final = 60.0
"""Seconds without progress after which the import stops waiting."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was read and, unless it was a dry run, sent and taken in."""

    rows: int
    statements: int
    broken_days: int
    seconds: float

    @property
    def rows_per_second(self) -> float:
        """Rows of the files, from the first message sent until the last was taken in."""
        return self.rows / self.seconds if self.seconds else 0.0


def import_berka(plan: Plan | None, folder: Path, console: Console) -> Outcome:
    """Read, check and play the files of a folder; without a plan everything but the sending.

    Raises:
        Failed: the files are not in order (nothing was sent), or the suite does not take them in.
    """
    files = read_files(folder)
    order = order_transactions(files)
    if plan is None:
        statements = sum(1 for _ in state_bank(files, order, lambda _: "dry..run.of.nothing"))
        return Outcome(files.rows, statements, order.broken_days, 0.0)
    return asyncio.run(_play(plan, files, order, console))


async def _play(plan: Plan, files: BerkaFiles, order: Order, console: Console) -> Outcome:
    began = time.monotonic()
    facts = list(state_bank(files, order, _seal(plan)))
    total = len(facts)
    columns = (TextColumn("{task.description:<10}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    async with Uptake(plan.kafka_bootstrap, INBOUND) as uptake, BankDoor(plan.kafka_bootstrap) as door:
        with Progress(*columns, console=console) as progress:
            sending, taking = (progress.add_task(name, total=total) for name in ("sent", "taken in"))

            def show(waiting: int) -> None:
                progress.update(taking, completed=max(door.sent - waiting, 0))

            # A core opens accounts long before it posts to them. Sent all at once, the movements would overtake on
            # their own topic, be parked, and cost twice.
            for _, of_topic in groupby(facts, key=lambda fact: fact.statement.topic):
                for fact in of_topic:
                    await door.send(fact.statement, at=fact.at, sequence=1, key=fact.key)
                    progress.advance(sending)
                await door.flush()
                await _wait(uptake, show)
    return Outcome(files.rows, total, order.broken_days, time.monotonic() - began)


def _seal(plan: Plan) -> Callable[[PartyIdentity], str]:
    kid, key = KeyRing.from_file(plan.key_file).message_keys.active
    return lambda identity: seal_identity(identity, key, kid)


async def _wait(uptake: Uptake, show: Callable[[int], None]) -> None:
    least, since = await uptake.waiting(), time.monotonic()
    while least:
        show(least)
        await asyncio.sleep(0.2)
        waiting = await uptake.waiting()
        if waiting < least:
            least, since = waiting, time.monotonic()
        elif time.monotonic() - since > STALLED_AFTER:
            cause = f"{least} messages have not been taken in, and none was for {STALLED_AFTER:.0f} s."
            raise Failed(cause, "See the customer worker: kehu status, kehu dead-letters list")
    show(0)
