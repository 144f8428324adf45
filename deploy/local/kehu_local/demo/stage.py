"""The stage on which the demo bank's past is played: the suite's clock, and knowing when everything has settled."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final, Self

import httpx

from kehu_chassis.clock import SuiteClock
from kehu_local import clock
from kehu_local.demo.people import DAYS
from kehu_local.failures import Failed
from kehu_local.plan import SERVICES, Plan
from kehu_local.uptake import Uptake

__all__ = ["Stage"]

SETTLED_LOOKS: Final = 2
LOOK_EVERY: Final = 0.25
PATIENCE: Final = 180.0
NOTICED_WITHIN: Final = SuiteClock.REREAD_AFTER + 0.1
"""Seconds until every process has seen that the clock was moved."""


class Stage:
    """Moves the clock through two years and waits for the suite to follow.

    Args:
        plan: the suite.
        today: the day on which the played past ends.
        operator: a token that may read the operations of every service.
    """

    def __init__(self, plan: Plan, today: date, operator: str) -> None:
        self._plan = plan
        self._today = today
        self._operator = operator

    async def __aenter__(self) -> Self:
        asking = httpx.AsyncClient(
            base_url=self._plan.gateway_url, headers={"Authorization": f"Bearer {self._operator}"}, timeout=30
        )
        async with AsyncExitStack() as stack:
            self._http = await stack.enter_async_context(asking)
            self._uptake = await stack.enter_async_context(Uptake(self._plan.kafka_bootstrap))
            self._open = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._open.aclose()

    def instant(self, day: int, hour: int = 10) -> datetime:
        """An hour in Shanghai on a day of the played past."""
        on = self._today - timedelta(days=DAYS - day)
        return datetime(on.year, on.month, on.day, tzinfo=UTC) + timedelta(hours=hour - 8)

    def date_of(self, day: int) -> date:
        """The date of a day of the played past."""
        return self._today - timedelta(days=DAYS - day)

    async def open(self) -> None:
        """Begin two years ago, unless an earlier attempt got further already."""
        path = self._plan.clock_file
        if not path.exists() or SuiteClock(path).now() > self.instant(DAYS, 0):
            clock.start_at(path, self.instant(0, 9))
        await asyncio.sleep(NOTICED_WITHIN)

    async def go_to(self, day: int, hour: int = 10) -> None:
        """Move the clock on to a day; a moment that has passed is left alone."""
        path = self._plan.clock_file
        if SuiteClock(path).now() < self.instant(day, hour):
            clock.set_forward(path, self.instant(day, hour))
            await asyncio.sleep(NOTICED_WITHIN)

    async def settle(self, waiting: Callable[[int], None] | None = None) -> None:
        """Wait until nothing is on its way: no message unread, no event unsent, no timer due.

        Args:
            waiting: is told how many messages are still unread, now and then.

        Raises:
            Failed: it has not come to rest for three minutes, or something died on the way.
        """
        deadline, calm = time.monotonic() + PATIENCE, 0
        best: int | None = None
        while calm < SETTLED_LOOKS:
            unread = await self._uptake.waiting()
            if best is None or unread < best:
                best, deadline = unread, time.monotonic() + PATIENCE
            if waiting is not None:
                waiting(unread)
            calm = calm + 1 if unread == 0 and await self._at_rest() else 0
            if time.monotonic() > deadline:
                raise Failed(
                    f"The demo bank does not come to rest: {unread} messages are unread.",
                    f"See the workers' logs in {self._plan.logs}.",
                )
            await asyncio.sleep(LOOK_EVERY)

    async def _at_rest(self) -> bool:
        for service in SERVICES:
            health = await self._health(service)
            dead = health["open_dead_letters"]
            if dead:
                raise Failed(
                    f"{dead} messages of the demo bank died in {service}.",
                    f"See the log: {self._plan.logs / service}-worker.log",
                )
            unread = sum(consumer["lag"] or 0 for consumer in health["consumers"])
            if unread or health["outbox"]["depth"] or health["due_timers"]:
                return False
        return True

    async def _health(self, service: str) -> dict[str, Any]:
        response = await self._http.get(f"/api/v1/operations/{service}/health")
        if not response.is_success:
            raise Failed(
                f"{service} does not tell how it is: {response.status_code}.", f"See its log in {self._plan.logs}."
            )
        health: dict[str, Any] = response.json()
        return health
