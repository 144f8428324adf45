"""Brings messages to a subscription's handler: a batch in one transaction, and the failing one alone when it fails.

Whatever the broker does, what is here holds: a message takes effect once, those of one subject in order, and a message
that cannot be handled stops none but those of its own key. Nothing here knows Kafka.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any, Final

import structlog
from opentelemetry.trace import SpanKind

from kehu_chassis import dead_letters, inbox, metrics
from kehu_chassis.clock import Clock, technical_now
from kehu_chassis.database import TRANSIENT, Database, Transaction
from kehu_chassis.failures import describe
from kehu_chassis.message import Message, Refused, from_row
from kehu_chassis.scope import EVERYTHING
from kehu_chassis.subscription import Subscription
from kehu_chassis.tracing import is_sampled, record_ended, within_trace

__all__ = ["RETRIABLE", "Delivery", "TooManyDeadLetters"]

log = structlog.get_logger(__name__)


RETRIABLE: Final[tuple[type[Exception], ...]] = (*TRANSIENT, inbox.Rebuilding)
"""What goes away by itself: the batch is tried again, and no message is blamed."""


class TooManyDeadLetters(Exception):
    """So many messages died in a short time that the fault is probably ours: the consumer stops until resumed."""


class _Failed(Exception):
    """A message failed that may be tried again; carries what it failed of."""


class Delivery:
    """Applies messages for one subscription.

    With `side_effects=False` (replay) no event leaves, no timer is set and a failing message raises.
    """

    def __init__(
        self, database: Database, subscription: Subscription, clock: Clock, *, side_effects: bool = True
    ) -> None:
        self._database = database
        self._subscription = subscription
        self._clock = clock
        self._side_effects = side_effects

    async def batch(self, messages: Sequence[Message]) -> None:
        """Apply messages in one transaction; when the handler fails, halve them until what fails stands alone.

        Raises:
            TooManyDeadLetters: the limit was passed; messages not yet applied will be delivered again.
        """
        if not messages:
            return
        try:
            await self._together(messages)
        except RETRIABLE:
            raise
        except Exception as error:
            if not self._side_effects:
                raise
            name, size = self._subscription.name, len(messages)
            log.warning("consumer.batch_failed", subscription=name, size=size, reason=describe(error))
            if size == 1:
                await self._alone(messages[0])
            else:
                await self.batch(messages[: size // 2])
                await self.batch(messages[size // 2 :])

    async def _together(self, messages: Sequence[Message]) -> None:
        started = time.time_ns()
        async with self._database.begin(scope=EVERYTHING, side_effects=self._side_effects) as tx:
            received = await inbox.receive(tx, self._subscription, messages)
            if received.fresh:
                _refuse_problems(received.fresh)
                # A batch of one goes on with the trace of its message; a larger one belongs to no single trace, and
                # each of its messages gets a span in its own.
                if len(received.fresh) == 1:
                    with self._trace_of(received.fresh[0]):
                        await self._subscription.handle(tx, received.fresh)
                else:
                    with within_trace(None):
                        await self._subscription.handle(tx, received.fresh)
        if len(received.fresh) > 1:
            for message in received.fresh:
                if is_sampled(message.traceparent):
                    name, told = self._span_of(message)
                    record_ended(name, message.traceparent, SpanKind.CONSUMER, started_ns=started, attributes=told)
        self._count(received)

    def _trace_of(self, message: Message) -> AbstractContextManager[None]:
        return within_trace(message.traceparent, *self._span_of(message))

    def _span_of(self, message: Message) -> tuple[str, dict[str, str | int]]:
        return f"{self._subscription.name} {message.type}", {
            "messaging.system": "kafka",
            "messaging.destination.name": message.topic,
            "messaging.destination.partition.id": message.partition,
            "messaging.kafka.offset": message.offset,
            "messaging.message.id": str(message.id),
        }

    async def _alone(self, message: Message) -> None:
        retries = self._subscription.retries
        for attempt in range(len(retries) + 1):
            try:
                async with self._database.begin(scope=EVERYTHING) as tx:
                    received = await inbox.receive(tx, self._subscription, [message])
                    died = await self._one_by_one(tx, received.fresh, attempt + 1, is_last=attempt == len(retries))
            except _Failed:
                await asyncio.sleep(retries[attempt].total_seconds())
            else:
                self._count(received)
                if died:
                    await self._mind_the_limit()
                return

    async def _one_by_one(self, tx: Transaction, messages: Iterable[Message], attempt: int, *, is_last: bool) -> int:
        """Apply each message; bury one that is refused, or that failed for the last time, and hold those behind it."""
        blocked: set[str] = set()
        died = 0
        for message in messages:
            if message.key in blocked:
                await inbox.hold(tx, self._subscription, [message], cause="blocked")
                continue
            failure = await self._try(tx, message)
            if failure is None:
                continue
            if not is_last and not isinstance(failure, Refused):
                raise _Failed from failure
            await self._bury(tx, message, failure, attempt)
            died += 1
            if self._subscription.poison == "block_key":
                blocked.add(message.key)
        return died

    async def _try(self, tx: Transaction, message: Message) -> Exception | None:
        try:
            async with tx.savepoint():
                _refuse_problems([message])
                with self._trace_of(message):
                    await self._subscription.handle(tx, [message])
        except RETRIABLE:
            raise
        except Exception as error:  # noqa: BLE001  whatever it is, the message is retried and then buried with it
            return error
        return None

    async def _bury(self, tx: Transaction, message: Message, failure: Exception, attempts: int) -> None:
        refused = isinstance(failure, Refused)
        reason = failure.reason if isinstance(failure, Refused) else describe(failure)
        keep_body = failure.keep_body if isinstance(failure, Refused) else True
        log.error(
            "consumer.message_died",
            subscription=self._subscription.name,
            message_id=message.id,
            message_type=message.type,
            refused=refused,
            reason=reason,
        )
        at: datetime = self._clock.now()
        await dead_letters.bury(tx, self._subscription, message, reason, at=at, attempts=attempts, keep_body=keep_body)

    async def _mind_the_limit(self) -> None:
        since = technical_now() - self._subscription.dead_letter_window
        async with self._database.begin(read_only=True) as tx:
            deaths = await tx.scalar(dead_letters.deaths_since(self._subscription, since))
        if deaths > self._subscription.dead_letter_limit:
            raise TooManyDeadLetters(f"{deaths} messages died within {self._subscription.dead_letter_window}")

    async def care(self) -> None:
        """Do what is to be done beside consuming: what operators have asked for, and gaps that do not close."""
        async with self._database.begin(read_only=True) as tx:
            due = await tx.connection.fetchrow(_DUE, self._subscription.name, inbox.patience_ended())
        if due["wishes"]:
            await self.settle()
        if due["gaps"]:
            await self.give_up_gaps()

    async def settle(self) -> int:
        """Redrive and skip what operators have asked for, and tell how many dead letters were settled."""
        done = 0
        while await self._settle_next():
            done += 1
        return done

    async def _settle_next(self) -> bool:
        letter: Any = None
        try:
            async with self._database.begin(scope=EVERYTHING) as tx:
                letter = await tx.connection.fetchrow(_NEXT_LETTER, self._subscription.name)
                if letter is None:
                    return False
                await self._apply_letter(tx, letter)
                await self._release_behind(tx, letter)
        except _Failed as failed:
            reason = describe(failed.__cause__) if failed.__cause__ else "unknown"
            log.warning("consumer.redrive_failed", dead_letter_id=letter["dead_letter_id"], reason=reason)
            async with self._database.begin() as tx:
                await tx.execute(dead_letters.reopened(letter["dead_letter_id"], reason))
        return True

    async def _apply_letter(self, tx: Transaction, letter: Any) -> None:
        if letter["state"] == "redrive":
            failure = await self._try(tx, from_row(letter))
            if failure is not None:
                raise _Failed from failure
        await tx.execute(dead_letters.settled(letter["dead_letter_id"]))

    async def _release_behind(self, tx: Transaction, letter: Any) -> None:
        """Apply what was held, in order, until one fails in its turn: it is the next dead letter of that key."""
        rows = await tx.connection.fetch(_HELD_BEHIND, self._subscription.name, letter["key"])
        gone: list[int] = []
        for row in rows:
            message = from_row(row)
            gone.append(row["held_id"])
            failure = await self._try(tx, message)
            if failure is not None:
                await self._bury(tx, message, failure, 1)
                break
        await tx.connection.execute("DELETE FROM held_messages WHERE held_id = ANY ($1::bigint[])", gone)

    async def give_up_gaps(self) -> None:
        """Apply what has waited too long behind messages that never came, and report the gap."""
        async with self._database.begin(scope=EVERYTHING) as tx:
            messages = await inbox.give_up_gaps(tx, self._subscription)
            if messages:
                log.error("consumer.gap_given_up", subscription=self._subscription.name, released=len(messages))
                wanted = [message for message in messages if self._subscription.wants(message)]
                await self._one_by_one(tx, wanted, 1, is_last=True)

    def _count(self, received: inbox.Received) -> None:
        for outcome, number in received.outcomes.items():
            metrics.CONSUMED.labels(subscription=self._subscription.name, outcome=outcome).inc(number)


def _refuse_problems(messages: Iterable[Message]) -> None:
    for message in messages:
        if message.problem is not None:
            raise Refused(f"not a CloudEvent: {message.problem}")


_DUE: Final = """
SELECT EXISTS (SELECT FROM dead_letters WHERE subscription = $1 AND state IN ('redrive', 'skip')) AS wishes,
       EXISTS (SELECT FROM held_messages WHERE subscription = $1 AND cause = 'gap' AND held_at < $2) AS gaps
"""

_NEXT_LETTER: Final = """
SELECT * FROM dead_letters WHERE subscription = $1 AND state IN ('redrive', 'skip')
ORDER BY died_at LIMIT 1 FOR UPDATE SKIP LOCKED
"""

_HELD_BEHIND: Final = """
SELECT * FROM held_messages WHERE subscription = $1 AND key = $2 AND cause = 'blocked' ORDER BY held_id FOR UPDATE
"""
