"""How far the customer service has come with what was sent to it."""

from __future__ import annotations

from typing import Final, Self

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from kehu_local.failures import Failed

__all__ = ["Uptake"]

GROUPS: Final = {
    "bank.organization.v1": "kehu.customer.bank-organization",
    "bank.party.v1": "kehu.customer.bank-party",
    "bank.account.v1": "kehu.customer.bank-account",
    "bank.transaction.v1": "kehu.customer.bank-transaction",
}
"""Who takes each inbound topic in."""


class Uptake:
    """Compares the ends of the inbound topics with what their consumers have committed."""

    def __init__(self, bootstrap: str) -> None:
        self._admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
        self._reader = AIOKafkaConsumer(*GROUPS, bootstrap_servers=bootstrap)

    async def __aenter__(self) -> Self:
        await self._admin.start()
        await self._reader.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._reader.stop()
        await self._admin.close()

    async def waiting(self) -> int:
        """How many messages have not been taken in.

        Raises:
            Failed: the broker does not answer.
        """
        try:
            return sum([await self._lag(topic, group) for topic, group in GROUPS.items()])
        except KafkaError as error:
            raise Failed(f"Kafka does not answer: {error}", "See that the suite runs: kehu status") from error

    async def _lag(self, topic: str, group: str) -> int:
        partitions = [TopicPartition(topic, number) for number in self._reader.partitions_for_topic(topic) or ()]
        ends = await self._reader.end_offsets(partitions)
        committed = await self._admin.list_consumer_group_offsets(group)
        # A group that has not committed yet has all of a partition before it; -1 says so too.
        return sum(
            end - max(committed[partition].offset if partition in committed else 0, 0)
            for partition, end in ends.items()
        )
