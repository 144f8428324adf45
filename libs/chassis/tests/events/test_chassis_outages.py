"""PostgreSQL restarted and the broker stopped under writes, with servers of these tests' own."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from aiokafka import TopicPartition

from kehu_chassis.app import open_runtime
from kehu_chassis.clock import FixedClock
from kehu_chassis.consumer import Consumer
from kehu_chassis.database import TRANSIENT, Database, DatabaseUnavailable
from kehu_chassis.kafka import Kafka, create_topics
from kehu_chassis.relay import Relay
from kehu_chassis.testing.databases import copied_database, ensure_template
from kehu_chassis.testing.http import test_settings as settings_for
from kehu_chassis.testing.parts import running
from kehu_chassis.testing.plugin import FAST, Eventually, OutboxRows, jars_folder
from kehu_chassis.testing.probe import DEFINITION, TOPIC, Probe, ProbeSettings
from kehu_chassis.testing.servers import KafkaServer, PostgresServer, free_port
from kehu_contracts.topics import TOPICS

STOPS_WITHIN = 15.0


@pytest.fixture
def own_postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    with PostgresServer(_folder(tmp_path_factory), free_port(), settings=FAST | {"shared_buffers": "16MB"}) as server:
        yield server


@pytest.fixture
def own_kafka(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Iterator[KafkaServer]:
    port, controller_port = free_port(), free_port()
    folder = _folder(tmp_path_factory)
    with KafkaServer(folder, port, jars_folder(pytestconfig), controller_port=controller_port, heap="256m") as server:
        yield server


def _folder(factory: pytest.TempPathFactory) -> Path:
    # The server of a test that root runs has a user of its own, who must reach its folder.
    folder = factory.mktemp("server")
    for parent in (folder, folder.parent, folder.parent.parent):
        parent.chmod(0o755)
    return folder / "data"


@asynccontextmanager
async def suite(database: Database, kafka: Kafka, probe: Probe, clock: FixedClock) -> AsyncIterator[None]:
    """A relay and a consumer at work."""
    await create_topics(kafka, [topic for topic in TOPICS if topic.name == TOPIC])
    relay = Relay(database, kafka, "probe")
    consumer = Consumer(database, kafka, "probe", probe.subscription, clock)
    async with running(relay, consumer):
        yield


async def sequences(probe: Probe) -> dict[str, list[int]]:
    """The sequences in the order of their effects, per subject."""
    taken: dict[str, list[int]] = defaultdict(list)
    for row in await probe.rows("effects"):
        taken[row["subject"]].append(row["sequence"])
    return dict(taken)


async def test_postgresql_restarted_under_writes_loses_and_doubles_nothing(
    own_postgres: PostgresServer, kafka: Kafka, clock: FixedClock, eventually: Eventually
) -> None:
    template = await ensure_template(own_postgres.dsn, DEFINITION.schema, DEFINITION.migrations)
    async with copied_database(own_postgres.dsn, DEFINITION.schema, template) as copied:
        database = await Database.connect(copied.dsn("worker"), schema=DEFINITION.schema, wait=2)
        probe = Probe(database, clock)
        customers = [uuid4() for _ in range(5)]
        written: dict[UUID, int] = dict.fromkeys(customers, 0)
        refused = 0

        async def write(rounds: int) -> None:
            nonlocal refused
            for _ in range(rounds):
                for customer in customers:
                    try:
                        await probe.state(customer, "v")
                    except TRANSIENT:
                        refused += 1
                    else:
                        written[customer] += 1

        async def all_taken() -> bool:
            try:
                return await sequences(probe) == {str(one): list(range(1, n + 1)) for one, n in written.items()}
            except TRANSIENT:
                return False

        async with suite(database, kafka, probe, clock):
            await write(20)
            restart = asyncio.to_thread(_restart, own_postgres)
            _, _ = await asyncio.gather(restart, write(40))
            await write(20)
            await eventually(all_taken)
        assert refused > 0
        await database.close()


async def test_a_process_that_starts_while_postgresql_does_not_answer_waits_for_it(
    own_postgres: PostgresServer,
) -> None:
    template = await ensure_template(own_postgres.dsn, DEFINITION.schema, DEFINITION.migrations)
    async with copied_database(own_postgres.dsn, DEFINITION.schema, template) as copied:
        settings = settings_for(ProbeSettings, copied.dsn("worker"))
        await asyncio.to_thread(own_postgres.stop)
        back = asyncio.create_task(asyncio.to_thread(own_postgres.start))
        async with open_runtime(DEFINITION, settings, "worker") as runtime:
            await runtime.database.ping()
        await back


async def test_a_process_gives_a_postgresql_up_that_stays_away(
    own_postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kehu_chassis.app.DATABASE_WITHIN", 0.5)
    await asyncio.to_thread(own_postgres.stop)
    settings = settings_for(ProbeSettings, own_postgres.dsn)
    with pytest.raises(DatabaseUnavailable):
        async with open_runtime(DEFINITION, settings, "worker"):
            pytest.fail("it opened without a database")


def _restart(server: PostgresServer) -> None:
    server.stop()
    server.start()


async def test_a_broker_stopped_under_writes_delays_and_loses_nothing(
    own_kafka: KafkaServer,
    worker_database: Database,
    probe: Probe,
    clock: FixedClock,
    eventually: Eventually,
    outbox_rows: OutboxRows,
) -> None:
    kafka = Kafka(own_kafka.bootstrap, session_timeout=6.0)
    customers = [uuid4() for _ in range(5)]
    count = 0

    async def write(rounds: int) -> None:
        nonlocal count
        for _ in range(rounds):
            for customer in customers:
                await probe.state(customer, "v")
            count += 1

    async def all_taken() -> bool:
        return await sequences(probe) == {str(customer): list(range(1, count + 1)) for customer in customers}

    async with suite(worker_database, kafka, probe, clock):
        await write(10)
        await asyncio.to_thread(own_kafka.stop)
        # Writes go on; the broker is away for as long as they take, and for its own start.
        await write(30)
        await asyncio.to_thread(own_kafka.start)
        await write(10)
        await eventually(all_taken)
    assert await order_on_the_topic(kafka) == {str(customer): list(range(1, count + 1)) for customer in customers}
    # While it is away, a stop does not wait for it: neither the relay, which has handed events over, nor the consumer.
    async with suite(worker_database, kafka, probe, clock):
        await write(1)
        await eventually(all_taken)
        await asyncio.to_thread(own_kafka.stop)
        await write(1)
        stopped_at = time.monotonic()
        # What waits for the broker all the same is let go in the end.
        back = threading.Timer(STOPS_WITHIN, own_kafka.start)
        back.start()
    took = time.monotonic() - stopped_at
    back.cancel()
    back.join()
    assert took < STOPS_WITHIN
    assert len(await outbox_rows()) == len(customers)


async def order_on_the_topic(kafka: Kafka) -> dict[str, list[int]]:
    """The sequences per subject as any reader finds them who drops repeated ids."""
    reader = kafka.reader()
    await reader.start()
    try:
        places = [TopicPartition(TOPIC, partition) for partition in range(6)]
        ends = await reader.end_offsets(places)
        reader.assign(places)
        await reader.seek_to_beginning()
        seen: set[bytes] = set()
        found: dict[str, list[int]] = defaultdict(list)
        read = 0
        while read < sum(ends.values()):
            for batch in (await reader.getmany(timeout_ms=1000)).values():
                for record in batch:
                    read += 1
                    headers = dict(record.headers)
                    if headers["ce_id"] not in seen:
                        seen.add(headers["ce_id"])
                        found[headers["ce_subject"].decode()].append(int(headers["ce_sequence"]))
        return dict(found)
    finally:
        await reader.stop()
