"""Every event of the timeline becomes one entry that follows from it alone and names nobody."""

from __future__ import annotations

from datetime import UTC, date, datetime
from uuid import UUID, uuid4

import pytest

from kehu_contracts.base import Event
from kehu_contracts.campaign import ContactDecided, ContactDeliveryChanged
from kehu_contracts.codes import (
    Channel,
    ComplaintAction,
    ComplaintState,
    DecisionOutcome,
    DeliveryState,
    HolderRole,
    ProductClass,
    Purpose,
    Tier,
)
from kehu_contracts.complaint import ComplaintReceived, ComplaintStateChanged
from kehu_contracts.customer import InteractionRecorded
from kehu_contracts.holding import AccountStated
from kehu_contracts.segment import TierChanged
from kehu_customer.timeline.rules import ENTRIES, TIMELINE_TYPES, Entry, entry_of

CUSTOMER = UUID(int=1)
THING = UUID(int=2)
EVENT = UUID(int=3)
AT = datetime(2026, 3, 2, 1, tzinfo=UTC)


def account(opened_on: date, account_id: UUID = THING) -> AccountStated:
    return AccountStated(
        customer_id=CUSTOMER,
        account_id=account_id,
        holder_role=HolderRole.OWNER,
        counts=True,
        product_class=ProductClass.CURRENT,
        product_code="CUR",
        parent_account_id=None,
        currency="CNY",
        opened_on=opened_on,
        closed_on=None,
    )


def decision(outcome: DecisionOutcome) -> ContactDecided:
    return ContactDecided(
        campaign_id=THING,
        campaign_code="GOLD",
        customer_id=CUSTOMER,
        decision_id=UUID(int=9),
        purpose=Purpose.MARKETING,
        channel=Channel.SMS,
        outcome=outcome,
        reason="allowed",
        decided_at=AT,
    )


def test_an_account_opens_once_however_often_it_is_stated_and_at_the_banks_midnight() -> None:
    first = entry_of(account(date(2026, 3, 2)), uuid4())
    again = entry_of(account(date(2026, 3, 2)), uuid4())
    assert first == again
    assert first is not None
    assert first.occurred_at.astimezone(UTC) == datetime(2026, 3, 1, 16, tzinfo=UTC)
    assert first != entry_of(account(date(2026, 3, 2), UUID(int=8)), uuid4())


def test_a_refused_contact_is_not_on_the_timeline() -> None:
    assert entry_of(decision(DecisionOutcome.REFUSED), EVENT) is None
    assert entry_of(decision(DecisionOutcome.ALLOWED), EVENT) == Entry(
        CUSTOMER, AT, UUID(int=9), "campaign_contact_allowed", "sms", THING, {"campaign_code": "GOLD"}
    )


def test_a_complaint_of_nobody_known_is_not_on_a_timeline() -> None:
    received = ComplaintReceived(
        complaint_id=THING,
        complaint_number="CP20260302000001",
        customer_id=None,
        kind="complaint",
        channel=Channel.PHONE,
        category="fees",
        unit_id=UUID(int=5),
        received_at=AT,
        open=True,
    )
    assert entry_of(received, EVENT) is None
    assert entry_of(received.model_copy(update={"customer_id": CUSTOMER}), EVENT) == Entry(
        CUSTOMER,
        AT,
        EVENT,
        "complaint_received",
        "phone",
        THING,
        {"complaint_number": "CP20260302000001", "kind": "complaint", "category": "fees"},
    )


def test_a_manual_interaction_is_known_by_its_own_id() -> None:
    recorded = InteractionRecorded(
        customer_id=CUSTOMER, interaction_id=THING, channel=Channel.PHONE, direction="inbound", occurred_at=AT
    )
    assert entry_of(recorded, EVENT) == Entry(
        CUSTOMER, AT, THING, "interaction", "phone", THING, {"direction": "inbound"}
    )


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (
            TierChanged(customer_id=CUSTOMER, from_tier=None, to_tier=Tier.VIP, changed_at=AT),
            Entry(CUSTOMER, AT, EVENT, "tier_changed", attributes={"from_tier": None, "to_tier": "vip"}),
        ),
        (
            ContactDeliveryChanged(
                campaign_id=THING,
                campaign_code="GOLD",
                customer_id=CUSTOMER,
                message_id=UUID(int=7),
                channel=Channel.SMS,
                state=DeliveryState.DELIVERED,
                changed_at=AT,
            ),
            Entry(
                CUSTOMER,
                AT,
                EVENT,
                "campaign_delivery",
                "sms",
                THING,
                {"campaign_code": "GOLD", "state": "delivered"},
            ),
        ),
        (
            ComplaintStateChanged(
                complaint_id=THING,
                complaint_number="CP20260302000001",
                customer_id=CUSTOMER,
                action=ComplaintAction.CLOSE,
                from_state=ComplaintState.NOTIFIED,
                to_state=ComplaintState.CLOSED,
                changed_at=AT,
                open=False,
            ),
            Entry(
                CUSTOMER,
                AT,
                EVENT,
                "complaint_state_changed",
                reference_id=THING,
                attributes={"complaint_number": "CP20260302000001", "action": "close", "state": "closed"},
            ),
        ),
    ],
)
def test_an_event_becomes_its_entry(event: Event, expected: Entry) -> None:
    assert entry_of(event, EVENT) == expected


def test_every_type_that_can_come_out_can_be_filtered_by() -> None:
    assert len(ENTRIES) == len(TIMELINE_TYPES)
