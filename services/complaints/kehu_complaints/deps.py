"""What routes take beside transaction, caller and time: the rules and the keys of this service."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Final, cast

from fastapi import Depends

from kehu_chassis import timers
from kehu_chassis.auth import Principal
from kehu_chassis.crypto import Envelope, KeyRing
from kehu_chassis.database import Transaction
from kehu_chassis.definition import Runtime
from kehu_chassis.http import Now, Tx, requires, resources
from kehu_chassis.rotation import followed, schedule_rewrap
from kehu_complaints.clocks.library import Rulebook, load
from kehu_complaints.clocks.queries import outdated_clocks
from kehu_complaints.settings import Settings
from kehu_contracts.access import Permission

__all__ = ["CALENDAR_TIMER", "ApproverOfExtensions", "AtDesk", "Desk", "Handler", "Office", "Reader", "open_office"]

CALENDAR_TIMER: Final = "complaints.calendar"
"""Fires once when provisional dates are to be computed again with a calendar that knows more years."""


@dataclass(frozen=True, slots=True)
class Office:
    """What the complaints office works with: the rules of its clocks and the means to keep a narrative secret."""

    rulebook: Rulebook
    ring: KeyRing

    @property
    def envelope(self) -> Envelope:
        """What seals and opens texts."""
        return self.ring.envelope()


@asynccontextmanager
async def open_office(runtime: Runtime) -> AsyncIterator[Office]:
    """Read rules and keys, and stop the start when either is not what the data were written with."""
    settings = cast("Settings", runtime.settings)
    ring = KeyRing.from_file(settings.key_file)
    rulebook = Rulebook(load(settings.rules_folder), settings.statutory_pack, settings.internal_pack)
    async with runtime.database.begin() as tx:
        # A worker sees every case; an api, which reaches none at its start, leaves the work to it.
        if await outdated_clocks(tx, rulebook.library.newest_calendars(), 1):
            await timers.schedule(tx, due_at=runtime.clock.now(), kind=CALENDAR_TIMER, key="newest")
    async with followed(runtime, ring, settings.key_file, schedule_rewrap):
        yield Office(rulebook, ring)


@dataclass(frozen=True, slots=True)
class Desk:
    """One piece of work in the office: its transaction, and the moment at which it is done."""

    tx: Transaction
    office: Office
    now: datetime


async def _desk(tx: Tx, now: Now, office: Annotated[Office, Depends(resources)]) -> Desk:
    return Desk(tx, office, now)


AtDesk = Annotated[Desk, Depends(_desk)]
Reader = Annotated[Principal, requires(Permission.COMPLAINT_READ)]
Handler = Annotated[Principal, requires(Permission.COMPLAINT_WRITE)]
ApproverOfExtensions = Annotated[Principal, requires(Permission.COMPLAINT_APPROVE_EXTENSION)]
"""Senior management of the head office, whose approval the law asks for."""
