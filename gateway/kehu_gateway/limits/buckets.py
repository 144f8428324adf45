"""The buckets of one gateway process, and the lease of their shares from PostgreSQL."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from hashlib import sha256
from time import monotonic
from typing import Final
from uuid import UUID, uuid4

from kehu_chassis.database import TRANSIENT, Database
from kehu_chassis.telemetry import get_logger
from kehu_gateway.limits.rules import Bucket, Limit, Standing, share_of

__all__ = ["LEASE_EVERY", "Buckets"]

log = get_logger(__name__)

LEASE_EVERY: Final = 1.0
_REMEMBERED: Final = 50_000
"""Buckets in one process. Beyond it the one that rested longest goes: a flood of addresses takes no more memory."""

# PostgreSQL's clock decides who is alive, since the processes may run on machines whose clocks differ.
_LEASE: Final = """
WITH given AS (SELECT * FROM unnest($2::bytea[], $3::int[]) AS given (caller_digest, demand)),
told AS (
    INSERT INTO rate_demands AS kept (caller_digest, process_id, demand, leased_at)
    SELECT caller_digest, $1, demand, clock_timestamp() FROM given ORDER BY caller_digest
    ON CONFLICT (caller_digest, process_id)
    DO UPDATE SET demand = EXCLUDED.demand, leased_at = EXCLUDED.leased_at
)
SELECT given.caller_digest, sum(kept.demand)::int AS others
FROM given JOIN rate_demands AS kept ON kept.caller_digest = given.caller_digest
WHERE kept.process_id <> $1 AND kept.leased_at > clock_timestamp() - interval '5 seconds'
GROUP BY given.caller_digest
"""
_FORGET: Final = "DELETE FROM rate_demands WHERE leased_at < clock_timestamp() - interval '1 minute'"
_PROCESS: Final = b""


class Buckets:
    """Every caller's bucket in this process.

    One statement each second tells the other processes what was asked for here and learns what was asked for there; a
    request costs none. While PostgreSQL is away the last shares hold.

    Args:
        time: seconds that only grow.
    """

    def __init__(self, time: Callable[[], float] = monotonic) -> None:
        self._time = time
        self._process_id: UUID = uuid4()
        self._buckets: OrderedDict[tuple[str, str], Bucket] = OrderedDict()
        self._asked: dict[tuple[str, str], Bucket] = {}
        self._limits: dict[str, Limit] = {}
        self._processes = 1

    def ask(self, limit: Limit, caller: str) -> Standing:
        """Whether a caller may have one more request now."""
        now = self._time()
        key = (limit.name, caller)
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._new(limit, key, now)
        else:
            self._buckets.move_to_end(key)
        if not bucket.demand:
            self._asked[key] = bucket
        return bucket.ask(limit, now)

    async def lease(self, database: Database) -> None:
        """Tell and learn, once.

        Raises:
            DatabaseUnavailable: PostgreSQL is away; the shares stay as they are.
        """
        asked = {_digest(key): bucket for key, bucket in self._asked.items()}
        demands = {digest: bucket.demand for digest, bucket in asked.items()}
        async with database.begin() as tx:
            rows = await tx.connection.fetch(_LEASE, self._process_id, [_PROCESS, *demands], [1, *demands.values()])
        others = {row["caller_digest"]: row["others"] for row in rows}
        self._processes = 1 + others.get(_PROCESS, 0)
        for digest, bucket in asked.items():
            bucket.share = share_of(demands[digest], others.get(digest, 0))
            # What came in while PostgreSQL answered counts for the next lease.
            bucket.demand -= demands[digest]
        self._asked = {key: bucket for key, bucket in self._asked.items() if bucket.demand}
        self._forget()

    async def run(self, database: Database) -> None:
        """Lease every second, until cancelled."""
        is_away = False
        while True:
            await asyncio.sleep(LEASE_EVERY)
            try:
                await self.lease(database)
            except TRANSIENT as error:
                if not is_away:
                    log.warning("limits.lease_postponed", error=type(error).__name__)
                is_away = True
            else:
                is_away = False

    @staticmethod
    async def forget_old(database: Database) -> None:
        """Delete what processes told that are gone, or of callers that rest."""
        async with database.begin() as tx:
            await tx.connection.execute(_FORGET)

    def _new(self, limit: Limit, key: tuple[str, str], now: float) -> Bucket:
        self._limits[limit.name] = limit
        # Nothing is known of this caller yet: each process gives its equal part, so that together they give one burst.
        share = 1 / self._processes
        bucket = self._buckets[key] = Bucket(max(1.0, limit.burst * share), now, share)
        while len(self._buckets) > _REMEMBERED:
            self._buckets.popitem(last=False)
        return bucket

    def _forget(self) -> None:
        now = self._time()
        # The one that rested longest stands first.
        while self._buckets:
            key, bucket = next(iter(self._buckets.items()))
            if bucket.demand or not bucket.is_full(self._limits[key[0]], now):
                break
            del self._buckets[key]


def _digest(key: tuple[str, str]) -> bytes:
    return sha256("\0".join(key).encode()).digest()[:16]
