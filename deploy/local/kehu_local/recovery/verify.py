"""`kehu verify`: does everything in the suite agree with everything else?

Services follow one another by events, so under writes a difference may be on its way: a check that fails is made again
until it holds or the patience is over. What only an operator can settle (dead letters, gaps) is told, and is no failure.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from functools import partial
from typing import Any, Final, NamedTuple

import asyncpg
from rich.console import Console
from rich.markup import escape

from kehu_chassis import audit_chain
from kehu_chassis.crypto import Decryption, KeyRing, WrappedKey
from kehu_chassis.definition import Runtime
from kehu_chassis.ledger import Ledger
from kehu_contracts.topics import TOPICS
from kehu_gateway.webhooks.tables import webhooks
from kehu_local.definitions import definition_of, open_worker
from kehu_local.environment import database_dsn
from kehu_local.failures import no_database
from kehu_local.plan import SERVICES, Plan
from kehu_local.recovery.projections import PROJECTIONS, Projection
from kehu_local.recovery.webhooks import DELIVERIES
from kehu_local.secrets import SCHEMAS, Secrets

__all__ = ["Outcome", "check_suite", "verify_suite"]

AGAIN_AFTER: Final = 1.0
KEY_TABLES: Final[Mapping[str, str]] = {"customer.customers": "id", "complaints.complaints": "complaint_id"}
OWNERS: Final = {topic.name: topic.owner for topic in TOPICS if topic.owner in SERVICES}


class Outcome(NamedTuple):
    """What a check found: whether it holds, and what a person should know."""

    holds: bool
    told: str


Check = Callable[[], Awaitable[Outcome]]


def verify_suite(plan: Plan, out: Console, *, patience: float) -> bool:
    """Run all checks and print a line for each; whether all hold."""
    outcomes = asyncio.run(check_suite(plan, patience=patience))
    for name, outcome in outcomes.items():
        mark = "[green]ok[/green]    " if outcome.holds else "[bold red]WRONG[/bold red] "
        out.print(f"{mark} {escape(name)}: {escape(outcome.told)}")
    return all(outcome.holds for outcome in outcomes.values())


async def check_suite(plan: Plan, *, patience: float) -> dict[str, Outcome]:
    """The outcome of each check by its name."""
    secrets = Secrets.load_or_make(plan)
    try:
        connection = await asyncpg.connect(database_dsn(plan, secrets), timeout=15)
    except OSError as error:
        raise no_database(error) from error
    async with AsyncExitStack() as stack:
        stack.push_async_callback(connection.close)
        runtimes = {
            service: await stack.enter_async_context(open_worker(plan, secrets, service, "verify"))
            for service in SCHEMAS
        }
        checks: dict[str, Check] = {}
        for service, runtime in runtimes.items():
            checks |= _of_service(plan, connection, service, runtime)
        for projection in PROJECTIONS:
            checks[projection.name] = partial(_agrees, connection, projection)
        for name, statement in DELIVERIES.items():
            checks[f"gateway: {name}"] = partial(_finds_none, connection, statement)
        checks["gateway: secrets of webhooks open"] = partial(_secrets_open, runtimes["gateway"])
        ring = KeyRing.from_file(plan.key_file)
        for table, identity in KEY_TABLES.items():
            checks[f"{table}: keys open"] = partial(_keys_open, connection, ring, table, identity)
        return await _until_settled(checks, patience)


async def _until_settled(checks: Mapping[str, Check], patience: float) -> dict[str, Outcome]:
    deadline = time.monotonic() + patience
    outcomes = {name: await check() for name, check in checks.items()}
    while time.monotonic() < deadline:
        wrong = [name for name, outcome in outcomes.items() if not outcome.holds]
        if not wrong:
            break
        await asyncio.sleep(AGAIN_AFTER)
        outcomes |= {name: await checks[name]() for name in wrong}
    return outcomes


def _of_service(plan: Plan, connection: Any, service: str, runtime: Runtime) -> dict[str, Check]:
    checks: dict[str, Check] = {
        f"{service}: outbox is sent": partial(_outbox_is_empty, connection, service),
        f"{service}: audit": partial(_chain_holds, runtime, Ledger(plan.ledger_of(service), service)),
        f"{service}: left to operators": partial(_left, connection, service),
    }
    for subscription in definition_of(service).subscriptions(runtime):
        for topic in subscription.topics:
            if topic in OWNERS:
                name = f"{service}: {subscription.name} has taken {topic}"
                checks[name] = partial(_has_taken, connection, service, subscription.name, topic)
    return checks


async def _outbox_is_empty(connection: Any, service: str) -> Outcome:
    waiting = await connection.fetchval(f"SELECT count(*) FROM {service}.outbox")  # noqa: S608  a name of ours
    return Outcome(waiting == 0, f"{waiting} events wait")


async def _chain_holds(runtime: Runtime, ledger: Ledger) -> Outcome:
    async with runtime.database.begin(read_only=True) as tx:
        verdict = await audit_chain.verify(tx, audit_chain.anchors(ledger))
    if verdict.broken is None:
        return Outcome(True, f"{verdict.checked} rows, {verdict.anchored} anchors")
    return Outcome(False, f"{verdict.broken.what} at {verdict.broken.position}: {verdict.broken.action}")


async def _left(connection: Any, service: str) -> Outcome:
    row = await connection.fetchrow(
        f"SELECT (SELECT count(*) FROM {service}.dead_letters WHERE state = 'open') AS dead,"  # noqa: S608  the same
        f" (SELECT count(*) FROM {service}.held_messages) AS held,"
        f" (SELECT count(*) FROM {service}.parked_messages) AS parked,"
        f" (SELECT count(*) FROM {service}.timers WHERE attempts > 0) AS failing"
    )
    told = "{dead} dead letters, {held} messages held, {parked} parked, {failing} failing timers".format(**row)
    return Outcome(True, told)


_BEHIND: Final = """
SELECT count(*) AS subjects, min(s.subject) AS one FROM {owner}.outbox_subjects s
LEFT JOIN {service}.inbox_positions p ON p.subscription = $1 AND p.topic = s.topic AND p.subject = s.subject
WHERE s.topic = $2 AND coalesce(p.sequence, 0) <> s.sequence
"""


async def _has_taken(connection: Any, service: str, subscription: str, topic: str) -> Outcome:
    """Whether the consumer stands at the last sequence that each subject was given."""
    statement = _BEHIND.format(owner=OWNERS[topic], service=service)
    row = await connection.fetchrow(statement, subscription, topic)
    told = f"{row['subjects']} subjects differ, {row['one']} among them" if row["subjects"] else "all"
    return Outcome(row["subjects"] == 0, told)


async def _agrees(connection: Any, projection: Projection) -> Outcome:
    source, projected = projection.source, projection.projected
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        missing, one = await _difference(connection, source, projected)
        stray, other = await _difference(connection, projected, source)
        rows = await connection.fetchval(f"SELECT count(*) FROM ({source}) s")  # noqa: S608  a constant of ours
    if not missing and not stray:
        return Outcome(True, f"{rows} rows")
    return Outcome(False, f"{missing} rows missing, {stray} too many of {rows}; {one or other} among them")


async def _difference(connection: Any, left: str, right: str) -> tuple[int, Any]:
    found = await connection.fetchrow(
        f"SELECT count(*) AS rows, (array_agg(d::text))[1] AS one FROM (({left}) EXCEPT ALL ({right})) d"  # noqa: S608
    )
    return found["rows"], found["one"]


async def _finds_none(connection: Any, statement: str) -> Outcome:
    """Whether a query of what must not be finds nothing; its rows are told by their first column."""
    rows = await connection.fetch(statement)
    told = f"{len(rows)} do not, {rows[0][0]} among them" if rows else "all"
    return Outcome(not rows, told)


async def _secrets_open(gateway: Runtime) -> Outcome:
    async with gateway.database.begin(read_only=True) as tx:
        rows = await tx.all(webhooks.select())
    lost = [row["webhook_id"] for row in rows if not gateway.resources.webhook_secrets.opened(row)]
    return Outcome(not lost, f"those of {len(lost)} do not, {lost[0]} among them" if lost else f"{len(rows)} webhooks")


async def _keys_open(connection: Any, ring: KeyRing, table: str, identity: str) -> Outcome:
    """Whether every wrapped key opens; a row without one is of somebody who was erased."""
    opened, erased = 0, 0
    envelope = ring.envelope()
    async with connection.transaction(readonly=True):
        query = f"SELECT {identity} AS id, key_id, wrapped_key FROM {table}"  # noqa: S608  names of ours
        async for row in connection.cursor(query, prefetch=5_000):
            if not row["wrapped_key"]:
                erased += 1
                continue
            try:
                envelope.open_data_key(WrappedKey(row["key_id"], row["wrapped_key"]))
            except Decryption as error:
                return Outcome(False, f"that of {row['id']} does not: {error}")
            opened += 1
    return Outcome(True, f"{opened} keys, {erased} erased")
