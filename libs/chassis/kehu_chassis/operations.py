"""What an operator of a service sees and may do, over HTTP; `create_app` gives every service these routes.

Redrive, skip and resume are wishes that the worker fulfils within a second or two; each is audited.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from fastapi import APIRouter

from kehu_chassis import alerts, audit, audit_search, dead_letters
from kehu_chassis.audit_search import AuditQuery, AuditRowOut
from kehu_chassis.auth import Principal
from kehu_chassis.clock import technical_now
from kehu_chassis.database import Transaction
from kehu_chassis.figures import Figures, read_dead_letters, read_figures
from kehu_chassis.http import Now, Tx, WritingTx, requires, router
from kehu_chassis.paging import CursorQuery, Page, PageRows, keyset, page_rows
from kehu_chassis.problems import Conflict, NotFound, problems
from kehu_chassis.schemas import Id, In, Line, Out
from kehu_contracts.access import Permission

__all__ = ["HealthOut", "operations_routes", "request_resume", "service_health"]

Reader = Annotated[Principal, requires(Permission.OPERATIONS_READ)]
Operator = Annotated[Principal, requires(Permission.OPERATIONS_WRITE)]
Auditor = Annotated[Principal, requires(Permission.AUDIT_READ)]

SILENT_AFTER: Final = timedelta(seconds=30)
"""Without a report for so long, a consumer's worker is taken for dead."""
SHARE_HOLDS: Final = timedelta(seconds=15)
"""A worker reports at least every ten seconds; one that has not for so long has left its partitions to the others."""
INBOUND: Final = "bank."
"""How the names of the core banking system's topics begin."""


class SettledOtherwise(Conflict):
    """The dead letter was settled the other way, or its body was not kept and cannot be redriven."""

    code = "operations.dead_letter_settled"
    title = "This message was already dealt with otherwise"
    title_zh = "该消息已按其他方式处理"


class ConsumerRuns(Conflict):
    """Only a stopped consumer can be resumed."""

    code = "operations.consumer_not_stopped"
    title = "This consumer is not stopped"
    title_zh = "该消费者未处于停止状态"


class ReasonIn(In):
    """Why an operator steps in."""

    reason: Line


class ConsumerOut(Out):
    """A consumer as its worker last reported it, with the lag of all its workers; `silent` when no report has come for 30 s."""

    subscription: str
    state: Literal["running", "retrying", "stopped", "silent"]
    reason: str | None
    lag: int | None
    held: int
    open_dead_letters: int
    reported_at: datetime


class OutboxOut(Out):
    """Events that the broker has still to be given (counted up to 100,000), and the technical age of the oldest in seconds."""

    depth: int
    oldest_seconds: float | None


class TimerOut(Out):
    """The timers of a kind, among the first 10,000 in line: how many are set, due and failing.

    By business time: how late the first due one is, and when the next is due.
    """

    kind: str
    set: int
    due: int
    failing: int
    late_seconds: float | None
    next_due_at: datetime | None


class TopicOut(Out):
    """When the last message that the service has taken was written to a topic, by the broker's clock."""

    topic: str
    last_message_at: datetime


class AlertOut(Out):
    """A figure beside the threshold of its alert rule; `of` is the subscription or topic where the rule looks at each."""

    alert: str
    of: str | None
    figure: float | None
    threshold: float
    state: alerts.State


class HealthOut(Out):
    """The service at a glance; `degraded` when a consumer does not run or a figure is beyond the threshold of its alert."""

    status: Literal["ok", "degraded"]
    outbox: OutboxOut
    consumers: list[ConsumerOut]
    due_timers: int
    failing_timers: int
    timers: list[TimerOut]
    topics: list[TopicOut]
    parked_messages: int
    parked_oldest_seconds: float | None
    open_dead_letters: int
    alerts: list[AlertOut]


class DeadLetterOut(Out):
    """A message that could not be handled."""

    dead_letter_id: Id
    subscription: str
    state: Literal["open", "redrive", "skip", "redriven", "skipped"]
    reason: str
    attempts: int
    died_at: datetime
    settled_at: datetime | None
    settled_by: str | None
    id: Id
    type: str
    topic: str
    partition: int
    offset: int
    key: str
    has_body: bool


class DeadLetterDetailOut(DeadLetterOut):
    """A dead letter and how many later messages of its key wait behind it."""

    held_behind: int


def operations_routes(service: str) -> APIRouter:
    """The routes under `/api/v1/operations/{service}`."""
    routes = router(f"/operations/{service}", tags=["operations"])

    @routes.get("/health", response_model=HealthOut, name=f"read_{service}_health")
    async def read_health(_: Reader, tx: Tx, now: Now) -> dict[str, Any]:
        """Outbox, consumers, timers, topics and dead letters at a glance, each figure beside the threshold of its alert."""
        return await service_health(tx, now)

    @routes.get("/consumers", response_model=list[ConsumerOut], name=f"list_{service}_consumers")
    async def list_consumers(_: Reader, tx: Tx) -> list[dict[str, Any]]:
        """The consumers with state, lag and what waits behind dead letters."""
        return await _consumers(tx)

    @routes.post(
        "/consumers/{subscription}/resumptions",
        response_model=ReasonIn,
        status_code=202,
        name=f"resume_{service}_consumer",
        responses=problems(404, ConsumerRuns),
    )
    async def resume_consumer(subscription: str, body: ReasonIn, actor: Operator, tx: Tx, now: Now) -> ReasonIn:
        """Let a consumer go on that stopped because too many messages died."""
        if not await request_resume(tx, subscription):
            known = await tx.connection.fetchval(
                "SELECT true FROM consumer_states WHERE subscription = $1", subscription
            )
            raise ConsumerRuns if known else NotFound
        resource = ("consumer", subscription)
        await audit.record(
            tx, actor=actor, action="consumer.resumption_requested", resource=resource, at=now, reason=body.reason
        )
        return body

    @routes.get("/outbox", response_model=OutboxOut, name=f"read_{service}_outbox")
    async def read_outbox(_: Reader, tx: Tx, now: Now) -> dict[str, Any]:
        """How many events wait for the broker, and for how long."""
        return _outbox(await read_figures(tx, now))

    @routes.get("/audit", response_model=Page[AuditRowOut], name=f"search_{service}_audit")
    async def search_audit(page: CursorQuery, wanted: AuditQuery, reader: Auditor, tx: WritingTx, now: Now) -> PageRows:
        """Who did what, on what, when and why, newest first. The search is audited like what it shows."""
        return await audit_search.search(tx, service, wanted, page, reader=reader, now=now)

    _add_dead_letter_routes(routes, service)
    return routes


def _add_dead_letter_routes(routes: APIRouter, service: str) -> None:
    @routes.get("/dead-letters", response_model=Page[DeadLetterOut], name=f"list_{service}_dead_letters")
    async def list_dead_letters(
        page: CursorQuery,
        _: Reader,
        tx: Tx,
        state: Literal["open", "redrive", "skip", "redriven", "skipped"] | None = None,
        subscription: str | None = None,
    ) -> PageRows:
        """Dead letters, newest first."""
        statement = dead_letters.list_dead_letters(state=state, subscription=subscription)
        key = dead_letters.dead_letters.c.dead_letter_id
        return page_rows(await tx.all(keyset(statement, (key,), page, descending=True)), page, ("dead_letter_id",))

    @routes.get(
        "/dead-letters/{dead_letter_id}",
        response_model=DeadLetterDetailOut,
        name=f"read_{service}_dead_letter",
        responses=problems(404),
    )
    async def read_dead_letter(dead_letter_id: UUID, _: Reader, tx: Tx) -> dict[str, Any]:
        """One dead letter, and how many messages wait behind it."""
        return await _found(tx, dead_letter_id)

    @routes.post(
        "/dead-letters/{dead_letter_id}/redrives",
        response_model=DeadLetterDetailOut,
        status_code=202,
        name=f"redrive_{service}_dead_letter",
        responses=problems(404, SettledOtherwise),
    )
    async def redrive_dead_letter(
        dead_letter_id: UUID, body: ReasonIn, actor: Operator, tx: Tx, now: Now
    ) -> dict[str, Any]:
        """Apply the message again, then those held behind it. Asking twice is asking once."""
        return await _ask(tx, dead_letter_id, dead_letters.redrive, actor=actor, reason=body.reason, now=now)

    @routes.post(
        "/dead-letters/{dead_letter_id}/skips",
        response_model=DeadLetterDetailOut,
        status_code=202,
        name=f"skip_{service}_dead_letter",
        responses=problems(404, SettledOtherwise),
    )
    async def skip_dead_letter(
        dead_letter_id: UUID, body: ReasonIn, actor: Operator, tx: Tx, now: Now
    ) -> dict[str, Any]:
        """Leave the message out and apply those held behind it. Asking twice is asking once."""
        return await _ask(tx, dead_letter_id, dead_letters.skip, actor=actor, reason=body.reason, now=now)


_REQUEST_RESUME: Final = """
UPDATE consumer_states SET resume_requested = true WHERE subscription = $1 AND state = 'stopped'
"""


async def request_resume(tx: Transaction, subscription: str) -> bool:
    """Ask the worker to go on with a stopped consumer, and tell whether it was stopped."""
    status: str = await tx.connection.execute(_REQUEST_RESUME, subscription)
    return status != "UPDATE 0"


async def _ask(  # noqa: PLR0913  what both routes have in common
    tx: Transaction, dead_letter_id: UUID, wish: Any, *, actor: Principal, reason: str, now: datetime
) -> dict[str, Any]:
    try:
        await wish(tx, dead_letter_id, actor=actor, reason=reason, at=now)
    except dead_letters.NoSuchDeadLetter:
        raise NotFound from None
    except dead_letters.AlreadySettled:
        raise SettledOtherwise from None
    return await _found(tx, dead_letter_id)


async def _found(tx: Transaction, dead_letter_id: UUID) -> dict[str, Any]:
    try:
        row, held = await dead_letters.find(tx, dead_letter_id)
    except dead_letters.NoSuchDeadLetter:
        raise NotFound from None
    return {**row, "held_behind": held}


_CONSUMERS: Final = """
SELECT subscription, state, reason, reported_at,
       CASE WHEN lag IS NOT NULL THEN coalesce(
           (SELECT sum(share.lag)::bigint FROM consumer_lags AS share
            WHERE share.subscription = told.subscription AND share.reported_at > told.reported_at - $1::interval), lag)
       END AS lag,
       (SELECT count(*) FROM held_messages AS held WHERE held.subscription = told.subscription) AS held,
       (SELECT count(*) FROM dead_letters AS dead
        WHERE dead.subscription = told.subscription AND dead.state IN ('open', 'redrive', 'skip')) AS open_dead_letters
FROM consumer_states AS told ORDER BY subscription
"""

_TIMERS: Final = """
SELECT kind, count(*) AS set, count(*) FILTER (WHERE due_at <= $1) AS due, count(*) FILTER (WHERE attempts > 0) AS failing,
       extract(epoch FROM $1 - min(due_at) FILTER (WHERE due_at <= $1))::float8 AS late_seconds,
       min(due_at) FILTER (WHERE due_at > $1) AS next_due_at
FROM (SELECT kind, due_at, attempts FROM timers ORDER BY due_at LIMIT 10000) AS next GROUP BY kind ORDER BY kind
"""

_TOPICS: Final = "SELECT topic, written_at AS last_message_at FROM last_messages ORDER BY topic"


async def _consumers(tx: Transaction) -> list[dict[str, Any]]:
    now = technical_now()
    rows = []
    for row in await tx.connection.fetch(_CONSUMERS, SHARE_HOLDS):
        is_silent = now - row["reported_at"] > SILENT_AFTER
        rows.append({**row, "state": "silent" if is_silent else row["state"]})
    return rows


def _outbox(figures: Figures) -> dict[str, Any]:
    return {"depth": figures.outbox_depth, "oldest_seconds": figures.outbox_seconds}


async def service_health(tx: Transaction, now: datetime) -> dict[str, Any]:
    """What a service says of itself at the business time `now`, as `HealthOut`."""
    consumers = await _consumers(tx)
    figures = await read_figures(tx, now)
    dead = await read_dead_letters(tx)
    topics = [dict(row) for row in await tx.connection.fetch(_TOPICS)]
    judged = [
        *_of_service(figures, consumers),
        *_of_consumers(consumers, dead),
        *_of_topics(topics),
    ]
    runs = all(consumer["state"] == "running" for consumer in consumers)
    well = runs and all(alert["state"] in {"ok", "unknown"} for alert in judged)
    return {
        "status": "ok" if well else "degraded",
        "outbox": _outbox(figures),
        "consumers": consumers,
        "due_timers": figures.due_timers,
        "failing_timers": figures.failing_timers,
        "timers": [dict(row) for row in await tx.connection.fetch(_TIMERS, now)],
        "topics": topics,
        "parked_messages": figures.parked_messages,
        "parked_oldest_seconds": figures.parked_seconds,
        "open_dead_letters": sum(dead.values()),
        "alerts": judged,
    }


def _of_service(figures: Figures, consumers: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    # A worker reports of each of its consumers every few seconds.
    reported_at = max((consumer["reported_at"] for consumer in consumers), default=None)
    unheard = None if reported_at is None else max(0.0, (technical_now() - reported_at).total_seconds())
    yield _judge("KehuWorkerBlind", unheard)
    # What does not wait has waited for no time.
    yield _judge("KehuOutboxOld", figures.outbox_seconds or 0)
    yield _judge("KehuOutboxDeep", figures.outbox_depth)
    yield _judge("KehuTimersLate", figures.timer_seconds or 0)
    yield _judge("KehuTimersFailing", figures.failing_timers)
    yield _judge("KehuParkedOld", figures.parked_seconds or 0)
    yield _judge("KehuAuditUnsealed", figures.unsealed_seconds or 0)


def _of_consumers(consumers: list[dict[str, Any]], dead: Mapping[str, int]) -> Iterator[dict[str, Any]]:
    for consumer in consumers:
        yield _judge("KehuConsumerLag", consumer["lag"], of=consumer["subscription"])
        yield _judge("KehuConsumerStopped", consumer["state"] == "stopped", of=consumer["subscription"])
    for subscription in sorted({*dead, *(consumer["subscription"] for consumer in consumers)}):
        yield _judge("KehuDeadLetters", dead.get(subscription, 0), of=subscription)


def _of_topics(topics: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for row in topics:
        if row["topic"].startswith(INBOUND):
            silent = max(0.0, (technical_now() - row["last_message_at"]).total_seconds())
            yield _judge("KehuInboundSilent", silent, of=row["topic"])


def _judge(alert: str, figure: float | None, *, of: str | None = None) -> dict[str, Any]:
    rule = alerts.RULES[alert]
    return {"alert": alert, "of": of, "figure": figure, "threshold": rule.threshold, "state": rule.judge(figure)}
