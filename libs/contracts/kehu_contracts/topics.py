"""The topics: who owns them, how they are keyed, how long they keep. `kehu topics apply` makes the broker agree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

__all__ = ["DEAD_LETTERS", "FOREVER", "TOPICS", "Topic"]

FOREVER: Final = -1
DAY: Final = 24


@dataclass(frozen=True, slots=True)
class Topic:
    """One Kafka topic.

    `retention_hours` is how long messages stay (`FOREVER` for all time); a compacted topic keeps the last message of each key.
    """

    name: str
    owner: str
    key: str
    description: str
    partitions: int = 6
    retention_hours: int = 90 * DAY
    cleanup: Literal["delete", "compact"] = "delete"


DEAD_LETTERS: Final = "kehu.dead-letter.v1"

TOPICS: Final[tuple[Topic, ...]] = (
    Topic("kehu.customer.v1", "customer", "customer id", "What happened to customers", retention_hours=FOREVER),
    Topic(
        "kehu.customer-state.v1",
        "customer",
        "customer id",
        "Customers as they stand",
        cleanup="compact",
        retention_hours=FOREVER,
    ),
    Topic(
        "kehu.holding.v1",
        "customer",
        "customer id",
        "Accounts, balances and transactions per holder",
        retention_hours=FOREVER,
    ),
    Topic(
        "kehu.organization.v1",
        "customer",
        "unit or staff id",
        "The organisation tree",
        partitions=1,
        retention_hours=FOREVER,
    ),
    Topic("kehu.segment.v1", "segmentation", "customer id", "Segment and tier changes", retention_hours=FOREVER),
    Topic(
        "kehu.segment-state.v1",
        "segmentation",
        "customer id",
        "Memberships as they stand",
        cleanup="compact",
        retention_hours=FOREVER,
    ),
    Topic("kehu.complaint.v1", "complaints", "customer id", "The life of complaints", retention_hours=FOREVER),
    Topic(
        "kehu.campaign.v1",
        "campaigns",
        "customer id",
        "Campaigns, decisions, deliveries, conversions",
        retention_hours=FOREVER,
    ),
    Topic("bank.party.v1", "core banking", "party source id", "Parties of the source systems"),
    Topic("bank.account.v1", "core banking", "account source id", "Accounts, balances, product openings"),
    Topic("bank.transaction.v1", "core banking", "account source id", "Posted movements"),
    Topic("bank.organization.v1", "core banking", "unit code or staff number", "Units and staff", partitions=1),
    Topic(
        DEAD_LETTERS, "every service", "key of the message", "Messages that could not be handled, and why", partitions=1
    ),
)
