"""A seeded campaign of faults against a suite under load, with a check of everything after each group of faults."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

import httpx

from .bank import Bank
from .checker import CONVERGES_WITHIN, Checker, NotConverged
from .faults import Faults
from .load import Clients
from .records import Topics
from .suite import FaultySuite

__all__ = ["Campaign", "Scene", "Tally", "open_scene", "until"]

GROUP: Final = 20
WRITERS: Final = 3
HEALS_WITHIN: Final = 60.0
OVERLAPS: Final = 0.25
"""Share of the faults that the next one does not wait for."""
SAVERS: Final = {"type": "product", "where": {"product_class": ["savings"]}}


@dataclass
class Tally:
    """What became of the faults of one kind: seconds until every process was ready again."""

    healed: list[float] = field(default_factory=list)
    overlapped: int = 0

    @property
    def drawn(self) -> int:
        """How many there were."""
        return len(self.healed) + self.overlapped


@dataclass
class Scene:
    """A suite with a bank and clients, and who checks it. `within` puts it under load."""

    suite: FaultySuite
    bank: Bank
    clients: Clients
    checker: Checker
    segment: str

    @asynccontextmanager
    async def load(self, writers: int = WRITERS) -> AsyncIterator[None]:
        """Writes go on inside; all are answered, and all messages are with the broker, when it ends."""
        stop = asyncio.Event()
        work = [asyncio.create_task(self.clients.run(stop, writers)), asyncio.create_task(self.bank.run(stop))]
        try:
            yield
        finally:
            stop.set()
            _, unfinished = await asyncio.wait(work, timeout=CONVERGES_WITHIN)
            for task in unfinished:
                task.cancel()
        if unfinished:
            raise NotConverged("\n".join(["writes found no answer:", *self.clients.last_failures]))
        for task in work:
            task.result()

    async def written(self, *, more: int) -> None:
        """Wait until so many more writes were answered."""
        goal = self._answered() + more
        deadline = time.monotonic() + 120
        while self._answered() < goal:
            assert time.monotonic() < deadline, self.clients.last_failures
            await asyncio.sleep(0.05)

    def _answered(self) -> int:
        return sum(sent.answer is not None for sent in self.clients.sent)

    async def settle(self, since: float | None = None) -> float:
        """Check that nothing differs within the time that there is; how many seconds after a moment it stood so."""
        took = await self.checker.converge(since or time.monotonic())
        assert self.clients.refused == [], self.clients.refused[:5]
        return took


@asynccontextmanager
async def open_scene(suite: FaultySuite, seed: int, *, demo: bool = False) -> AsyncIterator[Scene]:
    """Give a new suite its organisation and a segment of savers; one with the demo bank has them."""
    async with Bank(suite, Random(f"bank {seed}")) as bank:
        clients = Clients(suite, Random(f"clients {seed}"))
        if not demo:
            await bank.organise()
        async with httpx.AsyncClient(base_url=suite.url, timeout=10) as client:

            async def get(path: str) -> Any:
                return (await clients.ask(client, "marketer", "GET", f"/api/v1/{path}", again=frozenset({403}))).json()

            async def units() -> dict[str, str]:
                return {unit["code"]: unit["id"] for unit in (await get("units?limit=200"))["items"]}

            await until(units, lambda found: "BJ-01" in found)
            clients.unit_id = (await units())["BJ-01"]
            body = {"code": "savers", "name": "储户", "rule": SAVERS}
            made = await clients.write(client, "marketer", "segment", "/api/v1/segments", body)
            assert made.answer is not None, clients.refused
            segment = made.answer["segment_id"]
            path = f"/api/v1/segments/{segment}/publications"
            await clients.write(client, "marketer", "publication", path, None)
            await until(lambda: get(f"segments/{segment}"), lambda found: found["rule_version"] == 1)
        topics = Topics(suite.plan.kafka_bootstrap)
        checker = Checker(suite.database, topics, clients.sent, bank.facts, segment, alone=not demo)
        yield Scene(suite, bank, clients, checker, segment)


async def until(ask: Callable[[], Awaitable[Any]], holds: Callable[[Any], bool], *, within: float = 60) -> Any:
    """Wait until the answer is as it should be. Raises `TimeoutError` with the last one."""
    deadline = time.monotonic() + within
    while not holds(found := await ask()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"never came: {found}")
        await asyncio.sleep(0.2)
    return found


class Campaign:
    """So many faults, drawn from a seed, against a scene. `tallies` tells of each kind what became of it."""

    def __init__(self, scene: Scene, seed: int, say: Callable[[str], None]) -> None:
        self.tallies: defaultdict[str, Tally] = defaultdict(Tally)
        self.converged: list[float] = []
        self._scene = scene
        self._faults = Faults(scene.suite, scene.bank, Random(f"faults {seed}"))
        self._died_before = len(scene.suite.deaths())
        self._chance = Random(f"overlaps {seed}")
        self._say = say

    async def run(self, number: int, until: float | None = None) -> int:
        """Go through with it, group by group; how many faults there were.

        Args:
            number: how many.
            until: a moment (monotonic) at which no new group begins.

        Raises:
            NotConverged: something was lost, doubled, out of order, or did not come to stand where it belongs.
            TimeoutError: a process did not become ready again.
        """
        done = 0
        while done < number and (until is None or time.monotonic() < until):
            size = min(GROUP, number - done)
            async with self._scene.load():
                for _ in range(size):
                    await self._one()
                last = time.monotonic()
            self.converged.append(await self._scene.settle(last))
            await asyncio.to_thread(self._scene.suite.await_ready, HEALS_WITHIN)
            self._refuse_other_deaths()
            done += size
            told = f"{done} faults: {len(self._scene.clients.sent)} writes, "
            told += f"{len(self._scene.checker.topics.events)} events; all agree after {self.converged[-1]:.1f} s"
            self._say(told)
        return done

    async def _one(self) -> None:
        kind = self._faults.draw()
        self._say(f"  {kind}")
        await asyncio.to_thread(self._faults.do, kind)
        if self._chance.random() < OVERLAPS:
            self.tallies[kind].overlapped += 1
        else:
            took = await asyncio.to_thread(self._scene.suite.await_ready, HEALS_WITHIN)
            self.tallies[kind].healed.append(took)
            await asyncio.to_thread(self._faults.pause)

    def _refuse_other_deaths(self) -> None:
        """No process may end but those that were killed."""
        ended = self._scene.suite.deaths()
        assert len(ended) == self._died_before + self._faults.kills, ended

    def table(self) -> str:
        """The faults by kind, and their outcome."""
        lines = ["| Fault | Drawn | Ready again: median | slowest |", "| --- | ---: | ---: | ---: |"]
        for kind, tally in sorted(self.tallies.items()):
            median = f"{statistics.median(tally.healed):.1f} s" if tally.healed else "overlapped"
            slowest = f"{max(tally.healed):.1f} s" if tally.healed else ""
            lines.append(f"| {kind} | {tally.drawn} | {median} | {slowest} |")
        lines.append(f"| all | {sum(tally.drawn for tally in self.tallies.values())} | | |")
        return "\n".join(lines)
