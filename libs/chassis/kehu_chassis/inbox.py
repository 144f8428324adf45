"""Takes each message once and in order, in the transaction of its effect.

A message is dropped when its id was seen, or when a message of its subject with the same or a higher `ce_sequence` was
taken: the second check is the fence against a relay that was paused in mid-send and writes again after another has taken
over, and it holds after the ids were pruned.

Kehu's own topics promise a sequence without gaps, so a message that comes too early is held back until those before it
have arrived. After `GAP_PATIENCE` the worker gives the missing ones up, reports the gap and applies what was held. On
compacted topics, which lose messages by design, and on the bank's, whose sequence only rises, nothing is held.

Messages behind a dead one of the same key are held too when the subscription's policy is `block_key`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from kehu_chassis import metrics
from kehu_chassis.clock import technical_now
from kehu_chassis.database import Transaction
from kehu_chassis.message import COLUMNS, Message, from_row
from kehu_chassis.subscription import Subscription
from kehu_contracts.topics import TOPICS

__all__ = [
    "GAP_PATIENCE",
    "PRUNE_SLICE",
    "RETENTION",
    "Rebuilding",
    "Received",
    "give_up_gaps",
    "hold",
    "patience_ended",
    "prune",
    "receive",
    "set_positions",
]

GAP_PATIENCE: Final = timedelta(seconds=60)
RETENTION: Final = timedelta(days=100)
"""How long ids are kept: longer than the bank's topics keep messages. Kehu's own are fenced by their sequence for ever."""

PRUNE_SLICE: Final = 10_000
"""Most ids that one transaction forgets."""

COMPACTED: Final = frozenset(topic.name for topic in TOPICS if topic.cleanup == "compact")

Place = tuple[str, str]
"""Topic and subject."""


class Rebuilding(Exception):
    """The subscription's projection is being rebuilt; its live consumer waits."""


@dataclass(slots=True)
class Received:
    """What a handler is to apply, in order, and what became of the rest."""

    fresh: list[Message] = field(default_factory=list)
    outcomes: dict[str, int] = field(default_factory=dict)

    def count(self, outcome: str, number: int = 1) -> None:
        """Note what became of messages."""
        if number:
            self.outcomes[outcome] = self.outcomes.get(outcome, 0) + number


# One round trip: remembers ids and positions, and tells which ids are new, where each subject stood before, which
# subjects and keys have messages held back, and whether a rebuild keeps the subscription for itself.
_CLAIM: Final = """
WITH fresh AS (
    INSERT INTO inbox (subscription, message_id, taken_at)
    SELECT $1, id, $6 FROM unnest($2::uuid[]) AS given (id) ORDER BY id
    ON CONFLICT DO NOTHING
    RETURNING message_id
), moved AS (
    INSERT INTO inbox_positions AS kept (subscription, topic, subject, sequence)
    SELECT $1, topic, subject, sequence
    FROM unnest($3::text[], $4::text[], $5::bigint[]) AS given (topic, subject, sequence) ORDER BY topic, subject
    ON CONFLICT (subscription, topic, subject) DO UPDATE SET sequence = greatest(kept.sequence, EXCLUDED.sequence)
    RETURNING kept.topic, kept.subject, COALESCE(OLD.sequence, 0) AS before
), places AS (
    SELECT array_agg(topic) AS topics, array_agg(subject) AS subjects, array_agg(before) AS befores FROM moved
)
SELECT pg_try_advisory_xact_lock_shared(hashtextextended(current_schema() || '/' || $1, 0)) AS ours,
       (SELECT array_agg(message_id) FROM fresh) AS fresh,
       places.*,
       ARRAY(SELECT DISTINCT (topic, subject) FROM held_messages WHERE subscription = $1 AND cause = 'gap') AS waiting,
       ARRAY(SELECT key FROM dead_letters
             WHERE subscription = $1 AND state IN ('open', 'redrive', 'skip') AND blocks_key) AS blocked
FROM places
"""


async def receive(tx: Transaction, subscription: Subscription, messages: Sequence[Message]) -> Received:
    """Claim messages: what is new, in order and not blocked comes back to be applied in this transaction.

    Raises:
        Rebuilding: the projection is being rebuilt; roll back and try later.
    """
    received = Received()
    reached = _highest(messages)
    # What nobody wants leaves no id behind: the position of its subject tells that it was taken, and it has no effect
    # that could happen twice. Most topics carry far more than one subscription wants.
    passing = {message.id for message in messages if message.is_sequenced and not subscription.wants(message)}
    claim = await tx.connection.fetchrow(
        _CLAIM,
        subscription.name,
        list({message.id for message in messages} - passing),
        [topic for topic, _ in reached],
        [subject for _, subject in reached],
        list(reached.values()),
        technical_now(),
    )
    if tx.side_effects and not claim["ours"]:
        raise Rebuilding(subscription.name)
    befores = dict(
        zip(zip(claim["topics"] or (), claim["subjects"] or (), strict=True), claim["befores"] or (), strict=True)
    )
    unseen = passing.union(claim["fresh"] or ())
    in_order = await _in_order(
        tx, subscription, messages, unseen, befores, {tuple(place) for place in claim["waiting"]}, received
    )
    wanted = [message for message in in_order if subscription.wants(message)]
    received.count("unwanted", len(in_order) - len(wanted))
    received.fresh = await _unblocked(tx, subscription, wanted, set(claim["blocked"]), received)
    received.count("applied", len(received.fresh))
    return received


def _highest(messages: Iterable[Message]) -> dict[Place, int]:
    reached: dict[Place, int] = {}
    for message in messages:
        if message.is_sequenced:
            place = message.topic, message.subject
            if message.sequence > reached.get(place, 0):
                reached[place] = message.sequence
    return reached


async def _in_order(  # noqa: PLR0913, PLR0917  the parts of one claim
    tx: Transaction,
    subscription: Subscription,
    messages: Sequence[Message],
    unseen: set[Any],
    stands: dict[Place, int],
    waiting: set[Place],
    received: Received,
) -> list[Message]:
    """What may be applied, each subject's messages by their sequence; what came too early is held back."""
    in_order: list[Message] = []
    early: list[Message] = []
    advanced: set[Place] = set()
    for message in messages:
        is_new = message.id in unseen
        unseen.discard(message.id)
        if not message.is_sequenced:
            in_order.append(message) if is_new else received.count("duplicate")
            continue
        place = message.topic, message.subject
        if message.sequence <= stands[place]:
            received.count("duplicate")
        elif message.sequence == stands[place] + 1 or message.topic in COMPACTED:
            stands[place] = message.sequence
            advanced.add(place)
            # A message that was seen but not counted died before a rebuild: it stays dead, and those behind it go on.
            in_order.append(message) if is_new else received.count("duplicate")
        elif is_new:
            early.append(message)
        else:
            received.count("duplicate")
    if early or waiting & advanced:
        in_order += await _mend(tx, subscription, early, stands, waiting & advanced, received)
    return in_order


async def _mend(  # noqa: PLR0913, PLR0917  the same
    tx: Transaction,
    subscription: Subscription,
    early: list[Message],
    stands: dict[Place, int],
    closing: set[Place],
    received: Received,
) -> list[Message]:
    """Join what came too early, now and before, to its subject where the gap has closed; hold the rest back."""
    candidates = list(early)
    if closing:
        candidates += await _take_held(tx, subscription, closing)
    candidates.sort(key=lambda message: message.sequence)
    closed: list[Message] = []
    still_early: list[Message] = []
    for message in candidates:
        place = message.topic, message.subject
        if message.sequence == stands[place] + 1:
            stands[place] = message.sequence
            closed.append(message)
        elif message.sequence > stands[place]:
            still_early.append(message)
        else:
            received.count("duplicate")
    await hold(tx, subscription, still_early, cause="gap")
    received.count("held", len(still_early))
    # The claim moved each position to the highest message that came; it is the highest in order.
    places = {(message.topic, message.subject) for message in candidates}
    await set_positions(tx, subscription, {place: stands[place] for place in places})
    return closed


async def _unblocked(
    tx: Transaction, subscription: Subscription, messages: list[Message], blocked: set[str], received: Received
) -> list[Message]:
    if not blocked or not any(message.key in blocked for message in messages):
        return messages
    # Locked, so that a redrive that is under way either sees what is held now or has ended the block.
    rows = await tx.connection.fetch(_STILL_BLOCKED, subscription.name, list(blocked))
    blocked = {row["key"] for row in rows}
    held = [message for message in messages if message.key in blocked]
    await hold(tx, subscription, held, cause="blocked")
    received.count("held", len(held))
    return [message for message in messages if message.key not in blocked]


_STILL_BLOCKED: Final = """
SELECT key FROM dead_letters
WHERE subscription = $1 AND key = ANY ($2::text[]) AND state IN ('open', 'redrive', 'skip') AND blocks_key
ORDER BY dead_letter_id FOR UPDATE
"""

_TAKE_HELD: Final = """
DELETE FROM held_messages
WHERE subscription = $1 AND cause = 'gap'
  AND (topic, subject) IN (SELECT * FROM unnest($2::text[], $3::text[]))
RETURNING *
"""

_SET_POSITIONS: Final = """
UPDATE inbox_positions AS kept SET sequence = given.sequence
FROM unnest($2::text[], $3::text[], $4::bigint[]) AS given (topic, subject, sequence)
WHERE kept.subscription = $1 AND kept.topic = given.topic AND kept.subject = given.subject
"""


async def _take_held(tx: Transaction, subscription: Subscription, places: Iterable[Place]) -> list[Message]:
    topics, subjects = zip(*places, strict=True)
    rows = await tx.connection.fetch(_TAKE_HELD, subscription.name, list(topics), list(subjects))
    return [from_row(row) for row in rows]


async def set_positions(tx: Transaction, subscription: Subscription, positions: dict[Place, int]) -> None:
    """State how far each subject was taken."""
    await tx.connection.execute(
        _SET_POSITIONS,
        subscription.name,
        [topic for topic, _ in positions],
        [subject for _, subject in positions],
        list(positions.values()),
    )


async def hold(tx: Transaction, subscription: Subscription, messages: Sequence[Message], *, cause: str) -> None:
    """Keep messages for later, in the given order: `gap` behind a missing one, `blocked` behind a dead one."""
    if messages:
        now = technical_now()
        await tx.connection.copy_records_to_table(
            "held_messages",
            columns=["subscription", "cause", "held_at", *COLUMNS],
            records=[
                (subscription.name, cause, now, *(getattr(message, name) for name in COLUMNS)) for message in messages
            ],
        )


_OVERDUE: Final = """
SELECT topic, subject FROM held_messages
WHERE subscription = $1 AND cause = 'gap' GROUP BY topic, subject HAVING min(held_at) < $2
"""


def patience_ended() -> datetime:
    """The moment before which a message must have been held for its gap to be given up."""
    return technical_now() - GAP_PATIENCE


async def give_up_gaps(tx: Transaction, subscription: Subscription) -> list[Message]:
    """Take what was held behind messages that have not arrived for too long, in order, and count the gaps."""
    rows = await tx.connection.fetch(_OVERDUE, subscription.name, patience_ended())
    places = [(row["topic"], row["subject"]) for row in rows]
    if not places:
        return []
    messages = await _take_held(tx, subscription, places)
    messages.sort(key=lambda message: message.sequence)
    await set_positions(tx, subscription, _highest(messages))
    metrics.GAPS.labels(subscription=subscription.name).inc(len(places))
    return messages


_PRUNE: Final = """
DELETE FROM inbox WHERE (subscription, message_id) IN (
    SELECT subscription, message_id FROM inbox WHERE taken_at < $1 LIMIT $2 FOR UPDATE SKIP LOCKED)
"""


async def prune(tx: Transaction) -> int:
    """Forget ids older than the retention, at most a slice of them, and tell how many."""
    status: str = await tx.connection.execute(_PRUNE, technical_now() - RETENTION, PRUNE_SLICE)
    return int(status.split()[1])
