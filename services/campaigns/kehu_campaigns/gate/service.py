"""What the gate does: gather facts, ask the rules, write each decision down once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import bindparam, insert, update
from sqlalchemy.dialects.postgresql import insert as upsert

from kehu_campaigns.audience import queries as audience
from kehu_campaigns.audience.tables import members
from kehu_campaigns.gate import queries, rules
from kehu_campaigns.gate.policy import GatePolicy
from kehu_campaigns.gate.queries import Standing
from kehu_campaigns.gate.rules import Contact, Facts, Reason, Verdict
from kehu_campaigns.gate.tables import complaints, customers, decisions
from kehu_chassis import outbox
from kehu_chassis.columns import new_id
from kehu_chassis.database import Transaction
from kehu_contracts.campaign import ContactDecided
from kehu_contracts.codes import Channel, ConsentStatus, DecisionOutcome, Purpose
from kehu_contracts.customer import CustomerState

__all__ = [
    "Ask",
    "Decided",
    "Resolution",
    "assess",
    "close_undecided",
    "decide_members",
    "note_complaint",
    "note_customers",
    "who_needs_resolution",
    "with_contact",
]


@dataclass(frozen=True, slots=True)
class Ask:
    """What is wanted of the gate. Without a campaign there is neither holdout nor duplicate."""

    purpose: Purpose
    channel: Channel
    campaign_id: UUID | None = None
    code: str = ""
    salt: str = ""
    holdout_basis_points: int = 0
    ends_at: datetime | None = None

    @classmethod
    def of_campaign(cls, campaign: Mapping[str, Any]) -> Ask:
        """What a campaign wants."""
        return cls(
            purpose=Purpose(campaign["purpose"]),
            channel=Channel(campaign["channel"]),
            campaign_id=campaign["id"],
            code=campaign["code"],
            salt=campaign["salt"],
            holdout_basis_points=campaign["holdout_basis_points"],
            ends_at=campaign["ends_at"],
        )


@dataclass(frozen=True, slots=True)
class Resolution:
    """What the customer service answers about one party at the time of sending.

    Without a `refusal` the party may be contacted at `address`, which is personal data, and empty where the channel
    needs none.
    """

    refusal: Reason | None
    address: str
    language: str


@dataclass(frozen=True, slots=True)
class Decided:
    """A final decision that was written."""

    decision_id: UUID
    customer_id: UUID
    outcome: DecisionOutcome
    reason: Reason


def with_contact(ask: Ask, *, purpose: Purpose | None, channel: Channel | None) -> Ask:
    """The same for another purpose or channel."""
    return replace(ask, purpose=purpose or ask.purpose, channel=channel or ask.channel)


async def assess(  # noqa: PLR0913  Whom, about what, by which rules and when.
    tx: Transaction,
    ask: Ask,
    customer_ids: Sequence[UUID],
    *,
    policy: GatePolicy,
    now: datetime,
    answers: Mapping[UUID, Resolution] | None = None,
) -> dict[UUID, tuple[UUID, Verdict]]:
    """Survivor and verdict of each customer, writing nothing.

    With `answers`, by the id of the survivor, the customer service's word counts, and customers without one are left out
    when the verdict would need it. Without, consent is taken from the projection and reachability is assumed.
    """
    standings = await queries.standings_of(
        tx,
        customer_ids,
        consent=f"{ask.purpose}:{ask.channel}",
        counted_since=now - policy.frequency_window,
        rested_since=now - policy.complaint_cool_off if policy.complaint_cool_off > timedelta() else _NEVER,
    )
    groups: dict[UUID, dict[UUID, Reason | None]] = {}
    if ask.campaign_id is not None:
        survivors = {standing.survivor_id for standing in standings.values()}
        groups = await queries.audience_groups(tx, ask.campaign_id, sorted(survivors))
    contact = Contact(
        marketing=ask.purpose is Purpose.MARKETING, frequency_cap=policy.frequency_cap, not_after=ask.ends_at
    )
    assessed: dict[UUID, tuple[UUID, Verdict]] = {}
    for customer_id, standing in standings.items():
        group = groups.get(standing.survivor_id, {})
        facts = _facts(customer_id, standing, group, ask, policy=policy, now=now)
        answer = None if answers is None else answers.get(standing.survivor_id)
        if answers is not None:
            facts = _with_answer(facts, answer, standing, this_year=_year(now, policy))
        verdict = rules.decide(facts, contact)
        if answers is None or answer is not None or not rules.needs_resolution(verdict):
            assessed[customer_id] = (standing.survivor_id, verdict)
    return assessed


async def who_needs_resolution(
    tx: Transaction, ask: Ask, customer_ids: Sequence[UUID], *, policy: GatePolicy, now: datetime
) -> list[UUID]:
    """The survivors of those about whom nothing can be decided without the customer service."""
    settled = await assess(tx, ask, customer_ids, policy=policy, now=now, answers={})
    survivors = await queries.survivors_of(tx, [found for found in customer_ids if found not in settled])
    return sorted(set(survivors.values()))


async def decide_members(  # noqa: PLR0913  The same, with what was answered.
    tx: Transaction,
    ask: Ask,
    customer_ids: Sequence[UUID],
    *,
    answers: Mapping[UUID, Resolution],
    policy: GatePolicy,
    now: datetime,
) -> list[Decided]:
    """Decide about members of an audience, each once; those who cannot be decided yet stay undecided.

    Rows of members that another transaction holds are left to it. Parties are locked before contacts are counted, so
    that of any number of campaigns at once none exceeds the cap.
    """
    assert ask.campaign_id is not None
    waiting = await audience.undecided_members(tx, ask.campaign_id, limit=len(customer_ids), among=customer_ids)
    if not waiting:
        return []
    locked = await queries.survivors_of(tx, waiting)
    await queries.lock_parties(tx, list(locked.values()))
    assessed = await assess(tx, ask, waiting, policy=policy, now=now, answers=answers)
    # Whoever was merged since the locks were taken is decided in the next slice, under the right lock.
    verdicts = {
        customer_id: verdict
        for customer_id, (survivor_id, verdict) in assessed.items()
        if survivor_id == locked[customer_id]
    }
    await _defer(tx, ask.campaign_id, verdicts)
    final = [
        (customer_id, locked[customer_id], verdict)
        for customer_id, verdict in verdicts.items()
        if verdict.outcome is not DecisionOutcome.DEFERRED
    ]
    return await _write_down(tx, ask, final, now=now)


async def close_undecided(tx: Transaction, ask: Ask, *, limit: int, now: datetime) -> int:
    """Give members that are left at a campaign's end their decision; tells how many it were."""
    assert ask.campaign_id is not None
    waiting = await audience.undecided_members(tx, ask.campaign_id, limit=limit)
    survivors = await queries.survivors_of(tx, waiting)
    verdict = Verdict(DecisionOutcome.REFUSED, Reason.CAMPAIGN_FINISHED)
    await _write_down(tx, ask, [(found, survivors[found], verdict) for found in waiting], now=now)
    return len(waiting)


def _facts(  # noqa: PLR0913  The same for one customer.
    customer_id: UUID,
    standing: Standing,
    group: Mapping[UUID, Reason | None],
    ask: Ask,
    *,
    policy: GatePolicy,
    now: datetime,
) -> Facts:
    return Facts(
        merged_duplicate=rules.is_duplicate(customer_id, standing.survivor_id, group),
        deceased=standing.deceased,
        closed=standing.closed,
        minor=rules.may_be_minor(standing.youngest_birth_year, _year(now, policy)),
        held_out=rules.bucket_of(ask.salt, standing.survivor_id) < ask.holdout_basis_points,
        consents=standing.consents,
        open_complaint=standing.open_complaint,
        contacts_in_window=standing.contacts_in_window,
        quiet_until=policy.quiet_hours.until(now),
        reachable=True,
    )


def _with_answer(facts: Facts, answer: Resolution | None, standing: Standing, *, this_year: int) -> Facts:
    """The facts with the customer service's word, which knows the day of birth and consent as they are now."""
    minor = rules.is_minor(standing.youngest_birth_year, this_year)
    if answer is None:
        return replace(facts, minor=minor, consents=True)
    return replace(
        facts,
        deceased=facts.deceased or answer.refusal is Reason.DECEASED,
        closed=facts.closed or answer.refusal is Reason.RELATIONSHIP_CLOSED,
        minor=minor or answer.refusal is Reason.MINOR,
        consents=answer.refusal is not Reason.NO_CONSENT,
        reachable=answer.refusal is not Reason.CONTACT_UNAVAILABLE,
    )


def _year(now: datetime, policy: GatePolicy) -> int:
    return now.astimezone(policy.quiet_hours.zone).year


async def _defer(tx: Transaction, campaign_id: UUID, verdicts: Mapping[UUID, Verdict]) -> None:
    held_back: dict[datetime, list[UUID]] = {}
    for customer_id, verdict in verdicts.items():
        if verdict.not_before is not None:
            held_back.setdefault(verdict.not_before, []).append(customer_id)
    for until, customer_ids in held_back.items():
        statement = update(members).where(members.c.campaign_id == campaign_id, members.c.customer_id.in_(customer_ids))
        await tx.execute(statement.values(deferred_until=until))


async def _write_down(
    tx: Transaction, ask: Ask, final: Sequence[tuple[UUID, UUID, Verdict]], *, now: datetime
) -> list[Decided]:
    assert ask.campaign_id is not None
    decided = [Decided(new_id(), customer_id, verdict.outcome, verdict.reason) for customer_id, _, verdict in final]
    rows = [
        {
            "id": made.decision_id,
            "campaign_id": ask.campaign_id,
            "customer_id": made.customer_id,
            "survivor_id": survivor_id,
            "purpose": ask.purpose,
            "channel": ask.channel,
            "outcome": made.outcome,
            "reason": made.reason,
            "decided_at": now,
        }
        for made, (_, survivor_id, _) in zip(decided, final, strict=True)
    ]
    if not rows:
        return []
    await tx.execute_many(_DECIDED, rows)
    statement = update(members).where(
        members.c.campaign_id == ask.campaign_id, members.c.customer_id.in_([made.customer_id for made in decided])
    )
    await tx.execute(statement.values(decided=True, deferred_until=None))
    for made in decided:
        event = ContactDecided(
            campaign_id=ask.campaign_id,
            campaign_code=ask.code,
            customer_id=made.customer_id,
            decision_id=made.decision_id,
            purpose=ask.purpose,
            channel=ask.channel,
            outcome=made.outcome,
            reason=made.reason,
            decided_at=now,
        )
        outbox.add(tx, event, at=now)
    return decided


async def note_customers(tx: Transaction, states: Iterable[tuple[int, CustomerState]]) -> None:
    """Remember customers as they stand; `states` come with their sequence, and an older one never wins."""
    latest: dict[UUID, tuple[int, CustomerState]] = {}
    for sequence, state in states:
        if state.customer_id not in latest or latest[state.customer_id][0] < sequence:
            latest[state.customer_id] = (sequence, state)
    await tx.execute_many(_CUSTOMER, [_customer(sequence, state) for _, (sequence, state) in sorted(latest.items())])


def _customer(sequence: int, state: CustomerState) -> dict[str, Any]:
    by_status: dict[ConsentStatus, list[str]] = {ConsentStatus.GRANTED: [], ConsentStatus.WITHDRAWN: []}
    for consent in state.consents:
        by_status[consent.status].append(f"{consent.purpose}:{consent.channel}")
    return {
        "customer_id": state.customer_id,
        "customer_number": state.customer_number,
        "kind": state.kind,
        "status": state.status,
        "birth_year": state.birth_year,
        "granted": by_status[ConsentStatus.GRANTED],
        "withdrawn": by_status[ConsentStatus.WITHDRAWN],
        "sequence": sequence,
    }


async def note_complaint(  # noqa: PLR0913  The fields of the fact.
    tx: Transaction, complaint_id: UUID, customer_id: UUID, *, is_open: bool, changed_at: datetime, sequence: int
) -> None:
    """Remember whether a complaint stops marketing; an older event never wins."""
    await tx.execute(
        _COMPLAINT,
        {
            "complaint_id": complaint_id,
            "customer_id": customer_id,
            "open": is_open,
            "changed_at": changed_at,
            "sequence": sequence,
        },
    )


def _latest_wins(table: Any, key: str) -> Any:
    statement = upsert(table).values({column.name: bindparam(column.name) for column in table.columns})
    return statement.on_conflict_do_update(
        index_elements=[table.c[key]],
        set_={column.name: statement.excluded[column.name] for column in table.columns if column.name != key},
        where=table.c.sequence < statement.excluded.sequence,
    )


_NEVER: Final = datetime.max.replace(tzinfo=UTC)
_CUSTOMER: Final = _latest_wins(customers, "customer_id")
_COMPLAINT: Final = _latest_wins(complaints, "complaint_id")
_DECIDED: Final = insert(decisions).values({column.name: bindparam(column.name) for column in decisions.columns})
