"""Who may see which event, and how a stream speaks: pure decisions."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Final, Self
from uuid import UUID

from kehu_contracts.access import Permission
from kehu_contracts.base import Contract, Event
from kehu_contracts.campaign import CampaignStateChanged, ContactDecided, ContactDeliveryChanged, CustomerConverted
from kehu_contracts.complaint import ComplaintDeadlineChanged, ComplaintReceived, ComplaintStateChanged
from kehu_contracts.customer import (
    ConsentChanged,
    CustomerMerged,
    CustomerProfileChanged,
    CustomerRegistered,
    CustomerUnmerged,
    InteractionRecorded,
    OwnershipChanged,
)
from kehu_contracts.holding import AccountStated, ProductOpened
from kehu_contracts.organization import StaffChanged, UnitChanged
from kehu_contracts.segment import MembershipEntered, MembershipLeft, SegmentPublished, TierChanged

__all__ = ["PERMISSIONS_OF_TYPES", "RESET", "RETRY", "Cursor", "made_at", "scope_subject", "told"]

PERMISSIONS_OF_TYPES: Final[Mapping[type[Event], Permission]] = {
    **dict.fromkeys((UnitChanged, StaffChanged), Permission.ORGANIZATION_READ),
    **dict.fromkeys(
        (
            CustomerRegistered,
            CustomerProfileChanged,
            OwnershipChanged,
            ConsentChanged,
            CustomerMerged,
            CustomerUnmerged,
            InteractionRecorded,
            AccountStated,
            ProductOpened,
        ),
        Permission.CUSTOMER_READ,
    ),
    **dict.fromkeys((SegmentPublished, MembershipEntered, MembershipLeft, TierChanged), Permission.SEGMENT_READ),
    **dict.fromkeys((ComplaintReceived, ComplaintStateChanged, ComplaintDeadlineChanged), Permission.COMPLAINT_READ),
    **dict.fromkeys(
        (CampaignStateChanged, ContactDecided, ContactDeliveryChanged, CustomerConverted), Permission.CAMPAIGN_READ
    ),
}
"""What is streamed, and what a caller needs to see it.

Not streamed: states, and the movements and balances of accounts, which are millions a day; systems read them from Kafka.
"""

RETRY: Final = b"retry: 2000\n"
RESET: Final = b"event: reset\ndata: {}\n"
"""Some events since the caller's last are no longer kept: what is shown has to be read anew."""

_CURSOR: Final = re.compile(r"^(\d{1,18})-([0-9a-f]{8})$")


def scope_subject(event: Contract) -> UUID | None:
    """Whose unit decides who may see the event; None when the permission alone does."""
    match event:
        case UnitChanged() | StaffChanged() | SegmentPublished():
            return None
        case ComplaintReceived() | ComplaintStateChanged() | ComplaintDeadlineChanged():
            return event.complaint_id
        case CampaignStateChanged():
            return event.campaign_id
        case _:
            customer_id: UUID = event.customer_id  # type: ignore[attr-defined]  # Every other streamed type has one.
            return customer_id


def made_at(message_id: UUID, otherwise: datetime) -> datetime:
    """The machine's time at which an event was made: Kehu's ids (UUIDv7) begin with it."""
    return datetime.fromtimestamp((message_id.int >> 80) / 1000, UTC) if message_id.version == 7 else otherwise


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place in the log, as `id` of a stream's events.

    The mark tells whether the event at the position is still the same: after a restore of the database it need not be.
    """

    position: int
    mark: str

    @classmethod
    def of(cls, position: int, event_id: UUID | None) -> Self:
        """The place of an event; of None, the beginning of an empty log."""
        return cls(position, sha256(event_id.bytes if event_id else b"").hexdigest()[:8])

    @classmethod
    def parse(cls, given: str) -> Self | None:
        """A cursor that a caller sends back; None when it is none of ours."""
        found = _CURSOR.match(given)
        return None if found is None else cls(int(found[1]), found[2])

    @property
    def line(self) -> bytes:
        """The `id` line."""
        return b"id: %d-%s\n" % (self.position, self.mark.encode())


def told(row: Mapping[str, Any]) -> bytes:
    """One event of a stream. The body is JSON in one line."""
    at = row["at"].astimezone(UTC).isoformat().replace("+00:00", "Z")
    head = f'{{"id":"{row["event_id"]}","type":"{row["type"]}","subject":"{row["subject"]}"'
    head += f',"sequence":{row["sequence"]},"time":"{at}","data":'
    return Cursor.of(row["position"], row["event_id"]).line + b"data: " + head.encode() + bytes(row["body"]) + b"}\n\n"
