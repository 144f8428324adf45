"""A message reads its own body."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

from kehu_chassis.message import Message
from kehu_contracts.codes import Tier
from kehu_contracts.segment import TierChanged


def test_a_changed_copy_does_not_remember_what_the_first_one_read() -> None:
    at = datetime(2026, 3, 2, tzinfo=UTC)
    first, second = (
        TierChanged(customer_id=UUID(int=1), from_tier=None, to_tier=tier, changed_at=at)
        for tier in (Tier.VIP, Tier.PRIVATE)
    )
    message = Message(
        id=UUID(int=2),
        type=first.event_type,
        source="urn:kehu:segmentation",
        subject=str(first.subject_id()),
        time=at,
        sequence=1,
        key=str(first.key_id()),
        body=first.model_dump_json().encode(),
        topic=first.topic,
    )
    assert message.parse() == first
    assert replace(message, body=second.model_dump_json().encode()).parse() == second
