"""What is due takes effect once, in order, by the suite's clock."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from kehu_chassis.clock import FixedClock, technical_now
from kehu_chassis.database import Database, Transaction
from kehu_chassis.parking import park, release
from kehu_chassis.testing.events import Deliver
from kehu_chassis.testing.plugin import Eventually
from kehu_chassis.testing.probe import Probe
from kehu_chassis.timers import PreparedTimer, Timers, cancel, schedule


class Log:
    """Handlers that note what fired, in rows, so that a rollback undoes the note."""

    def __init__(self) -> None:
        self.broken: set[str] = set()

    async def note(self, tx: Transaction, due_at: datetime, key: str, payload: dict[str, Any]) -> None:
        value = f"{key}@{due_at:%d}"
        await tx.connection.execute("INSERT INTO effects (subject, sequence, value) VALUES ('', 0, $1)", value)
        if key in self.broken:
            raise RuntimeError(f"cannot do {key}")
        if payload.get("again"):
            again = payload["again"] - 1
            await schedule(tx, due_at=due_at + timedelta(days=1), kind="note", key=key, payload={"again": again})


@pytest.fixture
def notes() -> Log:
    return Log()


@pytest.fixture
def timers(worker_database: Database, clock: FixedClock, notes: Log) -> Timers:
    return Timers(worker_database, clock, {"note": notes.note})


async def fire_all(timers: Timers) -> None:
    while await timers.fire_next():
        pass


async def set_timers(database: Database, clock: FixedClock, **days: int) -> None:
    async with database.begin() as tx:
        for key, number in days.items():
            await schedule(tx, due_at=clock.now() + timedelta(days=number), kind="note", key=key)


async def test_timers_fire_in_the_order_of_their_due_time_once(
    database: Database, clock: FixedClock, timers: Timers, probe: Probe
) -> None:
    await set_timers(database, clock, late=20, second=3, first=1)
    await fire_all(timers)
    assert await probe.effects() == []
    clock.advance(timedelta(days=16))
    await fire_all(timers)
    await fire_all(timers)
    assert await probe.effects() == ["first@03", "second@05"]
    assert [row["key"] for row in await probe.rows("timers")] == ["late"]


async def test_a_timer_set_within_a_jump_of_the_clock_takes_its_place_in_the_order(
    database: Database, clock: FixedClock, timers: Timers, probe: Probe
) -> None:
    await set_timers(database, clock, other=3)
    async with database.begin() as tx:
        due_at = clock.now() + timedelta(days=1)
        await schedule(tx, due_at=due_at, kind="note", key="slice", payload={"again": 3})
    clock.advance(timedelta(days=30))
    await fire_all(timers)
    assert await probe.effects() == ["slice@03", "slice@04", "other@05", "slice@05", "slice@06"]


async def test_a_timer_set_again_replaces_the_first_and_one_taken_back_does_not_fire(
    database: Database, clock: FixedClock, timers: Timers, probe: Probe
) -> None:
    await set_timers(database, clock, moved=1, gone=1)
    await set_timers(database, clock, moved=2)
    async with database.begin() as tx:
        assert await cancel(tx, "note", "gone") is True
        assert await cancel(tx, "note", "gone") is False
    clock.advance(timedelta(days=5))
    await fire_all(timers)
    assert await probe.effects() == ["moved@04"]


async def test_a_failing_timer_blocks_no_other_and_is_tried_again(
    database: Database, clock: FixedClock, timers: Timers, probe: Probe, notes: Log
) -> None:
    notes.broken = {"bad"}
    await set_timers(database, clock, bad=1, good=2)
    clock.advance(timedelta(days=3))
    await fire_all(timers)
    assert await probe.effects() == ["good@04"]
    [bad] = await probe.rows("timers")
    assert bad["attempts"] == 1
    assert bad["last_error"].startswith("RuntimeError: cannot do bad")
    assert bad["retry_at"] > technical_now()
    notes.broken = set()
    async with database.begin() as tx:
        await tx.connection.execute("UPDATE timers SET retry_at = retry_at - interval '1 hour'")
    await fire_all(timers)
    assert await probe.effects() == ["good@04", "bad@03"]
    assert await probe.rows("timers") == []


async def test_several_workers_fire_each_timer_once(
    database: Database, worker_database: Database, clock: FixedClock, notes: Log, probe: Probe
) -> None:
    await set_timers(database, clock, **{f"k{n}": 1 for n in range(50)})
    clock.advance(timedelta(days=2))
    workers = [Timers(worker_database, clock, {"note": notes.note}) for _ in range(4)]
    await asyncio.gather(*(fire_all(worker) for worker in workers))
    assert sorted(await probe.effects()) == sorted(f"k{n}@03" for n in range(50))


async def test_a_running_worker_follows_the_clock_and_stops_when_told(
    database: Database, clock: FixedClock, timers: Timers, probe: Probe, eventually: Eventually
) -> None:
    running = asyncio.create_task(timers.run())
    await set_timers(database, clock, a=1)
    clock.advance(timedelta(days=1))

    async def has_fired() -> bool:
        return await probe.effects() == ["a@03"]

    await eventually(has_fired)
    timers.stop()
    await running


async def test_a_parked_message_is_released_once_in_the_order_of_parking(
    worker_database: Database, deliver: Deliver, probe: Probe
) -> None:
    first, second, other = (deliver.message(probe.changed(uuid4(), "v")) for _ in range(3))
    async with worker_database.begin() as tx:
        await park(tx, [(second, "party:core/1"), (first, "party:core/1"), (other, "party:core/2")])
        await park(tx, [(second, "party:core/1")])
    async with worker_database.begin() as tx:
        assert await release(tx, waiting_for=["party:core/1", "party:core/9"]) == [second, first]
        assert await release(tx, waiting_for=["party:core/1"]) == []
        assert await release(tx, waiting_for=[]) == []


class Preparing(Log):
    """A timer that asks another service first; `meanwhile` is what happens while it waits for the answer."""

    def __init__(self, database: Database) -> None:
        super().__init__()
        self.database = database
        self.asked: list[str] = []
        self.meanwhile: Any = None

    async def ask(self, due_at: datetime, key: str, payload: dict[str, Any]) -> str:
        assert payload == {}
        self.asked.append(f"{key}@{due_at:%d}")
        if key in self.broken:
            raise RuntimeError("no answer")
        if self.meanwhile is not None:
            await self.meanwhile()
        return "answered"

    async def act(self, tx: Transaction, due_at: datetime, key: str, payload: dict[str, Any], answer: str) -> None:
        assert answer == "answered"
        await self.note(tx, due_at, key, payload)

    def timers(self, clock: FixedClock) -> Timers:
        return Timers(self.database, clock, {"note": self.note, "ask": PreparedTimer(self.ask, self.act)})


async def test_a_prepared_timer_asks_before_its_transaction_and_takes_its_place_in_the_order(
    worker_database: Database, clock: FixedClock, probe: Probe
) -> None:
    preparing = Preparing(worker_database)
    async with worker_database.begin() as tx:
        for kind, key, days in (("ask", "b", 2), ("note", "c", 3), ("note", "a", 1)):
            await schedule(tx, due_at=clock.now() + timedelta(days=days), kind=kind, key=key)
    await fire_all(preparing.timers(clock))
    assert preparing.asked == []
    clock.advance(timedelta(days=3))
    await fire_all(preparing.timers(clock))
    assert await probe.effects() == ["a@03", "b@04", "c@05"]
    assert preparing.asked == ["b@04"]


async def test_a_prepared_timer_that_another_worker_took_meanwhile_does_nothing(
    worker_database: Database, clock: FixedClock, probe: Probe
) -> None:
    slow, fast = Preparing(worker_database), Preparing(worker_database)
    async with worker_database.begin() as tx:
        await schedule(tx, due_at=clock.now(), kind="ask", key="a")

    async def taken_by_another() -> None:
        assert await fast.timers(clock).fire_next()

    slow.meanwhile = taken_by_another
    assert await slow.timers(clock).fire_next()
    assert await probe.effects() == ["a@02"]


async def test_a_preparation_that_fails_is_tried_again_and_stops_nobody(
    worker_database: Database, clock: FixedClock, probe: Probe
) -> None:
    preparing = Preparing(worker_database)
    preparing.broken = {"a"}
    async with worker_database.begin() as tx:
        for kind, key in (("ask", "a"), ("note", "b")):
            await schedule(tx, due_at=clock.now(), kind=kind, key=key)
    await fire_all(preparing.timers(clock))
    assert await probe.effects() == ["b@02"]
    (waiting,) = await probe.rows("timers")
    assert (waiting["key"], waiting["attempts"]) == ("a", 1)
    preparing.broken = set()
    async with worker_database.begin() as tx:
        await tx.connection.execute("UPDATE timers SET retry_at = NULL")
    await fire_all(preparing.timers(clock))
    assert await probe.effects() == ["b@02", "a@02"]
