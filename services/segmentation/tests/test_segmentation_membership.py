"""Members enter by events and leave by time; every interval is kept and can be explained."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from kehu_chassis.clock import FixedClock
from kehu_chassis.database import Database
from kehu_chassis.scope import EVERYTHING
from kehu_chassis.testing.events import Deliver
from kehu_chassis.testing.plugin import Eventually
from kehu_contracts.access import Role
from kehu_contracts.codes import HolderRole, ProductClass
from kehu_contracts.segment import MembershipEntered, MembershipLeft, MembershipState, SegmentPublished
from kehu_segmentation.business_days import start_of_day
from kehu_segmentation.main import DEFINITION
from kehu_segmentation.membership import service


async def test_an_event_brings_a_customer_in_and_names_itself_as_the_cause(
    bank: Any, publish: Any, members: Any, rich: Any, today: date, deliver: Deliver, outbox_rows: Any
) -> None:
    customer = bank.customer()
    account = bank.account(customer.customer_id)
    await bank.tell(customer, account, bank.balance(account, today, "99999.99"))
    segment_id = await publish(rich, code="rich")
    assert await members(segment_id) == []
    holdings = DEFINITION.subscriptions(bank.runtime)[2]
    (message,) = await deliver(holdings, [bank.balance(account, today, "100000", sequence=2)])
    assert await members(segment_id) == [customer.customer_id]
    (entered,) = await outbox_rows(MembershipEntered)
    assert entered["data"] == {
        "customer_id": str(customer.customer_id),
        "segment_id": segment_id,
        "segment_code": "rich",
        "rule_version": 1,
        "entered_at": "2026-03-02T01:00:00Z",
        "cause": "event",
    }
    (state,) = await outbox_rows(MembershipState)
    assert [held["segment_code"] for held in state["data"]["memberships"]] == ["rich"]
    async with bank.runtime.database.begin() as tx:
        caused_by = await tx.connection.fetchval("SELECT entered_event_id FROM memberships")
    assert caused_by == message.id


async def test_a_member_leaves_at_the_midnight_on_which_the_window_has_passed(
    bank: Any,
    publish: Any,
    members: Any,
    rich: Any,
    today: date,
    clock: FixedClock,
    fire_timers: Any,
    outbox_rows: Any,
) -> None:
    customer = bank.customer()
    account = bank.account(customer.customer_id)
    await bank.tell(customer, account, bank.balance(account, today, "100000"))
    segment_id = await publish(rich)
    assert await members(segment_id) == [customer.customer_id]
    last_day = today + timedelta(days=89)
    clock.set(start_of_day(last_day) + timedelta(hours=23, minutes=59))
    await fire_timers()
    assert await members(segment_id) == [customer.customer_id]
    midnight = start_of_day(last_day + timedelta(days=1))
    clock.set(midnight + timedelta(seconds=1))
    await fire_timers()
    assert await members(segment_id) == []
    (left,) = await outbox_rows(MembershipLeft)
    assert left["data"]["cause"] == "timer"
    assert datetime.fromisoformat(left["data"]["left_at"]) == midnight
    assert (await outbox_rows(MembershipState))[-1]["data"]["memberships"] == []
    # The interval stands: members as of a moment are what they were then, its beginning in and its end out.
    assert await members(segment_id, midnight - timedelta(seconds=1)) == [customer.customer_id]
    assert await members(segment_id, midnight) == []
    assert await members(segment_id, datetime(2026, 3, 2, 1, 0, tzinfo=UTC)) == [customer.customer_id]
    assert await members(segment_id, datetime(2026, 3, 2, 0, 59, tzinfo=UTC)) == []


async def test_a_jump_of_the_clock_skips_no_day(
    bank: Any, publish: Any, members: Any, rich: Any, today: date, clock: FixedClock, fire_timers: Any, outbox_rows: Any
) -> None:
    customer = bank.customer()
    account = bank.account(customer.customer_id)
    await bank.tell(customer, account, bank.balance(account, today, "100000"))
    segment_id = await publish(rich)
    clock.set(start_of_day(today + timedelta(days=120)))
    await fire_timers()
    assert await members(segment_id) == []
    (left,) = await outbox_rows(MembershipLeft)
    assert datetime.fromisoformat(left["data"]["left_at"]) == start_of_day(today + timedelta(days=90))


async def test_a_member_may_enter_because_nothing_happened(
    bank: Any, publish: Any, members: Any, today: date, clock: FixedClock, fire_timers: Any
) -> None:
    dormant = {
        "type": "not",
        "rule": {"type": "transaction", "aggregate": "count", "days": 30, "operator": ">=", "value": 1},
    }
    customer = bank.customer()
    account = bank.account(customer.customer_id)
    await bank.tell(customer, account, bank.movement(account, today, "5"))
    segment_id = await publish(dormant)
    assert await members(segment_id) == []
    clock.set(start_of_day(today + timedelta(days=30)))
    await fire_timers()
    assert await members(segment_id) == [customer.customer_id]


async def test_what_was_decided_on_a_later_day_is_not_rewritten_by_an_earlier_one(
    bank: Any, publish: Any, members: Any, rich: Any, today: date, clock: FixedClock, fire_timers: Any
) -> None:
    """Events may be handled before the midnights that a jump of the clock has passed over."""
    customer = bank.customer()
    account = bank.account(customer.customer_id)
    await bank.tell(customer, account, bank.balance(account, today, "100000"))
    segment_id = await publish(rich)
    jumped = start_of_day(today + timedelta(days=100))
    clock.set(jumped)
    await bank.tell(bank.balance(account, today + timedelta(days=100), "1"))
    assert await members(segment_id) == []
    await fire_timers()
    async with bank.runtime.database.begin() as tx:
        rows = await tx.connection.fetch("SELECT valid_from, valid_to FROM memberships")
    assert [(row["valid_to"] == jumped) for row in rows] == [True]


async def test_a_publication_changes_the_members_as_a_set(
    bank: Any, publish: Any, members: Any, app_client: Any, fire_timers: Any, outbox_rows: Any, clock: FixedClock
) -> None:
    women = [bank.customer() for _ in range(3)]
    men = [bank.customer(gender="male") for _ in range(2)]
    await bank.tell(*women, *men)
    rule = {"type": "attribute", "name": "gender", "operator": "=", "value": "female"}
    segment_id = await publish(rule, code="by-gender")
    assert await members(segment_id) == sorted(woman.customer_id for woman in women)
    client = await app_client(Role.SYSTEM, Role.MARKETER)
    current = await client.get(f"/api/v1/segments/{segment_id}")
    changed = await client.patch(
        f"/api/v1/segments/{segment_id}",
        json={"rule": rule | {"value": "male"}},
        headers={"If-Match": current.headers["ETag"]},
    )
    assert changed.status_code == 200
    # A draft moves nobody.
    assert await members(segment_id) == sorted(woman.customer_id for woman in women)
    assert (await client.post(f"/api/v1/segments/{segment_id}/publications")).json()["rule_version"] == 2
    refused = await client.post(f"/api/v1/segments/{segment_id}/publications")
    assert (refused.status_code, refused.json()["code"]) == (409, "segment.publication_running")
    clock.advance(timedelta(minutes=1))
    await fire_timers()
    assert await members(segment_id) == sorted(man.customer_id for man in men)
    left = await outbox_rows(MembershipLeft)
    assert {row["data"]["customer_id"] for row in left} == {str(woman.customer_id) for woman in women}
    assert {row["data"]["cause"] for row in left} == {"publication"}
    assert [row["data"]["rule_version"] for row in await outbox_rows(SegmentPublished)] == [1, 2]
    states = (await client.get(f"/api/v1/segments/{segment_id}/publications")).json()["items"]
    assert [(version["rule_version"], version["state"]) for version in states] == [(2, "in_force"), (1, "superseded")]


async def test_a_publication_in_slices_ends_with_the_same_members(
    bank: Any, publish: Any, members: Any, monkeypatch: pytest.MonkeyPatch, outbox_rows: Any
) -> None:
    monkeypatch.setattr("kehu_segmentation.segments.jobs.SLICE", 2)
    customers = [bank.customer() for _ in range(5)]
    await bank.tell(*customers)
    segment_id = await publish({"type": "attribute", "name": "kind", "operator": "=", "value": "individual"})
    assert await members(segment_id) == sorted(customer.customer_id for customer in customers)
    assert len(await outbox_rows(SegmentPublished)) == 1


async def test_many_customers_at_once_are_judged_as_a_few_would_be(
    bank: Any, publish: Any, members: Any, rich: Any, today: date
) -> None:
    segment_id = await publish(rich)
    customers = [bank.customer() for _ in range(service.IN_MEMORY_AT_MOST + 5)]
    await bank.tell(*customers)
    accounts = [bank.account(customer.customer_id) for customer in customers]
    amounts = ["100000" if number % 2 else "99999" for number in range(len(accounts))]
    await bank.tell(
        *accounts, *(bank.balance(account, today, amount) for account, amount in zip(accounts, amounts, strict=True))
    )
    assert await members(segment_id) == sorted(customer.customer_id for customer in customers[1::2])


async def test_a_disponents_account_counts_for_nobody(
    bank: Any, publish: Any, members: Any, rich: Any, today: date
) -> None:
    owner, disponent = bank.customer(), bank.customer()
    account = bank.account(owner.customer_id)
    shared = bank.account(disponent.customer_id, account.account_id, holder_role=HolderRole.DISPONENT, counts=False)
    segment_id = await publish(rich)
    await bank.tell(
        owner,
        disponent,
        account,
        shared,
        bank.balance(account, today, "100000"),
        bank.balance(shared, today, "100000"),
    )
    assert await members(segment_id) == [owner.customer_id]


async def test_a_merged_customers_facts_count_for_the_survivor_until_the_merge_is_undone(
    bank: Any, publish: Any, members: Any, rich: Any, today: date, clock: FixedClock
) -> None:
    kept, merged = bank.customer(), bank.customer()
    account = bank.account(merged.customer_id)
    segment_id = await publish(rich)
    await bank.tell(kept, merged, account, bank.balance(account, today, "100000"))
    assert await members(segment_id) == [merged.customer_id]
    clock.advance(timedelta(minutes=1))
    await bank.tell(merged.model_copy(update={"survivor_id": kept.customer_id}))
    assert await members(segment_id) == [kept.customer_id]
    clock.advance(timedelta(minutes=1))
    await bank.tell(merged)
    assert await members(segment_id) == [merged.customer_id]


async def test_an_account_that_two_merged_customers_hold_counts_once(
    bank: Any, publish: Any, members: Any, today: date
) -> None:
    twice = {"type": "balance", "aggregate": "sum", "operator": ">=", "value": "2", "measure": "closing"}
    first, second = bank.customer(), bank.customer()
    account = bank.account(first.customer_id)
    shared = bank.account(second.customer_id, account.account_id, holder_role=HolderRole.JOINT_OWNER)
    once = await publish(twice | {"operator": "=", "value": "1"})
    double = await publish(twice)
    await bank.tell(
        first,
        second.model_copy(update={"survivor_id": first.customer_id}),
        account,
        shared,
        bank.balance(account, today, "1"),
        bank.balance(shared, today, "1"),
    )
    assert await members(once) == [first.customer_id]
    assert await members(double) == []


async def test_an_explanation_names_value_threshold_and_evidence(
    bank: Any, publish: Any, rich: Any, today: date, app_client: Any
) -> None:
    rule = {
        "type": "or",
        "rules": [{"type": "product", "where": {"product_class": ["card"], "product_code": ["gold"]}}, rich],
    }
    customer = bank.customer()
    account = bank.account(customer.customer_id)
    day = today - timedelta(days=5)
    movement = bank.movement(account, day, "20", balance_after="123456.5")
    segment_id = await publish(rule)
    await bank.tell(customer, account, movement, bank.balance(account, today, "7"))
    client = await app_client(Role.AUDITOR)
    answer = (await client.get(f"/api/v1/segments/{segment_id}/explanations/{customer.customer_id}")).json()
    assert (answer["verdict"], answer["rule_version"], answer["member_since"]) == (True, 1, "2026-03-02T01:00:00Z")
    card, balance = answer["leaves"]
    assert (card["pointer"], card["value"], card["threshold"], card["verdict"]) == ("/rules/0", 0, [1], False)
    assert (balance["pointer"], balance["value"], balance["threshold"]) == ("/rules/1", "123456.5", ["100000"])
    assert balance["evidence"] == [
        {
            "account_id": str(account.account_id),
            "transaction_id": None,
            "on": day.isoformat(),
            "amount": "123456.5000",
        }
    ]


async def test_a_card_in_the_hand_of_its_owner_is_enough(bank: Any, publish: Any, members: Any) -> None:
    customer = bank.customer()
    card = bank.account(customer.customer_id, product_class=ProductClass.CARD, product_code="gold")
    segment_id = await publish({"type": "product", "where": {"product_class": ["card"], "product_code": ["gold"]}})
    await bank.tell(customer, card)
    assert await members(segment_id) == [customer.customer_id]
    await bank.tell(card.model_copy(update={"closed_on": date(2026, 3, 1)}))
    assert await members(segment_id) == []


@pytest.mark.parametrize("customer_first", [True, False])
async def test_a_customer_and_the_first_account_that_are_told_at_the_same_moment_meet(
    bank: Any,
    publish: Any,
    members: Any,
    deliver: Deliver,
    worker_database: Database,
    eventually: Eventually,
    customer_first: bool,  # noqa: FBT001  a case
) -> None:
    segment_id = await publish({"type": "product", "where": {"product_class": ["savings"]}})
    customer = bank.customer()
    account = deliver.message(bank.account(customer.customer_id))
    _, customers, holdings = DEFINITION.subscriptions(bank.runtime)
    told = [(customers, deliver.message(customer)), (holdings, account)]
    (first, message), (second, other_message) = told if customer_first else reversed(told)

    async def take_other() -> None:
        async with worker_database.begin(scope=EVERYTHING) as tx:
            await second.handle(tx, [other_message])

    async def other_waits_or_is_done() -> bool:
        async with worker_database.begin() as tx:
            waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND database = (SELECT oid FROM pg_database"
            found = await tx.connection.fetchval(f"{waiting} WHERE datname = current_database())")
        return bool(found) or other.done()

    async with worker_database.begin(scope=EVERYTHING) as tx:
        await first.handle(tx, [message])
        other = asyncio.create_task(take_other())
        await eventually(other_waits_or_is_done)
    await other
    assert await members(segment_id) == [customer.customer_id]


async def test_a_replay_moves_nobody(
    bank: Any, publish: Any, members: Any, rich: Any, worker_database: Database, outbox_rows: Any
) -> None:
    segment_id = await publish(rich)
    before = await outbox_rows()
    async with worker_database.begin(side_effects=False) as tx:
        assert await service.reevaluate(tx, {UUID(int=1)}, service.Occasion(bank.runtime.clock.now(), "event")) == 0
    assert await members(segment_id) == []
    assert await outbox_rows() == before


async def test_an_evaluation_is_planned_for_the_customers_that_it_is_about(
    bank: Any, publish: Any, rich: Any, clock: FixedClock
) -> None:
    customers = [bank.customer() for _ in range(service.IN_MEMORY_AT_MOST + 1)]
    await bank.tell(*customers)
    await publish(rich)
    ids = {customer.customer_id for customer in customers}
    async with bank.runtime.database.begin(scope=EVERYTHING) as tx:
        # PostgreSQL may keep a plan that knows no values from the sixth run on.
        for _ in range(8):
            await service.reevaluate(tx, ids, service.Occasion(clock.now(), "event"))
        (counted,) = await tx.connection.fetch(
            "SELECT custom_plans, generic_plans FROM pg_prepared_statements WHERE ltrim(statement, E'\\n') LIKE 'WITH counting%'"
        )
    assert dict(counted) == {"custom_plans": 8, "generic_plans": 0}
