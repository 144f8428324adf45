"""The broker's topics, made to agree with the topic file of the contracts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, for_code

from kehu_contracts.topics import FOREVER, TOPICS, Topic
from kehu_local.failures import no_broker

__all__ = ["Change", "apply_topics", "plan_topics"]

MOST_REPLICAS: Final = 3


@dataclass(frozen=True, slots=True)
class Change:
    """One difference between the topic file and the broker. What is not `applicable` needs a person."""

    topic: str
    what: str
    applicable: bool = True


async def plan_topics(bootstrap: str) -> list[Change]:
    """The differences, none of them applied."""
    return await _with_admin(bootstrap, _differences)


async def apply_topics(bootstrap: str) -> list[Change]:
    """Create what is missing and set what differs; returns the differences there were, applied or not.

    The number of partitions is never changed: keys would move to other partitions and lose their order.
    """

    async def apply(admin: AIOKafkaAdminClient) -> list[Change]:
        changes = await _differences(admin)
        changed = {change.topic for change in changes if change.applicable}
        existing = set(await admin.list_topics())
        topics = [topic for topic in TOPICS if topic.name in changed]
        await _create(admin, [topic for topic in topics if topic.name not in existing])
        await _configure(admin, [topic for topic in topics if topic.name in existing])
        return changes

    return await _with_admin(bootstrap, apply)


async def _with_admin(bootstrap: str, use: Any) -> list[Change]:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, client_id="kehu-topics", request_timeout_ms=15_000)
    try:
        await admin.start()
        changes: list[Change] = await use(admin)
    except KafkaError as error:
        raise no_broker(bootstrap, error) from error
    else:
        return changes
    finally:
        await admin.close()


async def _differences(admin: AIOKafkaAdminClient) -> list[Change]:
    partitions = {found["topic"]: len(found["partitions"]) for found in await admin.describe_topics()}
    configs = await _configs(admin, [topic for topic in TOPICS if topic.name in partitions])
    changes = []
    for topic in TOPICS:
        if topic.name not in partitions:
            changes.append(Change(topic.name, f"create with {topic.partitions} partitions"))
            continue
        if partitions[topic.name] != topic.partitions:
            what = f"has {partitions[topic.name]} partitions, should have {topic.partitions}"
            changes.append(Change(topic.name, what, applicable=False))
        for key, wanted in _wanted(topic).items():
            found = configs[topic.name].get(key)
            if found != wanted:
                changes.append(Change(topic.name, f"{key}: {found} becomes {wanted}"))
    return changes


def _wanted(topic: Topic) -> Mapping[str, str]:
    hours = topic.retention_hours
    return {"cleanup.policy": topic.cleanup, "retention.ms": "-1" if hours == FOREVER else str(hours * 3_600_000)}


async def _configs(admin: AIOKafkaAdminClient, topics: Iterable[Topic]) -> dict[str, dict[str, str]]:
    resources = [ConfigResource(ConfigResourceType.TOPIC, topic.name, dict(_wanted(topic))) for topic in topics]
    if not resources:
        return {}
    found: dict[str, dict[str, str]] = {}
    for response in await admin.describe_configs(resources):
        for code, message, _, name, entries in response.resources:
            if code:
                raise for_code(code)(f"{name}: {message}")
            found[name] = {entry[0]: entry[1] for entry in entries}
    return found


async def _create(admin: AIOKafkaAdminClient, topics: list[Topic]) -> None:
    if not topics:
        return
    replicas = min(MOST_REPLICAS, len((await admin.describe_cluster())["brokers"]))
    new = [NewTopic(topic.name, topic.partitions, replicas, topic_configs=dict(_wanted(topic))) for topic in topics]
    response = await admin.create_topics(new)
    for name, code, message, *_ in response.topic_errors:
        if code:
            raise for_code(code)(f"{name}: {message}")


async def _configure(admin: AIOKafkaAdminClient, topics: list[Topic]) -> None:
    if not topics:
        return
    resources = [ConfigResource(ConfigResourceType.TOPIC, topic.name, dict(_wanted(topic))) for topic in topics]
    for response in await admin.alter_configs(resources):
        for code, message, _, name in response.resources:
            if code:
                raise for_code(code)(f"{name}: {message}")
