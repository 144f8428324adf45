"""Load the demo bank into a suite that runs."""

from __future__ import annotations

import asyncio

from kehu_chassis.clock import SuiteClock
from kehu_local.bank import BankDoor
from kehu_local.demo.organisation import STAFF, UNITS
from kehu_local.plan import Plan

__all__ = ["load"]


def load(plan: Plan) -> None:
    """Play the demo bank through the inbound topics and the HTTP API. Loading it again changes nothing."""
    asyncio.run(_load(plan))


async def _load(plan: Plan) -> None:
    now = SuiteClock(plan.clock_file).now()
    async with BankDoor(plan.kafka_bootstrap) as bank:
        for statement in (*UNITS, *STAFF):
            await bank.send(statement, at=now, sequence=1)
