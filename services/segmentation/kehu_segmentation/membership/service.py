"""Who belongs now: verdicts on the customers that an event, a day or a publication touched, and what follows from them.

An evaluation holds the lock of all evaluations in common and the rows of its customers for itself, so that two of them
never decide about one customer on facts that the other has not seen. A publication holds that lock alone, and so does
whoever brings in a customer who is new: there is no row yet that could be locked.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any, Final, Literal
from uuid import UUID

from kehu_chassis import outbox
from kehu_chassis.database import Transaction
from kehu_contracts.codes import Tier
from kehu_contracts.segment import MembershipEntered, MembershipLeft, MembershipState, StandingMembership
from kehu_segmentation.business_days import business_day
from kehu_segmentation.features.relations import OF_ALL, OF_SOME, load_facts
from kehu_segmentation.rules.compiler import compile_rule
from kehu_segmentation.rules.facts import CustomerFacts
from kehu_segmentation.rules.rules import boundaries, is_member, lookback
from kehu_segmentation.rules.schemas import Rule
from kehu_segmentation.segments.service import ActiveSegment, active_segments

__all__ = [
    "Cause",
    "Occasion",
    "crossing",
    "facts_for",
    "lock_customers",
    "lock_evaluations",
    "members_by_rule",
    "recompute",
    "reevaluate",
    "state_memberships",
]

Cause = Literal["event", "timer", "publication"]
Pair = tuple[UUID, UUID]
"""Segment and customer."""


@dataclass(frozen=True, slots=True)
class Occasion:
    """Why memberships are decided about: the moment, whose date in Asia/Shanghai is the rules' today, and the cause.

    `event_ids` names, for the customers that an event touched, that event.
    """

    at: datetime
    cause: Cause
    event_ids: Mapping[UUID, UUID] = field(default_factory=dict)

    @property
    def today(self) -> date:
        """The business day of the verdicts."""
        return business_day(self.at)


IN_MEMORY_AT_MOST: Final = 20
"""Customers whose facts are read and judged in memory; more are judged by the rule's SQL, restricted to them."""

# An evaluation asks about one customer or about thousands with the same statements. Left alone, PostgreSQL keeps a plan
# after five runs that supposes ten, and takes minutes to judge five thousand by it.
_PLANNED_ANEW: Final = "set_config('plan_cache_mode', 'force_custom_plan', true)"
_EVALUATIONS: Final = "hashtextextended(current_schema() || '/evaluations', 0)"
_SHARE: Final = f"SELECT pg_advisory_xact_lock_shared({_EVALUATIONS}), {_PLANNED_ANEW}"
_OWN: Final = f"SELECT pg_advisory_xact_lock({_EVALUATIONS}), {_PLANNED_ANEW}"

_SURVIVORS: Final = "SELECT customer_id, survivor_id FROM customers WHERE customer_id = ANY ($1::uuid[])"
_LOCK_CUSTOMERS: Final = """
SELECT customer_id FROM customers WHERE customer_id = ANY ($1::uuid[]) ORDER BY customer_id FOR NO KEY UPDATE
"""

# Rows that begin or end after the moment of an evaluation were decided later and on newer facts: they stand.
_AROUND: Final = """
SELECT segment_id, customer_id, valid_to IS NULL AND valid_from <= $3 AS standing
FROM memberships
WHERE customer_id = ANY ($1::uuid[]) AND segment_id = ANY ($2::uuid[])
  AND (valid_to IS NULL OR valid_to > $3)
"""

_ENTER: Final = """
INSERT INTO memberships (segment_id, customer_id, valid_from, entered_cause, entered_version, entered_event_id)
SELECT segment_id, customer_id, $3, $4, rule_version, event_id
FROM unnest($1::uuid[], $2::uuid[], $5::int[], $6::uuid[]) AS given (segment_id, customer_id, rule_version, event_id)
ON CONFLICT (segment_id, customer_id) WHERE valid_to IS NULL DO NOTHING
RETURNING segment_id, customer_id
"""

_LEAVE: Final = """
UPDATE memberships AS kept
SET valid_to = $3, left_cause = $4, left_version = given.rule_version, left_event_id = given.event_id
FROM unnest($1::uuid[], $2::uuid[], $5::int[], $6::uuid[]) AS given (segment_id, customer_id, rule_version, event_id)
WHERE kept.segment_id = given.segment_id AND kept.customer_id = given.customer_id AND kept.valid_to IS NULL
RETURNING kept.segment_id, kept.customer_id
"""

_DIFFERENCE: Final = """
SELECT coalesce(ruled.customer_id, standing.customer_id) AS customer_id, ruled.customer_id IS NOT NULL AS enters
FROM ({members}) AS ruled
FULL JOIN (SELECT customer_id FROM memberships WHERE segment_id = $1 AND valid_to IS NULL) AS standing
     ON standing.customer_id = ruled.customer_id
WHERE ruled.customer_id IS NULL OR standing.customer_id IS NULL
LIMIT $2
"""

_STATES: Final = """
SELECT asked.customer_id, t.tier, m.segment_id, s.code AS segment_code, m.valid_from
FROM unnest($1::uuid[]) AS asked (customer_id)
LEFT JOIN customer_tiers AS t ON t.customer_id = asked.customer_id
LEFT JOIN memberships AS m ON m.customer_id = asked.customer_id AND m.valid_to IS NULL
LEFT JOIN segments AS s ON s.segment_id = m.segment_id
ORDER BY asked.customer_id, m.valid_from, m.segment_id
"""


async def lock_evaluations(tx: Transaction, *, alone: bool = False) -> None:
    """Take part in evaluating, in common with others or alone, until the transaction ends."""
    await tx.connection.execute(_OWN if alone else _SHARE)


async def lock_customers(tx: Transaction, customer_ids: Iterable[UUID]) -> None:
    """Keep others from deciding about these customers, in one order for all."""
    await tx.connection.execute(_LOCK_CUSTOMERS, sorted(customer_ids))


async def reevaluate(
    tx: Transaction,
    customer_ids: Collection[UUID],
    occasion: Occasion,
    *,
    only: UUID | None = None,
    concerned: Callable[[Rule], Collection[UUID]] | None = None,
) -> int:
    """Judge customers, and whomever they are merged into, by the rules in force; tell how many memberships changed.

    Args:
        tx: the transaction, in which their new facts have been written.
        customer_ids: whose facts changed or whose windows moved.
        occasion: when and why.
        only: one segment; else all.
        concerned: for a rule, those of the customers whose verdict may have changed; else all of them.
    """
    if not tx.side_effects or not customer_ids:
        return 0
    await lock_evaluations(tx)
    segments = await active_segments(tx, only)
    asked = {it.segment_id: set(customer_ids if concerned is None else concerned(it.rule)) for it in segments}
    segments = [segment for segment in segments if asked[segment.segment_id]]
    if not segments:
        return 0
    everybody = set().union(*asked.values())
    survivors = {
        row["customer_id"]: row["survivor_id"] for row in await tx.connection.fetch(_SURVIVORS, list(everybody))
    }
    targets = {
        segment_id: found | {survivors[customer_id] for customer_id in found & survivors.keys()}
        for segment_id, found in asked.items()
    }
    await lock_customers(tx, everybody | set(survivors.values()))
    members = await members_by_rule(tx, segments, targets, occasion.today)
    events = dict(occasion.event_ids)
    for customer_id, survivor_id in survivors.items():
        if customer_id in events:
            events.setdefault(survivor_id, events[customer_id])
    return await _apply(tx, segments, targets, members, replace(occasion, event_ids=events))


async def members_by_rule(
    tx: Transaction, segments: Sequence[ActiveSegment], targets: Mapping[UUID, Collection[UUID]], today: date
) -> dict[UUID, set[UUID]]:
    """Which customers each segment's rule is TRUE for, among those asked for by segment."""
    everybody = {customer_id for segment in segments for customer_id in targets[segment.segment_id]}
    if len(everybody) <= IN_MEMORY_AT_MOST:
        facts = await facts_for(tx, [segment.rule for segment in segments], everybody, today)
        return {
            segment.segment_id: {
                customer_id
                for customer_id in targets[segment.segment_id]
                if customer_id in facts and is_member(segment.rule, facts[customer_id], today)
            }
            for segment in segments
        }
    found: dict[UUID, set[UUID]] = {}
    for segment in segments:
        asked = list(targets[segment.segment_id])
        rows = await tx.connection.fetch(_ruled(OF_SOME, segment.rule, day=2), asked, today)
        found[segment.segment_id] = {row["customer_id"] for row in rows}
    return found


async def facts_for(
    tx: Transaction, rules: Sequence[Rule], customer_ids: Collection[UUID], today: date
) -> dict[UUID, CustomerFacts]:
    """The facts of a few customers, as far back as the rules look."""
    since: dict[str, date | None] = {}
    for fact in ("balances", "transactions"):
        days = [lookback(rule, fact) for rule in rules]
        furthest = max((day for day in days if day is not None), default=0)
        since[fact] = None if None in days else today - timedelta(days=furthest)
    return await load_facts(
        tx, customer_ids, balances_since=since["balances"], transactions_since=since["transactions"]
    )


async def recompute(tx: Transaction, segment: ActiveSegment, *, at: datetime, at_most: int) -> int:
    """Judge every customer by one rule, set-based, and apply at most so many changes; tell how many there were.

    The caller holds the lock of evaluations alone.
    """
    occasion = Occasion(at, "publication")
    statement = _DIFFERENCE.format(members=_ruled(OF_ALL, segment.rule, day=3))
    rows = await tx.connection.fetch(statement, segment.segment_id, at_most, occasion.today)
    entering = {(segment.segment_id, row["customer_id"]) for row in rows if row["enters"]}
    leaving = {(segment.segment_id, row["customer_id"]) for row in rows if not row["enters"]}
    return await _write(tx, [segment], entering, leaving, occasion)


def _ruled(relations: str, rule: Rule, *, day: int) -> str:
    return f"{relations} {compile_rule(rule, day)}"


async def crossing(tx: Transaction, rule: Rule, *, after: date, today: date) -> set[UUID]:
    """The customers for whom the passing of the days after `after`, up to `today`, may change the verdict."""
    found: set[UUID] = set()
    for boundary in boundaries(rule):
        shift = timedelta(days=boundary.shift)
        rows = await tx.connection.fetch(_CROSSING[boundary.fact], after - shift, today - shift)
        found |= {row["customer_id"] for row in rows}
    return found


_CROSSING: Final[Mapping[str, str]] = {
    fact: f"SELECT DISTINCT customer_id FROM {table} WHERE {column} > $1 AND {column} <= $2"  # noqa: S608 - our names.
    for fact, (table, column) in {
        "balances": ("account_days", "business_date"),
        "transactions": ("posted", "business_date"),
        "opened": ("holdings", "opened_on"),
        "closed": ("holdings", "closed_on"),
        "customer_since": ("customers", "customer_since"),
    }.items()
}


async def _apply(
    tx: Transaction,
    segments: Sequence[ActiveSegment],
    targets: Mapping[UUID, Collection[UUID]],
    members: Mapping[UUID, set[UUID]],
    occasion: Occasion,
) -> int:
    asked = {(it.segment_id, customer_id) for it in segments for customer_id in targets[it.segment_id]}
    everybody = {customer_id for _, customer_id in asked}
    rows = await tx.connection.fetch(_AROUND, list(everybody), [it.segment_id for it in segments], occasion.at)
    standing = {(row["segment_id"], row["customer_id"]) for row in rows if row["standing"]} & asked
    later = {(row["segment_id"], row["customer_id"]) for row in rows if not row["standing"]}
    belonging = {(segment_id, customer_id) for segment_id, found in members.items() for customer_id in found}
    return await _write(tx, segments, belonging - standing - later, standing - belonging - later, occasion)


async def _write(
    tx: Transaction, segments: Sequence[ActiveSegment], entering: set[Pair], leaving: set[Pair], occasion: Occasion
) -> int:
    by_id = {segment.segment_id: segment for segment in segments}
    entered = await _change(tx, _ENTER, entering, by_id, occasion)
    left = await _change(tx, _LEAVE, leaving, by_id, occasion)
    at, cause = occasion.at, occasion.cause
    for segment_id, customer_id in left:
        outbox.add(tx, MembershipLeft(**_named(by_id[segment_id], customer_id), left_at=at, cause=cause), at=at)
    for segment_id, customer_id in entered:
        outbox.add(tx, MembershipEntered(**_named(by_id[segment_id], customer_id), entered_at=at, cause=cause), at=at)
    await state_memberships(tx, {customer_id for _, customer_id in (*entered, *left)}, at=at)
    return len(entered) + len(left)


def _named(segment: ActiveSegment, customer_id: UUID) -> dict[str, Any]:
    return {
        "customer_id": customer_id,
        "segment_id": segment.segment_id,
        "segment_code": segment.code,
        "rule_version": segment.rule_version,
    }


async def _change(
    tx: Transaction, statement: str, pairs: set[Pair], segments: Mapping[UUID, ActiveSegment], occasion: Occasion
) -> list[Pair]:
    if not pairs:
        return []
    ordered = sorted(pairs)
    rows = await tx.connection.fetch(
        statement,
        [segment_id for segment_id, _ in ordered],
        [customer_id for _, customer_id in ordered],
        occasion.at,
        occasion.cause,
        [segments[segment_id].rule_version for segment_id, _ in ordered],
        [occasion.event_ids.get(customer_id) for _, customer_id in ordered],
    )
    return [(row["segment_id"], row["customer_id"]) for row in rows]


async def state_memberships(tx: Transaction, customer_ids: Collection[UUID], *, at: datetime) -> None:
    """State anew all that these customers belong to, with their tier."""
    if not customer_ids:
        return
    standing: dict[UUID, list[StandingMembership]] = defaultdict(list)
    tiers: dict[UUID, Tier | None] = {}
    for row in await tx.connection.fetch(_STATES, list(customer_ids)):
        tiers[row["customer_id"]] = None if row["tier"] is None else Tier(row["tier"])
        if row["segment_id"] is not None:
            standing[row["customer_id"]].append(
                StandingMembership(
                    segment_id=row["segment_id"], segment_code=row["segment_code"], since=row["valid_from"]
                )
            )
    for customer_id, tier in tiers.items():
        state = MembershipState(customer_id=customer_id, tier=tier, memberships=tuple(standing[customer_id]))
        outbox.add(tx, state, at=at)
