"""Conversions: counted once, within the window, for whoever was reached; the control group apart."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from kehu_campaigns.delivery.service import report
from kehu_campaigns.gate.rules import bucket_of
from kehu_campaigns.response.consumers import OPENINGS
from kehu_chassis.clock import FixedClock
from kehu_chassis.database import Database
from kehu_chassis.scope import EVERYTHING
from kehu_chassis.testing.databases import lock_waits
from kehu_chassis.testing.events import Deliver
from kehu_chassis.testing.plugin import Eventually
from kehu_contracts.campaign import CustomerConverted
from kehu_contracts.codes import DeliveryState


async def funnel(people: Any, campaign: dict[str, Any]) -> dict[str, Any]:
    answer: dict[str, Any] = (
        await (await people.compliance()).get(f"/api/v1/campaigns/{campaign['id']}/funnel")
    ).json()
    return answer


async def delivered(fire_timers: Any, clock: Any) -> None:
    await fire_timers()
    clock.advance(timedelta(seconds=1))
    await fire_timers()


async def test_an_opening_counts_once_however_often_it_is_told(
    bank: Any, people: Any, make_running: Any, deliver: Any, fire_timers: Any, clock: Any, outbox_rows: Any
) -> None:
    manager_id = uuid4()
    (buyer,) = await bank.customers(1, primary_rm_id=manager_id)
    others = await bank.customers(3)
    campaign = await make_running(await bank.segment([buyer, *others]))
    await delivered(fire_timers, clock)
    opening = bank.opening(buyer)
    (message,) = await deliver(OPENINGS, [opening])
    await deliver(OPENINGS, [message])
    await deliver(OPENINGS, [opening])
    reached = await funnel(people, campaign)
    assert reached["contacted"] == {"members": 4, "customers": 1, "openings": 1, "rate": "25.00"}
    assert reached["amounts"] == [{"currency": "CNY", "amount": "50000.0000"}]
    (event,) = await outbox_rows(CustomerConverted)
    assert event["data"] | {"amount": None} == {
        "campaign_id": campaign["id"],
        "campaign_code": "SPRING",
        "customer_id": str(buyer),
        "opening_id": str(opening.opening_id),
        "product_code": "TD-12M",
        "amount": None,
        "currency": "CNY",
        "unit_id": str(bank.branch_a),
        "rm_id": str(manager_id),
        "converted_at": event["data"]["converted_at"],
    }
    assert Decimal(event["data"]["amount"]) == Decimal(50000)


async def test_only_the_campaigns_product_within_its_window_counts(
    bank: Any, people: Any, make_running: Any, deliver: Any, fire_timers: Any, clock: Any
) -> None:
    early, late, other, stranger, last = await bank.customers(5)
    before = clock.now() - timedelta(seconds=1)
    campaign = await make_running(await bank.segment([early, late, other, last]), conversion_window_days=10)
    await delivered(fire_timers, clock)
    reached_at = clock.now()
    await deliver(
        OPENINGS,
        [
            bank.opening(early, opened_at=before),
            bank.opening(late, opened_at=reached_at + timedelta(days=10)),
            bank.opening(last, opened_at=reached_at + timedelta(days=10, seconds=-1)),
            bank.opening(other, product_code="TD-6M"),
            bank.opening(stranger),
        ],
    )
    assert (await funnel(people, campaign))["contacted"]["openings"] == 1


async def test_an_opening_heard_of_before_its_delivery_counts_too(
    bank: Any, people: Any, make_running: Any, deliver: Any, fire_timers: Any, clock: Any, outbox_rows: Any
) -> None:
    (buyer,) = await bank.customers(1)
    campaign = await make_running(await bank.segment([buyer]))
    await fire_timers()
    # The bank's message overtakes the channel's report on a message that had arrived before.
    await deliver(OPENINGS, [bank.opening(buyer, opened_at=clock.now() + timedelta(seconds=30))])
    assert (await funnel(people, campaign))["contacted"]["openings"] == 0
    clock.advance(timedelta(seconds=40))
    await fire_timers()
    assert (await funnel(people, campaign))["contacted"]["openings"] == 1
    assert len(await outbox_rows(CustomerConverted)) == 1


async def test_an_opening_and_its_delivery_that_are_heard_of_at_the_same_moment_meet(
    bank: Any,
    people: Any,
    make_running: Any,
    deliver: Deliver,
    fire_timers: Any,
    clock: FixedClock,
    worker_database: Database,
    eventually: Eventually,
) -> None:
    (buyer,) = await bank.customers(1)
    campaign = await make_running(await bank.segment([buyer]))
    await fire_timers()
    opening = deliver.message(bank.opening(buyer, opened_at=clock.now() + timedelta(seconds=30)))

    async def hear_of_the_opening() -> None:
        async with worker_database.begin(scope=EVERYTHING) as tx:
            await OPENINGS.handle(tx, [opening])

    async def waits_or_is_done() -> bool:
        async with worker_database.begin() as tx:
            return hearing.done() or await lock_waits(tx.connection) > 0

    async with worker_database.begin(scope=EVERYTHING) as tx:
        message_id = await tx.connection.fetchval("SELECT id FROM messages")
        await report(tx, [(message_id, DeliveryState.DELIVERED, clock.now() + timedelta(seconds=10))])
        hearing = asyncio.create_task(hear_of_the_opening())
        await eventually(waits_or_is_done)
    await hearing
    assert (await funnel(people, campaign))["contacted"]["openings"] == 1


async def test_the_control_group_is_counted_apart(
    bank: Any, people: Any, make_running: Any, deliver: Any, fire_timers: Any, clock: Any, outbox_rows: Any
) -> None:
    members = await bank.customers(60)
    campaign = await make_running(await bank.segment(members), holdout_basis_points=5000)
    await delivered(fire_timers, clock)
    salt = UUID(campaign["id"]).hex
    held = [found for found in members if bucket_of(salt, found) < 5000]
    contacted = [found for found in members if bucket_of(salt, found) >= 5000]
    await deliver(OPENINGS, [bank.opening(found) for found in [*held[:2], *contacted[:5]]])
    reached = await funnel(people, campaign)
    assert (reached["holdout"]["members"], reached["holdout"]["customers"]) == (len(held), 2)
    assert (reached["contacted"]["members"], reached["contacted"]["customers"]) == (len(contacted), 5)
    # Only what a contact brought about is told as its success.
    assert len(await outbox_rows(CustomerConverted)) == 5


async def test_merged_profiles_convert_as_one_customer(
    bank: Any, people: Any, make_running: Any, deliver: Any, fire_timers: Any, clock: Any
) -> None:
    first, second = await bank.customers(2)
    campaign = await make_running(await bank.segment([first, second]))
    await delivered(fire_timers, clock)
    await deliver(OPENINGS, [bank.opening(first), bank.opening(second)])
    assert (await funnel(people, campaign))["contacted"]["customers"] == 2
    await bank.restate(second, survivor_id=first)
    merged = (await funnel(people, campaign))["contacted"]
    assert (merged["customers"], merged["openings"]) == (1, 2)
    # The other profile's purchase counts for the member that was reached.
    third, fourth = await bank.customers(2)
    await bank.restate(fourth, survivor_id=third)
    later = await make_running(await bank.segment([third], code="LATER"), code="LATER")
    await delivered(fire_timers, clock)
    await deliver(OPENINGS, [bank.opening(fourth)])
    assert (await funnel(people, later))["contacted"]["customers"] == 1
    await bank.restate(fourth, survivor_id=fourth)
    assert (await funnel(people, later))["contacted"]["openings"] == 1


async def test_credit_goes_to_whoever_was_responsible_when_the_message_arrived(
    bank: Any, people: Any, make_running: Any, deliver: Any, fire_timers: Any, clock: Any
) -> None:
    manager_id = uuid4()
    of_a = await bank.customers(2, primary_rm_id=manager_id)
    of_b = await bank.customers(1, unit_id=bank.branch_b)
    campaign = await make_running(await bank.segment([*of_a, *of_b]))
    await delivered(fire_timers, clock)
    await bank.restate(of_a[0], unit_id=bank.branch_b, primary_rm_id=uuid4())
    await deliver(OPENINGS, [bank.opening(found) for found in [*of_a, *of_b]])
    reached = await funnel(people, campaign)
    assert reached["units"] == [
        {"holder_id": str(bank.branch_a), "conversions": 2, "share": "66.67"},
        {"holder_id": str(bank.branch_b), "conversions": 1, "share": "33.33"},
    ]
    assert reached["managers"] == [
        {"holder_id": str(manager_id), "conversions": 2, "share": "66.67"},
        {"holder_id": None, "conversions": 1, "share": "33.33"},
    ]
    # With the customer goes the view of the campaign he was chosen for.
    new_manager = await people.manager("b")
    (seen,) = (await new_manager.get(f"/api/v1/customers/{of_a[0]}/campaigns")).json()["items"]
    assert (seen["reason"], seen["delivery_state"], seen["conversions"]) == ("allowed", "delivered", 1)
