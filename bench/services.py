"""GET one, list of fifty and POST of each service, each against the one-file peer with the same statements.

Reads are measured three times while writes make the tables grow: the exponent is that of a read's time over the rows.
"""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from uuid import uuid4

from bench.cases import PAGE, SEEDED, Case, Prepared, prepare
from bench.house import House
from bench.load import load, raw_request
from bench.pace import Pace
from bench.report import Measurement, exponent
from kehu_chassis.testing.servers import free_port
from kehu_chassis.testing.tokens import ISSUER

__all__ = ["measure", "posts", "reads", "serving"]

ONE_FILE = "one file of FastAPI + asyncpg"
MOST_PER_SECOND = 3_000
Requests = Callable[[float], list[str]]


@contextmanager
def serving(house: House, case: Case, **changes: str) -> Iterator[int]:
    """The service's api in a process of its own, with changes to its environment; gives its port."""
    port = free_port()
    environment = house.environment(case.definition.schema, "api", port) | changes
    ready = f"http://127.0.0.1:{port}/health/ready"
    with house.process("-m", f"kehu_{case.name}", "api", env=environment, ready=ready):
        yield port


@contextmanager
def _peer(house: House, case: Case, prepared: Prepared) -> Iterator[int]:
    port = free_port()
    environment = {
        "PEER_PORT": str(port),
        "PEER_DSN": house.dsn(case.definition.schema, "api"),
        "PEER_SCHEMA": case.definition.schema,
        "PEER_JWKS": house.jwks_url,
        "PEER_ISSUER": ISSUER,
        "PEER_RECORDINGS": str(prepared.recordings),
    }
    ready = f"http://127.0.0.1:{port}/openapi.json"
    with house.process("-m", "bench.peer_http", env=environment, ready=ready):
        yield port


def posts(case: Case, token: str, seconds: float) -> list[str]:
    """Writes for some time, none like another."""
    run = uuid4().hex[:8]
    return [
        raw_request("POST", case.collection, token, case.body(f"{run}-{n:06}"), Idempotency_Key=uuid4().hex)
        for n in range(int(MOST_PER_SECOND * seconds))
    ]


@dataclass
class _Duel:
    """Service and peer, asked in turn."""

    case: Case
    token: str
    ports: tuple[int, int]
    pace: Pace
    rows: int = SEEDED
    sizes: list[int] = field(default_factory=list)
    seconds: dict[str, list[float]] = field(default_factory=dict)

    def in_turn(self, requests: Requests) -> tuple[list[float], list[float]]:
        """Requests per second of ours and of the peer, after a load on each that does not count."""
        for port in self.ports:
            load(port, self.pace.warm_up, requests(self.pace.warm_up))
        rates: tuple[list[float], list[float]] = [], []
        # Many short loads rather than few long ones: the machine's own pace moves within seconds.
        seconds = self.pace.seconds / 2
        for _ in range(3 * self.pace.rounds):
            for measured, port in zip(rates, self.ports, strict=True):
                measured.append(load(port, seconds, requests(seconds)).rate)
        return rates

    def grow(self, house: House, port: int, rows: int) -> None:
        """Write until there are so many rows, and tell the planner, as autovacuum does within a minute of such growth."""
        while self.rows < rows:
            self.rows += load(port, self.pace.seconds, posts(self.case, self.token, self.pace.seconds)).count
        asyncio.run(house.analyze())

    def note(self, asked: dict[str, str]) -> None:
        """How long our reads take with the rows that there are."""
        self.sizes.append(self.rows)
        for work, request in asked.items():
            rates = [load(self.ports[0], self.pace.seconds, [request]).rate for _ in range(2)]
            self.seconds.setdefault(work, []).append(1 / statistics.mean(rates))


def reads(case: Case, one: object, token: str) -> dict[str, str]:
    """The reads of a service by what they are called."""
    return {
        "GET one": raw_request("GET", f"{case.collection}/{one}", token),
        f"GET a list of {PAGE}": raw_request("GET", f"{case.collection}?limit={PAGE}", token),
    }


def _same(request: str, _: float) -> list[str]:
    return [request]


def measure(house: House, pace: Pace, *, case: Case) -> list[Measurement]:
    """One service and the peer in turn."""
    prepared = asyncio.run(prepare(house, case))
    token = case.token(house)
    asked = reads(case, prepared.one, token)
    found = []
    dsn = f"{house.dsn(case.definition.schema, 'api')}?synchronous_commit=off"
    # What only makes rows need not wait for the disk.
    hasty = serving(house, case, **{f"{case.definition.schema.upper()}_DATABASE_DSN": dsn})
    with serving(house, case) as ours, _peer(house, case, prepared) as peer, hasty as filling:
        duel = _Duel(case, token, (ours, peer), pace)
        for size in pace.sizes((SEEDED, 500, 3_000), (SEEDED, 2 * SEEDED, 4 * SEEDED)):
            duel.grow(house, filling, size)
            duel.note(asked)
        for work, request in asked.items():
            rates = duel.in_turn(partial(_same, request))
            grows = exponent(duel.sizes, duel.seconds[work])
            found.append(_row(case, work, rates, ">= 0.8", grows, f"{duel.rows:,} rows"))
        found.append(_row(case, "POST", duel.in_turn(partial(posts, case, token)), ">= 0.6", None, "committed"))
    return found


def _row(  # noqa: PLR0913, PLR0917  the parts of a row
    case: Case, work: str, rates: tuple[list[float], list[float]], budget: str, grows: float | None, notes: str
) -> Measurement:
    ours, peer = rates
    return Measurement(f"{case.name}: {work}", "requests/s", ours, ONE_FILE, peer, budget, grows, notes)
