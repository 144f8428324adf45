"""How often a password may be tried: counted in PostgreSQL, so that all gateway processes count together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, Final
from weakref import WeakValueDictionary

from sqlalchemy import ColumnElement, Select, delete, select, update
from sqlalchemy.dialects.postgresql import insert

from kehu_chassis.clock import technical_now
from kehu_chassis.database import Database, Transaction
from kehu_gateway.issuer.rules import delay_after
from kehu_gateway.issuer.tables import login_attempts

__all__ = ["Attempts", "forget_attempts"]

_AT_ONCE: Final = datetime(2000, 1, 1, tzinfo=UTC)
"""When the next attempt may be made where there is no delay: a moment that has passed for every process, whose clock is a
little behind ours, or who looked at it before it had to wait for us."""


class Attempts:
    """Wrong passwords of each user name from each address, and of each address whatever names it tried.

    After the first few each further failure doubles the delay before the next attempt. The delay is that of the address,
    and of the name from that address: whoever guesses at a colleague's password does not shut the colleague out. A name
    that does not exist is counted like any other.

    Args:
        database: the gateway's.
        free: failures of a name from an address before the delay begins.
        free_of_address: failures of an address before the delay begins.
        longest: delay beyond which it does not grow; failures are forgotten when twice as long has passed.
    """

    def __init__(self, database: Database, *, free: int, free_of_address: int, longest: timedelta) -> None:
        self._database = database
        self._free = free
        self._free_of_address = free_of_address
        self._longest = longest
        self._turns: WeakValueDictionary[bytes, asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def turn(self, user: str, address: str) -> AsyncIterator[None]:
        """Make one attempt of a name from an address at a time in this process, from `begin` to `succeeded`.

        Many processes of a system that ask for their tokens at the same moment would be one another's failures.
        """
        async with self._turns.setdefault(_of_pair(user, address), asyncio.Lock()):
            yield

    async def begin(self, user: str, address: str) -> timedelta | None:
        """Count an attempt as failed before it is made, so that many at once are not one.

        Returns:
            None when the password may be looked at, else how long to wait; then nothing was counted.
        """
        allowed = {_of_pair(user, address): self._free, _of_address(address): self._free_of_address}
        now = technical_now()
        async with self._database.begin() as tx:
            standing = await _locked(tx, allowed, now)
            wait = max(not_before for _, not_before in standing.values()) - now
            # A longer one than there is was written before the machine's clock was set back.
            if timedelta(0) < wait <= self._longest:
                return wait
            for digest, (failures, _) in standing.items():
                delay = delay_after(failures + 1, free=allowed[digest], longest=self._longest)
                change = {
                    "failures": failures + 1,
                    "not_before": now + delay if delay else _AT_ONCE,
                    "forget_at": now + 2 * self._longest,
                }
                await tx.execute(update(login_attempts).where(_is(digest)).values(change))
        return None

    async def succeeded(self, user: str, address: str) -> None:
        """The password was right: forget the failures of this name here, and this attempt of the address."""
        pair, whole = _of_pair(user, address), _of_address(address)
        async with self._database.begin() as tx:
            # In the order of `begin`: whoever tries once more at this moment would wait for us, and we for him.
            await tx.all(_for_update([pair, whole]))
            await tx.execute(delete(login_attempts).where(_is(pair)))
            await tx.execute(
                update(login_attempts)
                .where(_is(whole))
                .values(failures=login_attempts.c.failures - 1, not_before=_AT_ONCE)
            )


async def forget_attempts(tx: Transaction) -> None:
    """Delete failures that count no longer."""
    await tx.execute(delete(login_attempts).where(login_attempts.c.forget_at < technical_now()))


async def _locked(tx: Transaction, digests: Mapping[bytes, int], now: datetime) -> Mapping[bytes, tuple[int, datetime]]:
    ordered = sorted(digests)
    for digest in ordered:
        fresh = {"key_digest": digest, "failures": 0, "not_before": _AT_ONCE, "forget_at": now}
        await tx.execute(insert(login_attempts).values(fresh).on_conflict_do_nothing())
    rows = await tx.all(_for_update(ordered))
    return {
        row["key_digest"]: (0, _AT_ONCE) if row["forget_at"] <= now else (row["failures"], row["not_before"])
        for row in rows
    }


def _for_update(digests: Sequence[bytes]) -> Select[Any]:
    return (
        select(login_attempts)
        .where(login_attempts.c.key_digest.in_(digests))
        .order_by(login_attempts.c.key_digest)
        .with_for_update()
    )


def _is(digest: bytes) -> ColumnElement[bool]:
    return login_attempts.c.key_digest == digest


def _of_pair(user: str, address: str) -> bytes:
    return sha256(f"user\0{user}\0{address}".encode()).digest()


def _of_address(address: str) -> bytes:
    return sha256(f"address\0{address}".encode()).digest()
