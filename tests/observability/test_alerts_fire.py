"""Each alert is silent before the state that it is about, and fires in it: the rule's own text over real scrapes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from prometheus_client import generate_latest
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from kehu_chassis import inbox, parking, telemetry, timers
from kehu_chassis.clock import FixedClock, technical_now
from kehu_chassis.consumer import Consumer, Subscription
from kehu_chassis.database import Database, DatabaseUnavailable, Transaction
from kehu_chassis.delivery import Delivery
from kehu_chassis.gauges import Gauges
from kehu_chassis.kafka import Kafka, create_topics
from kehu_chassis.relay import Relay, headers_of
from kehu_chassis.telemetry import TelemetryMiddleware
from kehu_chassis.testing.databases import ServiceDatabase
from kehu_chassis.testing.events import Deliver
from kehu_chassis.testing.parts import running
from kehu_chassis.testing.plugin import Eventually
from kehu_chassis.testing.probe import TOPIC, Probe
from kehu_contracts.topics import TOPICS

from .promql import Evaluator, Scrape, scrape_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

BANK_TOPIC = "bank.party.v1"
TARGET = {"job": "kehu", "service": "probe", "process": "worker", "instance": "probe-worker:8201"}


@dataclass
class Faulty:
    """A worker that a state is made of."""

    database: Database
    servers: ServiceDatabase
    kafka: Kafka
    clock: FixedClock
    probe: Probe
    deliver: Deliver
    eventually: Eventually
    monkeypatch: pytest.MonkeyPatch

    async def run_sql(self, statement: str, *values: Any) -> None:
        async with self.database.begin() as tx:
            await tx.connection.execute(statement, *values)

    async def produce(self, topic: str, count: int = 1, *, value: str = "", age: timedelta = timedelta()) -> None:
        """Messages that the broker took some time ago."""
        await create_topics(self.kafka, [known for known in TOPICS if known.name in {TOPIC, BANK_TOPIC}])
        at = int((technical_now() - age).timestamp() * 1000)
        producer = self.kafka.producer()
        await producer.start()
        try:
            sent = []
            for _ in range(count):
                message = self.deliver.message(self.probe.changed(uuid4(), value))
                given = {
                    name: getattr(message, name)
                    for name in ("id", "type", "time", "subject", "sequence", "traceparent")
                }
                headers = headers_of({**given, "schema": "urn:test"}, message.source.encode())
                sent.append(
                    await producer.send(
                        self.kafka.physical(topic),
                        value=message.body,
                        key=message.key.encode(),
                        headers=headers,
                        timestamp_ms=at,
                    )
                )
            await asyncio.gather(*sent)
        finally:
            await producer.stop()

    @asynccontextmanager
    async def consuming(self, **options: Any) -> AsyncIterator[Consumer]:
        """A consumer at work."""
        subscription: Subscription = self.probe.with_(topics=(TOPIC, BANK_TOPIC), **options)
        consumer = Consumer(self.database, self.kafka, "probe", subscription, self.clock)
        async with running(consumer):
            yield consumer


@pytest.fixture
async def faulty(
    worker_database: Database,
    service_database: ServiceDatabase,
    kafka: Kafka,
    clock: FixedClock,
    probe: Probe,
    deliver: Deliver,
    eventually: Eventually,
    monkeypatch: pytest.MonkeyPatch,
) -> Faulty:
    return Faulty(worker_database, service_database, kafka, clock, probe, deliver, eventually, monkeypatch)


@pytest.fixture
def probe(worker_database: Database, clock: FixedClock) -> Probe:
    return Probe(worker_database, clock)


def exposed() -> str:
    return generate_latest().decode()


Make = Callable[[Faulty], Awaitable[None]]
STATES: dict[str, Make] = {}


def state(alert: str) -> Callable[[Make], Make]:
    def register(make: Make) -> Make:
        STATES[alert] = make
        return make

    return register


@state("KehuOutboxOld")
async def _an_event_that_the_broker_never_got(faulty: Faulty) -> None:
    await faulty.probe.state(uuid4(), "a")
    await faulty.run_sql("UPDATE outbox SET id = uuidv7(interval '-90 seconds')")


@state("KehuOutboxDeep")
async def _a_backlog(faulty: Faulty) -> None:
    await faulty.probe.state(uuid4(), "a")
    await faulty.run_sql(
        "INSERT INTO outbox (id, type, topic, key, subject, sequence, schema, time, traceparent, body)"
        " SELECT uuidv7(), type, topic, key, subject, n, schema, time, traceparent, body"
        " FROM outbox, generate_series(2, 100000) AS n"
    )


@state("KehuConsumerLag")
async def _a_consumer_that_is_far_behind(faulty: Faulty) -> None:
    await faulty.produce(TOPIC, 10_200)

    async def is_told() -> bool:
        async with faulty.database.begin(read_only=True) as tx:
            lag: int | None = await tx.connection.fetchval("SELECT max(lag) FROM consumer_states")
        return lag is not None and lag > 10_000

    async with faulty.consuming(max_batch=1):
        await faulty.eventually(is_told)


@state("KehuConsumerStopped")
async def _a_consumer_whose_messages_die(faulty: Faulty) -> None:
    faulty.probe.refused.add("bad")
    await faulty.produce(TOPIC, value="bad")
    async with faulty.consuming(dead_letter_limit=0) as consumer:
        await _until(faulty, lambda: consumer.state == "stopped")


@state("KehuEventsSlow")
async def _a_message_that_waited_for_a_minute(faulty: Faulty) -> None:
    await faulty.produce(TOPIC, value="late", age=timedelta(minutes=1))
    async with faulty.consuming():
        await _until_effect(faulty, "late")


@state("KehuInboundSilent")
async def _a_core_that_was_last_heard_two_days_ago(faulty: Faulty) -> None:
    await faulty.produce(BANK_TOPIC, value="old", age=timedelta(days=2))
    async with faulty.consuming():
        await _until_effect(faulty, "old")


@state("KehuDeadLetters")
async def _a_message_that_nobody_can_handle(faulty: Faulty) -> None:
    faulty.probe.refused.add("bad")
    await faulty.deliver(faulty.probe.subscription, [faulty.probe.changed(uuid4(), "bad")])


@state("KehuSequenceGap")
async def _a_message_that_never_came(faulty: Faulty) -> None:
    customer = uuid4()
    _, lost, last = [faulty.deliver.message(faulty.probe.changed(customer, value)) for value in "abc"]
    await faulty.deliver(faulty.probe.subscription, [last])
    await faulty.run_sql("UPDATE held_messages SET held_at = held_at - $1::interval", inbox.GAP_PATIENCE)
    await Delivery(faulty.database, faulty.probe.subscription, faulty.clock).give_up_gaps()
    assert await faulty.probe.effects() == ["c"]
    assert lost.sequence == 2


@state("KehuParkedOld")
async def _a_message_whose_parent_never_came(faulty: Faulty) -> None:
    message = faulty.deliver.message(faulty.probe.changed(uuid4(), "child"))
    async with faulty.database.begin() as tx:
        await parking.park(tx, [(message, "party:core-banking/1")])
    await faulty.run_sql("UPDATE parked_messages SET parked_at = parked_at - interval '2 hours'")


@state("KehuTimersLate")
async def _a_timer_that_nobody_fires(faulty: Faulty) -> None:
    async with faulty.database.begin() as tx:
        await timers.schedule(tx, due_at=faulty.clock.now(), kind="remind", key="1")
    faulty.clock.advance(timedelta(minutes=6))


@state("KehuTimersFailing")
async def _a_timer_that_fails(faulty: Faulty) -> None:
    async def fail(tx: Transaction, due_at: datetime, key: str, payload: dict[str, Any]) -> None:  # noqa: ARG001
        raise RuntimeError("no")

    async with faulty.database.begin() as tx:
        await timers.schedule(tx, due_at=faulty.clock.now(), kind="remind", key="1")
    assert await timers.Timers(faulty.database, faulty.clock, {"remind": fail}).fire_next()


@state("KehuDatabaseRefusals")
async def _a_pool_that_is_used_up(faulty: Faulty) -> None:
    small = await Database.connect(faulty.servers.dsn("worker"), schema="probe", max_size=1, wait=0.05)
    async with small.begin():
        with pytest.raises(DatabaseUnavailable):
            await small.ping()
    await small.close()


@state("KehuDatabaseWaits")
async def _a_pool_for_whose_one_connection_all_wait(faulty: Faulty) -> None:
    small = await Database.connect(faulty.servers.dsn("worker"), schema="probe", max_size=1)
    async with small.begin() as tx:
        waiting = asyncio.create_task(small.ping())
        await tx.connection.execute("SELECT pg_sleep(0.6)")
    await waiting
    await small.close()


@state("KehuAuditUnsealed")
async def _an_audit_row_that_nobody_seals(faulty: Faulty) -> None:
    await faulty.run_sql(
        "INSERT INTO audit (audit_id, recorded_at, at, actor, action, resource_type, resource_id, details, trace_id)"
        " VALUES (uuidv7(), $1, $1, 'test', 'test.done', 'test', '1', '{}', '0')",
        technical_now() - timedelta(minutes=3),
    )


@state("KehuHttpErrors")
async def _requests_that_fail(faulty: Faulty) -> None:  # noqa: ARG001  no table shows it
    for _ in range(3):
        await _request(500)


@state("KehuHttpSlow")
async def _requests_that_take_long(faulty: Faulty) -> None:
    seconds = iter(range(0, 1_000, 5))
    faulty.monkeypatch.setattr(telemetry, "perf_counter", lambda: next(seconds))
    for _ in range(3):
        await _request(200)


async def _request(status: int) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await Response(status_code=status)(scope, receive, send)

    async def receive() -> Any:
        raise AssertionError

    async def send(message: Any) -> None:
        pass

    scope = {"type": "http", "method": "GET", "path": "/api/v1/things", "headers": []}
    await TelemetryMiddleware(app, on_error=app)(scope, receive, send)


async def _until(faulty: Faulty, holds: Callable[[], bool]) -> None:
    async def condition() -> bool:
        return holds()

    await faulty.eventually(condition)


async def _until_effect(faulty: Faulty, value: str) -> None:
    async def is_there() -> bool:
        return value in await faulty.probe.effects()

    await faulty.eventually(is_there)


def firing(rule: dict[str, Any], scrapes: Sequence[Scrape]) -> set[frozenset[tuple[str, str]]]:
    value = Evaluator(scrapes)(rule["expr"])
    assert isinstance(value, dict)
    return set(value)


@pytest.mark.parametrize("alert", list(STATES))
async def test_the_alert_fires_in_its_state_and_not_before(
    alert: str, faulty: Faulty, rules: dict[str, dict[str, Any]]
) -> None:
    gauges = Gauges(faulty.database, faulty.clock, ["probe"])
    # What counts from the start of a process is there before anything happens, as a consumer makes it.
    Consumer(faulty.database, faulty.kafka, "probe", faulty.probe.subscription, faulty.clock)
    await _request(200)
    await _request(500)
    await gauges.measure()
    now = technical_now().timestamp()
    # Twice, since what grows is told by two scrapes. What fires already is of other tests in this process.
    before = [scrape_of(now - age, (exposed(), TARGET)) for age in (120, 60)]
    fires_already = firing(rules[alert], before)
    await STATES[alert](faulty)
    await gauges.measure()
    after = scrape_of(now, (exposed(), TARGET))
    fired = firing(rules[alert], [before[-1], after]) - fires_already
    assert fired, f"{alert} does not fire"
    assert {dict(labels).get("service", "probe") for labels in fired} == {"probe"}


async def test_no_relay_at_work_is_noticed(faulty: Faulty, rules: dict[str, dict[str, Any]]) -> None:
    await create_topics(faulty.kafka, [known for known in TOPICS if known.name == TOPIC])
    relay = Relay(faulty.database, faulty.kafka, "probe")
    async with running(relay):
        await _until(faulty, lambda: relay.is_active)
        assert firing(rules["KehuNoRelay"], [scrape_of(0, (exposed(), TARGET))]) == set()
    assert firing(rules["KehuNoRelay"], [scrape_of(0, (exposed(), TARGET))]) == {frozenset({("service", "probe")})}


async def test_a_process_that_does_not_answer_is_noticed(rules: dict[str, dict[str, Any]]) -> None:
    assert firing(rules["KehuProcessDown"], [scrape_of(0, (exposed(), TARGET))]) == set()
    assert firing(rules["KehuProcessDown"], [scrape_of(0, ("", TARGET))]) == {frozenset(TARGET.items())}


async def test_a_worker_without_its_database_is_noticed(faulty: Faulty, rules: dict[str, dict[str, Any]]) -> None:
    await Gauges(faulty.database, faulty.clock, []).measure()
    now = technical_now().timestamp()
    assert firing(rules["KehuWorkerBlind"], [scrape_of(now + 30, (exposed(), TARGET))]) == set()
    assert firing(rules["KehuWorkerBlind"], [scrape_of(now + 90, (exposed(), TARGET))]) == {
        frozenset({("service", "probe")})
    }


def test_every_alert_is_made_to_fire(rules: dict[str, dict[str, Any]]) -> None:
    elsewhere = {"KehuNoRelay", "KehuProcessDown", "KehuWorkerBlind"}
    of_the_gateway = {"KehuStreamsRefused", "KehuWebhooksOld", "KehuWebhooksDead"}
    assert {*STATES, *elsewhere, *of_the_gateway} == set(rules)
