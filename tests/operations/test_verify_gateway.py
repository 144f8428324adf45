"""`kehu audit verify` and `kehu verify` look at the gateway too: its audit, what it follows, what partners are sent."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from kehu_chassis import audit, audit_chain
from kehu_chassis.audit_chain import Anchor, Verdict
from kehu_chassis.columns import new_id
from kehu_chassis.database import Database
from kehu_chassis.ledger import Ledger
from kehu_contracts.customer import CustomerProfileChanged
from kehu_local.audit import verdicts
from kehu_local.environment import database_dsn
from kehu_local.plan import Plan
from kehu_local.recovery.verify import check_suite
from kehu_local.secrets import Secrets

AT = datetime(2026, 3, 2, 1, tzinfo=UTC)
TYPE = CustomerProfileChanged.event_type


@contextlib.asynccontextmanager
async def connected(plan: Plan) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(database_dsn(plan, Secrets.load_or_make(plan)))
    try:
        yield connection
    finally:
        await connection.close()


async def wrong(plan: Plan) -> dict[str, str]:
    """The checks that do not hold, with what they tell."""
    outcomes = await check_suite(plan, patience=0)
    return {name: outcome.told for name, outcome in outcomes.items() if not outcome.holds}


async def write_audit(plan: Plan, rows: int) -> Anchor:
    """Rows as the gateway writes them, sealed and anchored as its worker does it."""
    dsn = database_dsn(plan, Secrets.load_or_make(plan), "gateway", "worker")
    database = await Database.connect(dsn, schema="gateway")
    try:
        for number in range(rows):
            async with database.begin() as tx:
                await audit.record(
                    tx, actor="operator", action=f"webhook.{number}", resource=("webhook", str(number)), at=AT
                )
        while await audit_chain.seal(database, at_rest=True):
            pass
        async with database.begin(read_only=True) as tx:
            await audit_chain.anchor(tx, Ledger(plan.ledger, "gateway"))
            return await audit_chain.head(tx)
    finally:
        await database.close()


REMOVE = "DELETE FROM gateway.audit a USING gateway.audit_seals s WHERE s.audit_id = a.audit_id AND s.position = 2"
CHANGE = """
UPDATE gateway.audit a SET actor = 'nobody' FROM gateway.audit_seals s WHERE s.audit_id = a.audit_id AND s.position = 2
"""


@pytest.mark.parametrize(
    ("tamper", "what", "position"),
    [
        (REMOVE, "removed", 2),
        (CHANGE, "changed", 2),
        ("DELETE FROM gateway.audit_seals; DELETE FROM gateway.audit", "cut_off", 1),
    ],
)
async def test_a_row_of_the_gateways_audit_that_was_tampered_with_is_found(
    at_rest: Plan, tamper: str, what: str, position: int
) -> None:
    assert (await write_audit(at_rest, 3)).position == 3
    assert (await verdicts(at_rest, at_rest.ledger))["gateway"] == Verdict(3, 1, None)
    assert "gateway: audit" not in await wrong(at_rest)
    async with connected(at_rest) as connection:
        await connection.execute(tamper)
    broken = (await verdicts(at_rest, at_rest.ledger))["gateway"].broken
    assert broken is not None
    assert (broken.what, broken.position) == (what, position)
    assert (await wrong(at_rest))["gateway: audit"].startswith(f"{what} at {position}")


async def add_webhook(connection: Any) -> Any:
    """An endpoint that was registered an hour ago, and has both events of its type of since then."""
    webhook_id = await connection.fetchval("SELECT uuidv7(interval '-1 hour')")
    await connection.execute(
        "INSERT INTO gateway.webhooks (webhook_id, name, url, event_types, active, secret, created_at, changed_at)"
        " VALUES ($1, 'Partner', 'https://partner.example/', $2, true, 's', $3, $3)",
        webhook_id,
        [TYPE],
        AT,
    )
    now = await connection.fetchval("SELECT now()")
    for number, kept_at in enumerate((now - timedelta(hours=2), now - timedelta(minutes=30), now), 1):
        await connection.execute(
            "INSERT INTO gateway.live_events (event_id, type, permission, subject, sequence, at, kept_at, body)"
            " VALUES ($1, $2, 'p', 'c', $3, $4, $5, '{}')",
            new_id(),
            TYPE,
            number,
            AT,
            kept_at,
        )
    await connection.execute(
        "INSERT INTO gateway.webhook_deliveries (webhook_id, event_id, type, subject, sequence, at, body, state, attempts,"
        " added_at) SELECT $1, event_id, type, subject, sequence, at, body, 'pending', 0, kept_at FROM gateway.live_events"
        " WHERE sequence > 1",
        webhook_id,
    )
    return webhook_id


DOUBLE = """
INSERT INTO gateway.webhook_deliveries (webhook_id, event_id, type, subject, sequence, at, body, state, attempts, added_at)
SELECT webhook_id, event_id, type, subject, sequence, at, body, state, attempts, added_at FROM gateway.webhook_deliveries
WHERE sequence = 2
"""


@pytest.mark.parametrize(
    ("tamper", "check"),
    [
        ("DELETE FROM gateway.webhook_deliveries WHERE sequence = 2", "every webhook has its events"),
        (DOUBLE, "every webhook has them once"),
        ("UPDATE gateway.webhook_deliveries SET body = NULL WHERE sequence = 2", "what is to be sent can be sent"),
        ("UPDATE gateway.webhook_deliveries SET body = '[]' WHERE sequence = 2", "what is sent is what was logged"),
    ],
)
async def test_a_message_to_a_partner_that_is_missing_doubled_or_changed_is_found(
    at_rest: Plan, tamper: str, check: str
) -> None:
    async with connected(at_rest) as connection:
        webhook_id = await add_webhook(connection)
        # This secret was sealed by nobody.
        secrets = {"gateway: secrets of webhooks open": f"those of 1 do not, {webhook_id} among them"}
        assert await wrong(at_rest) == secrets
        await connection.execute(tamper)
        found = await wrong(at_rest)
    assert set(found) == {f"gateway: {check}", *secrets}
    assert found[f"gateway: {check}"].startswith("1 do not")


async def test_what_the_gateway_follows_is_held_against_its_source(at_rest: Plan) -> None:
    assert await wrong(at_rest) == {}
    subject = str(new_id())
    async with connected(at_rest) as connection:
        await connection.execute(
            "INSERT INTO customer.units (code, name, kind, active, source, source_sequence, stated_at)"
            " VALUES ('HO', '总行', 'head_office', true, 'core', 1, $1)",
            AT,
        )
        await connection.execute("INSERT INTO complaints.outbox_subjects VALUES ('kehu.complaint.v1', $1, 2);", subject)
    found = await wrong(at_rest)
    for name in ("gateway-live", "gateway-directory"):
        assert found[f"gateway: {name} has taken kehu.complaint.v1"] == f"1 subjects differ, {subject} among them"
    assert found["gateway: units"].startswith("1 rows missing, 0 too many of 1")
