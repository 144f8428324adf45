"""The worker's part: takes what is due, sends it, and writes down what came of it.

A message is leased for a minute before it is sent: a worker that dies lets it go again, so it arrives at least once.
Messages to one endpoint are sent side by side and retried apart, so no order is promised; `sequence` tells it.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from datetime import timedelta
from time import monotonic
from typing import Any, Final

from kehu_chassis import metrics
from kehu_chassis.clock import technical_now
from kehu_chassis.database import TRANSIENT, Database
from kehu_chassis.failures import describe, pause
from kehu_chassis.scope import EVERYTHING
from kehu_chassis.telemetry import get_logger
from kehu_gateway.webhooks import rules
from kehu_gateway.webhooks.secrets import SecretKeeper
from kehu_gateway.webhooks.sender import Attempt, Sender, open_sender

__all__ = ["KEPT", "Deliverer", "forget_settled", "measure"]

log = get_logger(__name__)

LOOK_EVERY: Final = 1.0
MEASURE_EVERY: Final = 5.0
AT_ONCE: Final = 4
"""Messages under way to one endpoint: a slow one holds up none but itself."""
LEASE: Final = timedelta(minutes=1)
KEPT: Final = timedelta(days=30)
"""How long the log of deliveries goes back."""

_TAKE: Final = """
WITH due AS (
    SELECT ready.delivery_id FROM webhooks AS hook CROSS JOIN LATERAL (
        SELECT delivery_id FROM webhook_deliveries AS one
        WHERE one.webhook_id = hook.webhook_id AND state = 'pending' AND next_attempt_at <= $1
        ORDER BY next_attempt_at, delivery_id LIMIT $2 FOR UPDATE SKIP LOCKED) AS ready
    WHERE hook.active AND hook.webhook_id <> ALL ($4::uuid[])
)
UPDATE webhook_deliveries AS one SET attempts = attempts + 1, next_attempt_at = $3
FROM due, webhooks AS hook WHERE one.delivery_id = due.delivery_id AND hook.webhook_id = one.webhook_id
RETURNING one.*, hook.url, hook.secret, hook.previous_secret, hook.previous_until, hook.key_id, hook.wrapped_key,
          hook.own_secret, hook.own_previous_secret
"""
_SETTLE: Final = """
UPDATE webhook_deliveries
SET state = $2, last_status = $3, last_error = $4, next_attempt_at = $5, settled_at = $6,
    body = CASE WHEN $2 = 'delivered' THEN NULL ELSE body END
WHERE delivery_id = $1 AND attempts = $7
"""
_MEASURE: Final = """
SELECT (SELECT extract(epoch FROM clock_timestamp() - min(added_at))::float8
        FROM webhook_deliveries WHERE state = 'pending') AS age,
       (SELECT count(*) FROM webhook_deliveries WHERE state = 'dead') AS dead
"""
_FORGET: Final = "DELETE FROM webhook_deliveries WHERE state <> 'pending' AND settled_at < $1"


class Deliverer:
    """Delivers until stopped.

    Args:
        database: the gateway's, as the worker's role.
        keeper: opens the endpoints' secrets.
        allowed: networks that messages may go to although they are not public.
    """

    def __init__(self, database: Database, keeper: SecretKeeper, allowed: tuple[rules.Network, ...]) -> None:
        self._database = database
        self._keeper = keeper
        self._allowed = allowed
        self._stopping = asyncio.Event()
        self._under_way: Counter[Any] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()

    def stop(self) -> None:
        """Take no more; what is under way ends within its time limit."""
        self._stopping.set()

    async def run(self) -> None:
        """Deliver what is due, while it is due."""
        failures = 0
        measure_at = 0.0
        async with open_sender(self._allowed) as sender:
            while not self._stopping.is_set():
                try:
                    begun = await self.begin(sender)
                    if monotonic() >= measure_at:
                        await measure(self._database)
                        measure_at = monotonic() + MEASURE_EVERY
                    failures = 0
                except TRANSIENT as error:
                    failures, begun = failures + 1, 0
                    log.warning("webhook.waiting", cause=describe(error))
                if not begun:
                    await pause(failures, self._stopping, shortest=LOOK_EVERY)
            if self._tasks:
                await asyncio.wait(self._tasks)

    async def begin(self, sender: Sender) -> int:
        """Begin to deliver what is due, and tell how many messages that is."""
        full = [webhook for webhook, number in self._under_way.items() if number >= AT_ONCE]
        now = technical_now()
        async with self._database.begin(scope=EVERYTHING) as tx:
            rows = await tx.connection.fetch(_TAKE, now, AT_ONCE, now + LEASE, full)
        for row in rows:
            self._under_way[row["webhook_id"]] += 1
            task = asyncio.create_task(self._deliver(sender, row))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return len(rows)

    async def settled(self) -> None:
        """Wait until nothing is under way."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def _deliver(self, sender: Sender, row: Mapping[str, Any]) -> None:
        try:
            await self._write_down(row, await self._attempt(sender, row))
        except TRANSIENT as error:
            # The lease runs out, and it is sent again.
            log.warning("webhook.outcome_lost", delivery_id=row["delivery_id"], cause=describe(error))
        finally:
            self._under_way[row["webhook_id"]] -= 1

    async def _attempt(self, sender: Sender, row: Mapping[str, Any]) -> Attempt:
        secrets = self._keeper.opened(row)
        if not secrets:
            # A message that nobody can tell from a forged one is not sent.
            return Attempt(None, "secret_lost")
        body = rules.message(row)
        headers = rules.signed_headers(body, row["event_id"], secrets, technical_now())
        return await sender.post(row["url"], body, headers)

    async def _write_down(self, row: Mapping[str, Any], attempt: Attempt) -> None:
        now = technical_now()
        again = None if attempt.delivered else rules.retry_at(row["attempts"], now)
        state = "delivered" if attempt.delivered else "dead" if again is None else "pending"
        settled_at = None if state == "pending" else now
        async with self._database.begin(scope=EVERYTHING) as tx:
            await tx.connection.execute(
                _SETTLE, row["delivery_id"], state, attempt.status, attempt.error, again, settled_at, row["attempts"]
            )
        metrics.WEBHOOK_ATTEMPTS.labels(outcome="failed" if state == "pending" else state).inc()
        log.info(
            "webhook.attempted",
            webhook_id=row["webhook_id"],
            delivery_id=row["delivery_id"],
            attempt=row["attempts"],
            state=state,
            status=attempt.status,
            error=attempt.error,
        )


async def measure(database: Database) -> None:
    """Set the gauges."""
    async with database.begin(scope=EVERYTHING, read_only=True) as tx:
        found = await tx.connection.fetchrow(_MEASURE)
    metrics.WEBHOOK_AGE.set(found["age"] or 0)
    metrics.WEBHOOK_DEAD.set(found["dead"])


async def forget_settled(database: Database) -> None:
    """Delete what was delivered or given up long ago."""
    async with database.begin(scope=EVERYTHING) as tx:
        await tx.connection.execute(_FORGET, technical_now() - KEPT)
