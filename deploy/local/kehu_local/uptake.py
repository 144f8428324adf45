"""How far those who read topics have come with what stands on them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import AsyncExitStack
from typing import Final, Self

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.coordinator.protocol import ConsumerProtocolMemberMetadata
from aiokafka.errors import KafkaError

from kehu_local.failures import no_broker

__all__ = ["INBOUND", "Uptake"]

INBOUND: Final[Mapping[str, frozenset[str]]] = {
    "kehu.customer.bank-organization": frozenset({"bank.organization.v1"}),
    "kehu.customer.bank-party": frozenset({"bank.party.v1"}),
    "kehu.customer.bank-account": frozenset({"bank.account.v1"}),
    "kehu.customer.bank-transaction": frozenset({"bank.transaction.v1"}),
}
"""Who takes each inbound topic in."""


class Uptake:
    """Compares the ends of topics with what the groups that read them have committed.

    Args:
        bootstrap: the broker.
        groups: the topics that each group reads, be it known to the broker yet or not. None stands for every group whose
            name begins with `prefix`, and for the topics that its members ask for or that it has committed.
        prefix: how the names of a suite's groups begin.

    Raises:
        Failed: on entering, the broker does not answer.
    """

    def __init__(
        self, bootstrap: str, groups: Mapping[str, Iterable[str]] | None = None, *, prefix: str = "kehu."
    ) -> None:
        self._bootstrap = bootstrap
        self._admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
        self._reader = AIOKafkaConsumer(bootstrap_servers=bootstrap)
        self._groups = groups
        self._prefix = prefix
        self._asked_for: dict[str, set[str]] = {}
        self._partitions: dict[str, list[TopicPartition]] = {}

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self._admin.close)
            stack.push_async_callback(self._reader.stop)
            try:
                await self._admin.start()
                await self._reader.start()
            except KafkaError as error:
                raise no_broker(self._bootstrap, error) from error
            self._open = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._open.aclose()

    async def waiting(self) -> int:
        """How many messages have not been taken in; one that several groups read counts for each of them.

        Raises:
            Failed: the broker does not answer.
        """
        try:
            return await self._waiting()
        except KafkaError as error:
            raise no_broker(self._bootstrap, error) from error

    async def _waiting(self) -> int:
        groups = self._groups if self._groups is not None else await self._known_groups()
        committed = {group: await self._admin.list_consumer_group_offsets(group) for group in groups}
        reads = {
            group: {*topics, *(place.topic for place in committed[group])} if self._groups is None else set(topics)
            for group, topics in groups.items()
        }
        await self._learn_partitions(set().union(*reads.values()) - self._partitions.keys())
        places = {topic: self._partitions.get(topic, []) for topics in reads.values() for topic in topics}
        ends = await self._reader.end_offsets([place for listed in places.values() for place in listed])
        waiting = 0
        for group, topics in reads.items():
            for place in (place for topic in topics for place in places[topic]):
                # A group that has not committed yet has all of a partition before it; -1 says so too.
                taken = committed[group][place].offset if place in committed[group] else 0
                waiting += ends[place] - max(0, taken)
        return waiting

    async def _known_groups(self) -> Mapping[str, set[str]]:
        known = {name for name, *_ in await self._admin.list_consumer_groups() if name.startswith(self._prefix)}
        # What a group's members ask for stays what it is, also while they join anew and the broker tells of none. Each group
        # is asked about alone: the driver does not understand an answer about several.
        for asked in known - self._asked_for.keys():
            [answer] = await self._admin.describe_consumer_groups([asked])
            [(_, group, _, _, _, members, *_)] = answer.groups
            subscriptions = (
                ConsumerProtocolMemberMetadata.decode(member[3]).subscription for member in members if member[3]
            )
            if topics := set().union(*subscriptions):
                self._asked_for[group] = topics
        return {group: self._asked_for.get(group, set()) for group in known}

    async def _learn_partitions(self, topics: set[str]) -> None:
        if topics:
            for told in await self._admin.describe_topics(sorted(topics)):
                if told["partitions"]:
                    numbers = sorted(partition["partition"] for partition in told["partitions"])
                    self._partitions[told["topic"]] = [TopicPartition(told["topic"], number) for number in numbers]
