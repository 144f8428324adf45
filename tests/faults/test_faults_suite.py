"""One fault after the other against a whole suite under writes; after each everything agrees, and nobody lent a hand."""

from __future__ import annotations

import asyncio
import logging
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from .campaign import Campaign, Scene, open_scene, until
from .load import PLAN
from .suite import PROCESSES, FaultySuite

pytestmark = pytest.mark.faults

PROJECTIONS = {
    ("customer", "timeline"): ("timeline_entries",),
    ("segmentation", "organization"): ("scope_units", "scope_staff"),
    ("segmentation", "customers"): ("customers", "scope_subjects"),
    ("segmentation", "holdings"): ("holdings", "account_days", "posted"),
    ("complaints", "complaints-organization"): ("scope_units", "scope_staff"),
    ("complaints", "complaints-customers"): ("scope_subjects",),
    ("campaigns", "campaign-organization"): ("scope_units", "scope_staff"),
    ("campaigns", "campaign-customers"): ("scope_subjects", "customers"),
    ("campaigns", "campaign-complaints"): ("complaints",),
    ("campaigns", "campaign-openings"): ("openings",),
    ("campaigns", "campaign-segments"): ("segments",),
    ("campaigns", "campaign-memberships"): ("memberships",),
}
"""Every projection of the suite and its tables."""


@pytest.fixture(scope="module")
async def scene() -> AsyncIterator[Scene]:
    # The driver tells of every connection that is lost, and here that is the point.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    with FaultySuite() as suite:
        async with open_scene(suite, seed=3) as opened:
            async with opened.load():
                for _ in range(12):
                    await opened.bank.send(opened.bank.newcomer(savings=True))
                await opened.written(more=60)
            await opened.settle()
            yield opened


async def healed(scene: Scene) -> None:
    await asyncio.to_thread(scene.suite.await_ready, 60)


async def test_every_process_may_be_killed_under_writes(scene: Scene) -> None:
    async with scene.load():
        for name in PROCESSES:
            process = scene.suite.process(name)
            assert process is not None
            process.kill()
            await scene.written(more=5)
            await healed(scene)
    await scene.settle()


async def test_writes_go_on_while_the_broker_is_away_for_twenty_seconds(scene: Scene) -> None:
    async with scene.load():
        await asyncio.to_thread(scene.suite.kafka.stop)
        try:
            began = time.monotonic()
            before = Counter(scene.clients.failures)
            while time.monotonic() - began < 20:
                await scene.written(more=1)
            failures = scene.clients.failures - before
        finally:
            await asyncio.to_thread(scene.suite.kafka.start)
        await scene.written(more=5)
    assert failures == Counter(), scene.clients.last_failures
    await healed(scene)
    await scene.settle()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT], ids=["fast", "immediate"])
async def test_postgresql_restarted_under_writes(scene: Scene, how: signal.Signals) -> None:
    async with scene.load():
        await scene.written(more=5)
        await asyncio.to_thread(scene.suite.restart, scene.suite.postgres, how)
        await scene.written(more=20)
    await healed(scene)
    await scene.settle()


async def test_a_paused_worker_is_replaced_and_may_come_back(scene: Scene) -> None:
    first = scene.suite.process("customer-worker")
    assert first is not None
    with scene.suite.another_worker("customer"):
        async with scene.load():
            await scene.written(more=20)
            first.suspend()
            try:
                carried = await events(scene)
                # The lease of its relay ends after 15 seconds, and so does the session of its consumers.
                await until(lambda: events(scene), lambda found: found > carried + 20)
            finally:
                first.resume()
            await scene.written(more=20)
    await healed(scene)
    await scene.settle()


async def events(scene: Scene) -> int:
    """How many events the topics have by now."""
    await scene.checker.topics.read()
    return len(scene.checker.topics.events)


@pytest.mark.parametrize("how", ["messages repeated", "messages reordered", "child before parent", "poison message"])
async def test_the_banks_messages_come_in_bad_order(scene: Scene, how: str) -> None:
    known = len(scene.bank.facts.poison)

    async def waiting() -> int:
        return len(scene.bank.disturb)

    scene.bank.disturb += [how] * 3
    async with scene.load(writers=1):
        await until(waiting, lambda rounds: rounds == 0)
    await scene.settle()
    assert len(scene.bank.facts.poison) == known + (3 if how == "poison message" else 0)


async def select(scene: Scene, statement: str, *values: Any) -> list[Any]:
    """Rows as they are, past the services."""
    connection = await asyncpg.connect(scene.suite.database)
    try:
        return list(await connection.fetch(statement, *values))
    finally:
        await connection.close()


async def balance(scene: Scene, account: str) -> str:
    statement = "SELECT stated_balance::numeric(20, 2)::text AS it FROM customer.accounts WHERE source_id = $1"
    (row,) = await select(scene, statement, account)
    return str(row["it"])


async def test_a_poison_message_holds_up_its_own_customer_until_it_is_skipped(scene: Scene) -> None:
    bank, facts = scene.bank, scene.bank.facts
    one, other = list(facts.accounts)[:2]
    before, behind, beside = bank.balance(one), bank.balance(one), bank.balance(other)
    poison = bank.poison("bank.account.v1", key=one)
    await bank.send([before, poison, behind, beside])
    reached = facts.balances[other][1]
    await until(lambda: balance(scene, other), lambda found: found == reached)
    standing = await balance(scene, one)
    assert standing != facts.balances[one][1]
    await skip(scene, poison.id)
    await until(lambda: balance(scene, one), lambda found: found == facts.balances[one][1])
    await scene.settle()


async def skip(scene: Scene, message_id: UUID) -> None:
    """Let an operator skip the message's dead letter."""
    letter = "SELECT dead_letter_id FROM customer.dead_letters WHERE id = $1"
    (found,) = await until(lambda: select(scene, letter, message_id), bool)
    async with httpx.AsyncClient(base_url=scene.suite.url) as client:
        path = f"/api/v1/operations/customer/dead-letters/{found['dead_letter_id']}/skips"
        answer = await scene.clients.ask(client, "operator", "POST", path, json={"reason": "The core has mended it."})
    assert answer.status_code == 202, answer.text


async def contents(scene: Scene, schema: str, tables: tuple[str, ...]) -> dict[str, Counter[str]]:
    """All that stands in some tables."""
    found = {}
    for table in tables:
        rows = await select(scene, f"SELECT it::text AS line FROM {schema}.{table} AS it")  # noqa: S608  our own names
        found[table] = Counter(row["line"] for row in rows)
    return found


async def test_every_projection_is_the_same_after_a_replay_that_tells_nobody(scene: Scene) -> None:
    carried = await events(scene)
    for (service, subscription), tables in PROJECTIONS.items():
        before = await contents(scene, service, tables)
        assert all(before.values()), (service, subscription)
        await asyncio.to_thread(scene.suite.kehu, "replay", service, subscription)
        assert await contents(scene, service, tables) == before, (service, subscription)
    await scene.settle()
    assert await events(scene) == carried


async def test_the_compacted_topics_alone_are_enough_to_start_from(scene: Scene) -> None:
    topics = ("kehu.customer-state.v1", "kehu.segment-state.v1")
    admin = AIOKafkaAdminClient(bootstrap_servers=scene.suite.plan.kafka_bootstrap)
    await admin.start()
    try:
        settings = {"segment.ms": "500", "min.cleanable.dirty.ratio": "0.01", "cleanup.policy": "compact"}
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, name, settings) for name in topics])
    finally:
        await admin.close()
    before = await kept(scene, topics[0])
    # A segment is closed by the next write, and only closed ones are cleaned.
    async with scene.load():
        await until(lambda: kept(scene, topics[0]), lambda found: found < before)
    await scene.settle()
    for service, subscription in (
        ("complaints", "complaints-customers"),
        ("campaigns", "campaign-customers"),
        ("campaigns", "campaign-memberships"),
        ("segmentation", "customers"),
    ):
        held = await contents(scene, service, PROJECTIONS[service, subscription])
        await asyncio.to_thread(scene.suite.kehu, "replay", service, subscription)
        assert await contents(scene, service, PROJECTIONS[service, subscription]) == held
    await scene.settle()


async def kept(scene: Scene, topic: str) -> int:
    """How many messages a new reader of the topic finds."""
    return await scene.checker.topics.count(topic)


async def test_a_consent_withdrawn_while_campaigns_was_down_is_respected(scene: Scene) -> None:
    scene.suite.go_to_morning()
    rows = await select(scene, "SELECT DISTINCT customer_id FROM segmentation.memberships WHERE valid_to IS NULL")
    savers = [row["customer_id"] for row in rows]
    willing, unwilling = savers[:4], savers[4:8]
    async with httpx.AsyncClient(base_url=scene.suite.url, timeout=10) as client:

        async def write(user: str, kind: str, path: str, body: Any) -> dict[str, Any]:
            sent = await scene.clients.write(client, user, kind, f"/api/v1/{path}", body)
            assert sent.answer is not None, scene.clients.refused
            return sent.answer

        for place, customer in enumerate((*willing, *unwilling)):
            phone = {"type": "phone", "value": f"+86139{place:08d}"}
            await write("mobile-bank", "contact point", f"customers/{customer}/contact-points", phone)
            await write("mobile-bank", "consent", f"customers/{customer}/consents", consent("granted"))
        await scene.settle()
        made = await write("marketer", "campaign", "campaigns", PLAN | {"audience": {"any_of": [scene.segment]}})
        campaign = f"campaigns/{made['id']}"
        await write("marketer", "submission", f"{campaign}/submissions", None)
        worker = scene.suite.process("campaigns-worker")
        assert worker is not None
        worker.suspend()
        await write("compliance", "approval", f"{campaign}/approvals", {})
        for customer in unwilling:
            await write("mobile-bank", "consent", f"customers/{customer}/consents", consent("withdrawn"))
        worker.kill()

        async def undecided() -> int:
            answer = await scene.clients.ask(client, "marketer", "GET", f"/api/v1/{campaign}/funnel")
            funnel = answer.json()
            return int(funnel["audience"] - funnel["decided"]) if funnel["audience"] else -1

        await until(undecided, lambda left: left == 0)
    await healed(scene)
    await scene.settle()
    decided = await select(scene, "SELECT customer_id, reason FROM campaigns.decisions")
    assert Counter(row["customer_id"] for row in decided) == Counter(savers)
    assert {row["customer_id"] for row in decided if row["reason"] == "allowed"} == set(willing)
    messages = await select(scene, "SELECT customer_id FROM campaigns.messages")
    assert sorted(row["customer_id"] for row in messages) == sorted(willing)


def consent(status: str) -> dict[str, str]:
    told = {"purpose": "marketing", "channel": "sms", "status": status, "notice_version": "2026-01"}
    return told | {"proof": uuid4().hex}


async def test_forty_faults_by_chance(scene: Scene) -> None:
    campaign = Campaign(scene, seed=40, say=print)
    assert await campaign.run(40) == 40
