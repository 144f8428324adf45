"""Keys are replaced while the service works.

A key file may hold several keys of a kind, of which one is active: it wraps and indexes what is new, the others still
open and find what is old. `followed` takes in a changed file without a restart; jobs then move what is old to the active
key, slice by slice; a key that nothing is left under is retired. Whoever changes the file must first add the new key and
make it active only when every process has read that (`kehu keys rotate` does), or one would meet a key that it lacks.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import structlog
from sqlalchemy import Table

from kehu_chassis.crypto import KeyFileError, KeyRing, WrappedKey, check_keys
from kehu_chassis.database import TRANSIENT, Transaction
from kehu_chassis.definition import Runtime
from kehu_chassis.failures import describe
from kehu_chassis.timers import TimerHandler, schedule

__all__ = ["FOLLOW_EVERY", "FORGET_EVERY", "REWRAP", "followed", "rewrapper", "schedule_rewrap", "take_in"]

log = structlog.get_logger(__name__)

FOLLOW_EVERY: Final = 1.0
"""Seconds between looks at the key file."""
FORGET_EVERY: Final = 60.0
"""Seconds after which no opened data key is left in memory: by so much may one outlive its erasure."""
REWRAP: Final = "keys.rewrap"
SLICE: Final = 500
NOBODY: Final = UUID(int=0)
AGAIN_AFTER: Final = timedelta(seconds=2)

Scheduling = Callable[[Transaction, KeyRing, datetime], Awaitable[None]]
"""Sets the jobs that move data to the active keys."""


@contextlib.asynccontextmanager
async def followed(runtime: Runtime, ring: KeyRing, path: Path, jobs: Scheduling) -> AsyncIterator[None]:
    """Check the ring, set its jobs, and keep it as the file is for as long as the block runs.

    The ring changes between two awaits only: what one stretch of code computes is all under one key.

    Raises:
        KeyFileError: at the start, when a key that the data were written with is lost or is another one.
    """
    seen = _stamp(path)
    await _adopt(runtime, ring, ring, jobs)
    tasks = [asyncio.create_task(_follow(runtime, ring, path, jobs, seen)), asyncio.create_task(_forget(ring))]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


async def take_in(runtime: Runtime, ring: KeyRing, path: Path, jobs: Scheduling) -> bool:
    """Read the file and make its keys the ring's; False when it cannot be used, and the ring stays as it is."""
    try:
        await _adopt(runtime, ring, KeyRing.from_file(path), jobs)
    except KeyFileError as error:
        log.error("keys.refused", reason=str(error))  # noqa: TRY400  the reason says all; a stack would not
        return False
    log.info("keys.taken_in", active=ring.wrapper.active_id, active_index=ring.index.active_version)
    return True


async def _follow(runtime: Runtime, ring: KeyRing, path: Path, jobs: Scheduling, seen: object) -> None:
    while True:
        await asyncio.sleep(FOLLOW_EVERY)
        stamp = _stamp(path)
        if stamp == seen:
            continue
        try:
            # A file that was refused is read again until it can be used: its other half may be on its way.
            seen = stamp if await take_in(runtime, ring, path, jobs) else seen
        except TRANSIENT as error:
            log.warning("keys.postponed", cause=describe(error))


async def _forget(ring: KeyRing) -> None:
    while True:
        await asyncio.sleep(FORGET_EVERY)
        ring.wrapper.forget()


async def _adopt(runtime: Runtime, ring: KeyRing, given: KeyRing, jobs: Scheduling) -> None:
    async with runtime.database.begin() as tx:
        await check_keys(tx, given)
        await jobs(tx, given, runtime.clock.now())
    ring.adopt(given)


def _stamp(path: Path) -> object:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size


async def schedule_rewrap(tx: Transaction, ring: KeyRing, at: datetime) -> None:
    """Set the job when there is more than one key-encryption key; begins anew where it was under way."""
    if len(ring.wrapper.checks()) > 1:
        await schedule(tx, due_at=at, kind=REWRAP, key="all", payload={"after": str(NOBODY)})


def rewrapper(ring: KeyRing, table: Table) -> TimerHandler:
    """The handler of the timer: wraps a slice of a table's data keys under the active key, then sets itself again.

    The table has `key_id` and `wrapped_key`. Rows that somebody works on are passed over and come in the next round; the
    job ends with a round in which nothing was left. Data keys stay what they are, so readers notice nothing.
    """
    identity = next(iter(table.primary_key)).name
    stale = f"{identity} > $1 AND key_id <> $2 AND wrapped_key <> ''"
    take = (
        f"SELECT {identity} AS id, key_id, wrapped_key FROM {table.name} WHERE {stale}"  # noqa: S608  names of ours
        f" ORDER BY {identity} LIMIT {SLICE} FOR NO KEY UPDATE SKIP LOCKED"
    )
    put = (
        f"UPDATE {table.name} AS t SET key_id = given.key_id, wrapped_key = given.wrapped_key"  # noqa: S608  the same
        f" FROM unnest($1::uuid[], $2::text[], $3::bytea[]) AS given (id, key_id, wrapped_key) WHERE t.{identity} = given.id"
    )
    left = f"SELECT EXISTS (SELECT FROM {table.name} WHERE {stale})"  # noqa: S608  the same

    async def rewrap(tx: Transaction, due_at: datetime, key: str, payload: dict[str, Any]) -> None:
        active = ring.wrapper.active_id
        rows = await tx.connection.fetch(take, UUID(payload["after"]), active)
        anew = [ring.wrapper.wrap(ring.wrapper.unwrap(WrappedKey(row["key_id"], row["wrapped_key"]))) for row in rows]
        given = [row["id"] for row in rows], [each.key_id for each in anew], [each.wrapped for each in anew]
        await tx.connection.execute(put, *given)
        if rows:
            await schedule(tx, due_at=due_at, kind=REWRAP, key=key, payload={"after": str(rows[-1]["id"])})
        elif await tx.connection.fetchval(left, NOBODY, active):
            await schedule(tx, due_at=due_at + AGAIN_AFTER, kind=REWRAP, key=key, payload={"after": str(NOBODY)})

    return rewrap
