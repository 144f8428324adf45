"""What is on its way to the suite's consumers: counted until each of them has committed it."""

from __future__ import annotations

import pytest

from kehu_chassis.kafka import Kafka, create_topics
from kehu_chassis.testing.servers import free_port
from kehu_contracts.topics import TOPICS
from kehu_local.failures import START_IT, Failed
from kehu_local.uptake import Uptake

PARTY, ACCOUNT = "bank.party.v1", "bank.account.v1"
GROUP = "kehu.customer.bank"


async def send(kafka: Kafka, topic: str, count: int) -> None:
    producer = kafka.producer()
    await producer.start()
    for number in range(count):
        await producer.send_and_wait(kafka.physical(topic), b"{}", key=str(number).encode())
    await producer.stop()


async def test_a_topic_of_which_its_readers_have_committed_nothing_is_unread(kafka: Kafka) -> None:
    await create_topics(kafka, [topic for topic in TOPICS if topic.name in {PARTY, ACCOUNT}])
    await send(kafka, PARTY, 2)
    await send(kafka, ACCOUNT, 3)
    reader = kafka.consumer(GROUP, (PARTY, ACCOUNT), max_batch=10)
    await reader.start()
    another = kafka.consumer("kehu.customer.party", (PARTY,), max_batch=10)
    await another.start()
    async with Uptake(kafka.bootstrap, prefix=kafka.prefix) as uptake:
        assert await uptake.waiting() == 5 + 2
        ends = await reader.end_offsets([place for place in reader.assignment() if place.topic.endswith(PARTY)])
        await reader.commit({place: end for place, end in ends.items() if end})
        assert await uptake.waiting() == 3 + 2
        # Who has left is still expected to take what he asked for.
        await reader.stop()
        await another.stop()
        assert await uptake.waiting() == 3 + 2


async def test_a_reader_whom_the_broker_does_not_know_yet_has_all_before_it(kafka: Kafka) -> None:
    await create_topics(kafka, [topic for topic in TOPICS if topic.name in {PARTY, ACCOUNT}])
    await send(kafka, PARTY, 2)
    await send(kafka, ACCOUNT, 3)
    groups = {kafka.prefix + GROUP: {kafka.physical(PARTY), kafka.physical("bank.none.v1")}}
    async with Uptake(kafka.bootstrap, groups) as uptake:
        assert await uptake.waiting() == 2


async def test_a_broker_that_does_not_answer_is_told_with_what_to_do() -> None:
    with pytest.raises(Failed, match=r"Kafka at .* does not answer") as told:
        async with Uptake(f"127.0.0.1:{free_port()}"):
            pytest.fail("nobody listens there")
    assert told.value.remedy == START_IT
