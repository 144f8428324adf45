"""A new key-encryption key: taken in without a restart, everything is moved to it while it is read, the old one goes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from kehu_chassis import rotation
from kehu_chassis.clock import FixedClock
from kehu_chassis.crypto import Decryption, KeyFileError, KeyRing, check_keys, retire_key
from kehu_chassis.database import Database, Transaction
from kehu_chassis.definition import Runtime
from kehu_chassis.rotation import REWRAP, followed, rewrapper, schedule_rewrap, take_in
from kehu_chassis.testing.keys import replace_wrapping_key
from kehu_chassis.timers import Timers
from kehu_customer.parties.sealing import CUSTOMER_NAME
from kehu_customer.parties.tables import customers
from kehu_customer.vault import Vault

from .conftest import People
from .test_customer_parties_http import ZHANG

Rows = Callable[..., Awaitable[list[dict[str, Any]]]]
Eventually = Callable[[Callable[[], Awaitable[bool]]], Awaitable[None]]


def spoil(path: Path) -> None:
    path.write_text("{")


@pytest.fixture
def own_file(key_file: Path, tmp_path: Path) -> Path:
    """A copy of the key file that the test may change."""
    copy = tmp_path / "keys.json"
    copy.write_bytes(key_file.read_bytes())
    return copy


@pytest.fixture
def ring(own_file: Path) -> KeyRing:
    return KeyRing.from_file(own_file)


async def register(people: People, count: int) -> None:
    for _ in range(count):
        assert (await people.rm.post("/api/v1/customers", json=ZHANG)).status_code == 201


async def names(rows: Rows, ring: KeyRing) -> list[str]:
    """The names of all customers, opened with what the rows say."""
    vault = Vault(ring)
    found = await rows("SELECT id, key_id, wrapped_key, name_sealed FROM customers")
    return [vault.open(vault.key_of(row), row["name_sealed"], CUSTOMER_NAME, row["id"]) for row in found]


async def under(rows: Rows) -> dict[str, int]:
    return {row["key_id"]: row["n"] for row in await rows("SELECT key_id, count(*) AS n FROM customers GROUP BY 1")}


async def test_all_keys_are_wrapped_anew_slice_by_slice_while_names_are_read(
    people: People,
    worker_database: Database,
    clock: FixedClock,
    own_file: Path,
    ring: KeyRing,
    rows: Rows,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rotation, "SLICE", 2)
    await register(people, 5)
    before = sorted(await names(rows, ring))
    old = KeyRing.from_file(own_file)
    replace_wrapping_key(own_file)
    ring.adopt(KeyRing.from_file(own_file))
    async with worker_database.begin() as tx:
        await schedule_rewrap(tx, ring, clock.now())
    seen = []
    timers = Timers(worker_database, clock, {REWRAP: rewrapper(ring, customers)})
    while await timers.fire_next():
        seen.append(await under(rows))
        assert sorted(await names(rows, ring)) == before
    assert seen == [{"kek-1": 3, "kek-2": 2}, {"kek-1": 1, "kek-2": 4}, {"kek-2": 5}, {"kek-2": 5}]
    replace_wrapping_key(own_file, drop_first=True)
    assert sorted(await names(rows, KeyRing.from_file(own_file))) == before
    with pytest.raises(Decryption):
        await names(rows, old)


async def test_a_job_that_was_killed_in_a_slice_goes_on_where_it_stood(
    people: People,
    worker_database: Database,
    clock: FixedClock,
    own_file: Path,
    rows: Rows,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rotation, "SLICE", 2)
    await register(people, 3)
    replace_wrapping_key(own_file)
    ring = KeyRing.from_file(own_file)
    async with worker_database.begin() as tx:
        await schedule_rewrap(tx, ring, clock.now())
    work = rewrapper(ring, customers)

    async def killed(*arguments: Any) -> None:
        await work(*arguments)
        raise asyncio.CancelledError

    assert await Timers(worker_database, clock, {REWRAP: work}).fire_next()
    with pytest.raises(asyncio.CancelledError):
        await Timers(worker_database, clock, {REWRAP: killed}).fire_next()
    assert await under(rows) == {"kek-1": 1, "kek-2": 2}
    timers = Timers(worker_database, clock, {REWRAP: work})
    while await timers.fire_next():
        pass
    assert await under(rows) == {"kek-2": 3}
    assert await rows("SELECT FROM timers WHERE kind = 'keys.rewrap'") == []


async def test_a_row_that_somebody_works_on_is_passed_over_and_taken_in_the_next_round(
    people: People, worker_database: Database, clock: FixedClock, own_file: Path, rows: Rows
) -> None:
    await register(people, 2)
    replace_wrapping_key(own_file)
    ring = KeyRing.from_file(own_file)
    async with worker_database.begin() as tx:
        await schedule_rewrap(tx, ring, clock.now())
    timers = Timers(worker_database, clock, {REWRAP: rewrapper(ring, customers)})
    async with worker_database.begin() as busy:
        await busy.connection.execute("SELECT FROM customers ORDER BY id LIMIT 1 FOR UPDATE")
        while await timers.fire_next():
            pass
        assert await under(rows) == {"kek-1": 1, "kek-2": 1}
    clock.advance(timedelta(seconds=3))
    while await timers.fire_next():
        pass
    assert await under(rows) == {"kek-2": 2}


async def test_a_changed_file_is_taken_in_and_a_wrong_one_is_not(
    worker_runtime: Runtime, own_file: Path, ring: KeyRing, eventually: Eventually, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rotation, "FOLLOW_EVERY", 0.01)
    set_for: list[str] = []

    async def jobs(_tx: Transaction, given: KeyRing, _at: object) -> None:
        set_for.append(given.wrapper.active_id)

    async def active() -> bool:
        return ring.wrapper.active_id == "kek-2"

    async with followed(worker_runtime, ring, own_file, jobs):
        envelope = ring.envelope()
        replace_wrapping_key(own_file)
        await eventually(active)
        assert envelope.new_data_key()[0].key_id == "kek-2"
        assert set_for == ["kek-1", "kek-2"]
        spoil(own_file)
        assert not await take_in(worker_runtime, ring, own_file, jobs)
        assert ring.wrapper.active_id == "kek-2"


async def test_an_opened_key_outlives_its_erasure_by_a_minute_at_most(
    worker_runtime: Runtime, own_file: Path, ring: KeyRing, eventually: Eventually, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert rotation.FORGET_EVERY == 60
    monkeypatch.setattr(rotation, "FORGET_EVERY", 0.01)
    wrapped, _ = ring.envelope().new_data_key()
    async with followed(worker_runtime, ring, own_file, schedule_rewrap):
        # Only now: a ring that is taken in forgets, too.
        opened = ring.wrapper.unwrap(wrapped)

        async def forgotten() -> bool:
            return ring.wrapper.unwrap(wrapped) is not opened

        await eventually(forgotten)


async def test_a_key_is_missed_until_it_is_retired(
    worker_database: Database, worker_runtime: Runtime, own_file: Path, ring: KeyRing
) -> None:
    async with worker_database.begin() as tx:
        await check_keys(tx, ring)
    replace_wrapping_key(own_file, drop_first=True)
    assert not await take_in(worker_runtime, ring, own_file, schedule_rewrap)
    assert ring.wrapper.active_id == "kek-1"
    with pytest.raises(KeyFileError, match="kek-1"):
        async with worker_database.begin() as tx:
            await check_keys(tx, KeyRing.from_file(own_file))
    async with worker_database.begin() as tx:
        await retire_key(tx, "kek-1")
    assert await take_in(worker_runtime, ring, own_file, schedule_rewrap)
    assert ring.wrapper.active_id == "kek-2"
