"""The worker as one process: ready when it can work, and stopped without a loss."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Awaitable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
from aiokafka import ConsumerRecord, TopicPartition

from kehu_chassis.clock import FixedClock
from kehu_chassis.consumer import Message, Subscription
from kehu_chassis.database import Database, Transaction
from kehu_chassis.definition import Runtime
from kehu_chassis.failures import until_stopped
from kehu_chassis.kafka import Kafka, create_topics
from kehu_chassis.relay import headers_of
from kehu_chassis.testing.databases import ServiceDatabase
from kehu_chassis.testing.http import test_settings as settings_for
from kehu_chassis.testing.parts import running
from kehu_chassis.testing.plugin import Eventually, OutboxRows
from kehu_chassis.testing.probe import DEFINITION, TOPIC, Probe, ProbeSettings
from kehu_chassis.testing.servers import free_port
from kehu_chassis.timers import schedule
from kehu_chassis.worker import Worker
from kehu_contracts.topics import TOPICS


@pytest.fixture
async def topics(kafka: Kafka) -> None:
    await create_topics(kafka, [topic for topic in TOPICS if topic.name in {TOPIC, "kehu.dead-letter.v1"}])


@pytest.fixture
def runtime(worker_runtime: Runtime, service_database: ServiceDatabase) -> Runtime:
    settings = settings_for(ProbeSettings, service_database.dsn("worker"), worker_port=free_port())
    return replace(worker_runtime, settings=settings)


async def remind(tx: Transaction, _: datetime, key: str, __: dict[str, Any]) -> None:
    await tx.connection.execute("INSERT INTO effects (subject, sequence, value) VALUES ('', 0, $1)", key)


def worker_of(runtime: Runtime, kafka: Kafka, subscription: Subscription) -> Worker:
    definition = replace(DEFINITION, subscriptions=lambda _: (subscription,), timers=lambda _: {"remind": remind})
    return Worker(definition, runtime, kafka=kafka)


async def readiness(runtime: Runtime) -> tuple[int, dict[str, str]]:
    async with httpx.AsyncClient() as client:
        try:
            answer = await client.get(f"http://127.0.0.1:{runtime.settings.worker_port}/health/ready")
        except httpx.ConnectError:
            return 0, {}
    return answer.status_code, answer.json()["checks"]


@pytest.mark.usefixtures("topics")
async def test_a_worker_sends_consumes_and_fires_timers(
    runtime: Runtime, kafka: Kafka, probe: Probe, database: Database, clock: FixedClock, eventually: Eventually
) -> None:
    async def all_is_done() -> bool:
        return sorted(await probe.effects()) == ["a", "reminder"]

    async def is_ready() -> bool:
        return await readiness(runtime) == (
            200,
            {"database": "ok", "migrations": "ok", "broker": "ok", "consumers": "ok"},
        )

    async with running(worker_of(runtime, kafka, probe.subscription)):
        await eventually(is_ready)
        await probe.state(uuid4(), "a")
        async with database.begin() as tx:
            await schedule(tx, due_at=clock.now() + timedelta(days=1), kind="remind", key="reminder")
        clock.advance(timedelta(days=2))
        await eventually(all_is_done)


@pytest.mark.usefixtures("topics")
async def test_a_worker_that_is_stopped_finishes_its_batch_and_leaves_its_group(
    runtime: Runtime, kafka: Kafka, probe: Probe, outbox_rows: OutboxRows
) -> None:
    begun = asyncio.Event()
    worker: Worker

    async def slowly(tx: Transaction, messages: Sequence[Message]) -> None:
        begun.set()
        worker.stop()
        await asyncio.sleep(0)
        await probe.handle(tx, messages)

    await probe.state(uuid4(), "a", "b")
    worker = worker_of(runtime, kafka, probe.with_(handle=slowly))
    async with asyncio.timeout(30):
        await worker.run()
    assert begun.is_set()
    assert await probe.effects() == ["a", "b"]
    assert await outbox_rows() == []
    group = f"{kafka.prefix}kehu.probe.probe"
    admin = kafka.admin()
    await admin.start()
    try:
        offsets = await admin.list_consumer_group_offsets(group)
        [described] = await admin.describe_consumer_groups([group])
    finally:
        await admin.close()
    assert sum(offset.offset for offset in offsets.values() if offset.offset > 0) == 2
    assert "Empty" in str(described)


@pytest.mark.usefixtures("topics")
async def test_a_worker_is_not_ready_while_a_consumer_is_stopped(
    runtime: Runtime, kafka: Kafka, probe: Probe, eventually: Eventually
) -> None:
    probe.poison = {"!"}

    async def says_so() -> bool:
        status, checks = await readiness(runtime)
        return status == 503 and checks.get("consumers") == "ConsumerStopped"

    async with running(worker_of(runtime, kafka, probe.with_(dead_letter_limit=0))):
        await probe.state(uuid4(), "!")
        await eventually(says_so)


async def test_a_worker_without_a_broker_lives_and_is_not_ready(
    runtime: Runtime, probe: Probe, eventually: Eventually, outbox_rows: OutboxRows
) -> None:
    async def says_so() -> bool:
        status, checks = await readiness(runtime)
        return status == 503 and checks["broker"] != "ok" and checks["database"] == "ok"

    async with running(worker_of(runtime, Kafka(f"127.0.0.1:{free_port()}"), probe.subscription)):
        await probe.state(uuid4(), "a")
        await eventually(says_so)
    assert len(await outbox_rows()) == 1


@dataclass
class GoneBroker:
    """What clients of the broker are once it has gone in mid-work: they neither finish, nor give up, nor let go.

    It stands for producer and consumer; the consumer has been given `rows` before.
    """

    rows: list[Any]
    handed_over: asyncio.Event = field(default_factory=asyncio.Event)
    committing: asyncio.Event = field(default_factory=asyncio.Event)
    back: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def client(self) -> GoneBroker:
        return self

    @property
    def cluster(self) -> GoneBroker:
        return self

    def partitions_for_topic(self, _: str) -> set[int]:
        return {0}

    def create_batch(self) -> GoneBroker:
        return self

    def append(self, **_: Any) -> bool:
        return True

    async def start(self) -> None:
        """It was there then."""

    async def send_batch(self, *_: Any, **__: Any) -> Awaitable[None]:
        self.handed_over.set()
        return asyncio.get_running_loop().create_future()

    async def getmany(self, **_: Any) -> dict[TopicPartition, list[ConsumerRecord]]:
        taken, self.rows = [self._record(place, row) for place, row in enumerate(self.rows)], []
        return {TopicPartition(TOPIC, 0): taken} if taken else {}

    async def commit(self, _: object) -> None:
        self.committing.set()
        await self.stop()

    async def stop(self) -> None:
        while not self.back.is_set():
            with suppress(asyncio.CancelledError):
                await self.back.wait()

    @staticmethod
    def _record(offset: int, row: Any) -> ConsumerRecord:
        key, headers = row["key"].encode(), headers_of(row, b"urn:kehu:probe")
        return ConsumerRecord(TOPIC, 0, offset, 0, 0, key, row["body"], None, len(key), len(row["body"]), headers)


class KafkaOf(Kafka):
    """Gives out one broker's clients, whatever they are."""

    def __init__(self, broker: GoneBroker) -> None:
        super().__init__("127.0.0.1:9")
        object.__setattr__(self, "broker", broker)

    def producer(self) -> Any:
        return self.broker  # type: ignore[attr-defined]

    def consumer(self, *_: Any, **__: Any) -> Any:
        return self.broker  # type: ignore[attr-defined]


STOPS_WITHIN = 15.0
"""It takes two or three seconds; a busy machine has its share, and what waits for the broker waits without an end."""


async def test_a_worker_stops_in_time_though_the_broker_went_away_over_its_work(
    runtime: Runtime, probe: Probe, outbox_rows: OutboxRows
) -> None:
    await probe.state(uuid4(), "a")
    waiting = await outbox_rows()
    broker = GoneBroker(list(waiting))
    worker = worker_of(runtime, KafkaOf(broker), probe.subscription)
    work = asyncio.create_task(worker.run())
    try:
        async with asyncio.timeout(30):
            await broker.handed_over.wait()
            await broker.committing.wait()
        worker.stop()
        async with asyncio.timeout(STOPS_WITHIN):
            await work
    finally:
        broker.back.set()
        await work
    # What took effect stands; what was not acknowledged is sent by the next.
    assert await probe.effects() == ["a"]
    assert await outbox_rows() == waiting


async def test_what_answers_after_the_stop_was_asked_for_is_waited_for() -> None:
    stopping, answered = asyncio.Event(), asyncio.Event()

    async def answer() -> str:
        await answered.wait()
        return "acknowledged"

    waiting = asyncio.create_task(until_stopped(answer(), stopping))
    stopping.set()
    await asyncio.sleep(0)
    answered.set()
    assert await waiting == "acknowledged"


async def test_what_a_client_of_the_broker_cancels_by_itself_is_an_outage_and_not_our_end() -> None:
    async def give_up() -> None:
        raise asyncio.CancelledError

    with pytest.raises(TimeoutError):
        await until_stopped(give_up(), asyncio.Event())


PROCESS = """
import asyncio
import sys
import time
from dataclasses import replace
from kehu_chassis.app import run_worker
from kehu_chassis.testing.http import test_settings
from kehu_chassis.testing.probe import DEFINITION, ProbeSettings

class Resolving:
    async def run(self):
        asyncio.get_running_loop().run_in_executor(None, time.sleep, float(busy))

    def stop(self):
        pass

dsn, port, bootstrap, busy = sys.argv[1:]
definition = replace(DEFINITION, parts=lambda _: [Resolving()])
run_worker(definition, test_settings(ProbeSettings, dsn, worker_port=int(port), kafka_bootstrap=bootstrap))
"""
"""A worker that leaves a thread behind which cannot be interrupted, as one that asks for the address of a broker's name."""


@pytest.mark.parametrize("busy", [0, 60])
async def test_a_process_that_is_asked_to_end_ends_cleanly(
    busy: int, service_database: ServiceDatabase, runtime: Runtime, kafka_bootstrap: str, eventually: Eventually
) -> None:
    async def is_ready() -> bool:
        return (await readiness(runtime))[0] == 200

    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        PROCESS,
        service_database.dsn("worker"),
        str(runtime.settings.worker_port),
        kafka_bootstrap,
        str(busy),
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        await eventually(is_ready)
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(STOPS_WITHIN):
            _, errors = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0
    assert b"Traceback" not in errors
