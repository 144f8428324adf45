"""What a subscription's effects are when the broker repeats, reorders, loses and when messages are broken."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import pytest

from kehu_chassis import inbox, outbox
from kehu_chassis.clock import FixedClock
from kehu_chassis.consumer import Message, Subscription
from kehu_chassis.database import Database, DatabaseUnavailable, Transaction
from kehu_chassis.delivery import Delivery
from kehu_chassis.message import from_headers
from kehu_chassis.testing.events import Deliver
from kehu_chassis.testing.plugin import OutboxRows
from kehu_chassis.testing.probe import Probe
from kehu_contracts.bank import BankUnit
from kehu_contracts.codes import UnitKind
from kehu_contracts.customer import CustomerMerged, CustomerProfileChanged

from .conftest import story


async def test_every_message_takes_effect_once_however_often_it_comes(
    deliver: Deliver, probe: Probe, customer: UUID
) -> None:
    messages = story(deliver, probe, customer, "abc")
    await deliver(probe.subscription, [messages[0], messages[0], messages[1]])
    await deliver(probe.subscription, messages)
    await deliver(probe.subscription, messages)
    assert await probe.effects() == ["a", "b", "c"]


async def test_a_late_rewrite_of_a_paused_relay_is_dropped_by_its_sequence(
    deliver: Deliver, probe: Probe, customer: UUID, worker_database: Database
) -> None:
    messages = story(deliver, probe, customer, "abc")
    await deliver(probe.subscription, messages)
    async with worker_database.begin() as tx:
        await tx.connection.execute("DELETE FROM inbox")
    await deliver(probe.subscription, [messages[1]])
    assert await probe.effects() == ["a", "b", "c"]
    # It takes nothing back: the next one follows on the last.
    await deliver(probe.subscription, story(deliver, probe, customer, "d"))
    assert await probe.effects() == ["a", "b", "c", "d"]


async def test_messages_out_of_order_in_a_batch_take_effect_in_order(
    deliver: Deliver, probe: Probe, customer: UUID
) -> None:
    a, b, c, d = story(deliver, probe, customer, "abcd")
    await deliver(probe.subscription, [c, a, d, b])
    assert await probe.effects() == ["a", "b", "c", "d"]


async def test_messages_out_of_order_across_batches_are_held_until_the_gap_closes(
    deliver: Deliver, probe: Probe, customer: UUID
) -> None:
    a, b, c, d, e = story(deliver, probe, customer, "abcde")
    other = story(deliver, probe, uuid4(), "x")
    await deliver(probe.subscription, [a, e])
    await deliver(probe.subscription, [c, *other])
    assert await probe.effects() == ["a", "x"]
    assert {row["cause"] for row in await probe.rows("held_messages")} == {"gap"}
    await deliver(probe.subscription, [b])
    assert await probe.effects() == ["a", "x", "b", "c"]
    await deliver(probe.subscription, [c, d])
    assert await probe.effects() == ["a", "x", "b", "c", "d", "e"]
    assert await probe.rows("held_messages") == []


async def test_a_compacted_topic_has_gaps_by_design_so_nothing_is_held(
    deliver: Deliver, probe: Probe, customer: UUID
) -> None:
    a, b, c = (replace(message, topic="kehu.customer-state.v1") for message in story(deliver, probe, customer, "abc"))
    await deliver(probe.subscription, [a])
    await deliver(probe.subscription, [c])
    assert await probe.effects() == ["a", "c"]
    # What the newer one has replaced is of the past.
    await deliver(probe.subscription, [b])
    assert await probe.effects() == ["a", "c"]
    assert await probe.rows("held_messages") == []


async def test_a_gap_of_one_subscription_is_none_of_anothers_business(
    deliver: Deliver, probe: Probe, customer: UUID
) -> None:
    first, second = probe.subscription, probe.with_(name="second")
    a, b, c = story(deliver, probe, customer, "abc")
    for subscription in (first, second):
        await deliver(subscription, [a, c])
    await deliver(second, [b])
    assert await probe.effects() == ["a", "a", "b", "c"]
    await deliver(first, [b])
    assert await probe.effects() == ["a", "a", "b", "c", "b", "c"]


async def test_a_gap_that_never_closes_is_given_up_and_what_was_held_goes_on(
    deliver: Deliver, probe: Probe, customer: UUID, worker_database: Database, clock: FixedClock
) -> None:
    a, b, c, d = story(deliver, probe, customer, "abcd")
    unwanted = deliver.message(probe.changed(customer, "?"), type="kehu.customer.of_a_later_version")
    await deliver(probe.subscription, [a, unwanted, d, c])
    delivery = Delivery(worker_database, probe.subscription, clock)
    await delivery.care()
    assert await probe.effects() == ["a"]
    async with worker_database.begin() as tx:
        await tx.connection.execute("UPDATE held_messages SET held_at = held_at - $1::interval", inbox.GAP_PATIENCE)
    await delivery.care()
    assert await probe.effects() == ["a", "c", "d"]
    assert await probe.rows("held_messages") == await probe.rows("dead_letters") == []
    # The lost one comes after all: too late, since its effect would stand behind later ones.
    await deliver(probe.subscription, [b])
    assert await probe.effects() == ["a", "c", "d"]


async def test_types_that_are_not_wanted_count_for_the_sequence_alone(
    deliver: Deliver, probe: Probe, customer: UUID, clock: FixedClock
) -> None:
    first = deliver.message(probe.changed(customer, "a"))
    merged = CustomerMerged(customer_id=customer, merge_id=uuid4(), survivor_id=uuid4(), merged_at=clock.now())
    between = deliver.message(merged)
    unknown = deliver.message(probe.changed(customer, "?"), type="kehu.customer.of_a_later_version")
    last = deliver.message(probe.changed(customer, "b"))
    await deliver(probe.subscription, [first, unknown, last])
    await deliver(probe.subscription, [unknown])
    assert await probe.effects() == ["a"]
    await deliver(probe.subscription, [between, between])
    await deliver(probe.subscription, [first, between, unknown, last])
    assert await probe.effects() == ["a", "b"]
    assert await probe.rows("held_messages") == []
    # Only what may take effect is remembered by its id; the rest would fill the table, and its sequence fences it.
    assert {row["message_id"] for row in await probe.rows("inbox")} == {first.id, last.id}


async def test_the_banks_sequence_only_rises_so_nothing_is_held(deliver: Deliver) -> None:
    taken: list[int] = []

    async def take(_: Transaction, messages: Sequence[Message]) -> None:
        taken.extend(message.sequence for message in messages)

    subscription = Subscription("bank", ("bank.organization.v1",), take)
    unit = BankUnit(source="core", source_id="U1", name="Branch", kind=UnitKind.BRANCH, active=True)
    messages = [deliver.message(unit, sequence=sequence) for sequence in (5, 3, 9)]
    await deliver(subscription, messages)
    await deliver(subscription, messages)
    assert taken == [5, 3, 9]


async def test_an_outage_of_the_database_blames_no_message(deliver: Deliver, probe: Probe, customer: UUID) -> None:
    async def cut(tx: Transaction, _: Sequence[Message]) -> None:
        await tx.connection.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    messages = story(deliver, probe, customer, "ab")
    with pytest.raises(DatabaseUnavailable):
        await deliver(probe.with_(handle=cut), messages)
    assert await probe.rows("dead_letters") == []
    await deliver(probe.subscription, messages)
    assert await probe.effects() == ["a", "b"]


async def test_an_outage_while_a_failing_message_is_tried_alone_blames_it_no_more_than_before(
    deliver: Deliver, probe: Probe, customer: UUID
) -> None:
    failures = [RuntimeError("its fault"), ConnectionError("not its fault")]

    async def fail(_: Transaction, __: Sequence[Message]) -> None:
        raise failures.pop(0)

    messages = story(deliver, probe, customer, "a")
    with pytest.raises(ConnectionError):
        await deliver(probe.with_(handle=fail), messages)
    assert failures == []
    assert await probe.rows("dead_letters") == []
    await deliver(probe.subscription, messages)
    assert await probe.effects() == ["a"]


async def test_events_of_a_failed_attempt_leave_once(
    deliver: Deliver, probe: Probe, customer: UUID, clock: FixedClock, outbox_rows: OutboxRows
) -> None:
    async def answer(tx: Transaction, messages: Sequence[Message]) -> None:
        for message in messages:
            outbox.add(tx, probe.changed(customer, "answer"), at=clock.now(), cause=message)
        await probe.handle(tx, messages)

    probe.poison = {"!"}
    await deliver(probe.with_(handle=answer), story(deliver, probe, uuid4(), "ab!"))
    assert len(await outbox_rows(CustomerProfileChanged)) == 2


async def test_ids_are_forgotten_after_their_retention(
    deliver: Deliver, probe: Probe, worker_database: Database
) -> None:
    await deliver(probe.subscription, story(deliver, probe, uuid4(), "ab"))
    async with worker_database.begin() as tx:
        await tx.connection.execute("UPDATE inbox SET taken_at = taken_at - $1::interval", inbox.RETENTION)
        assert await inbox.prune(tx) == 2
        assert await inbox.prune(tx) == 0


def test_a_foreign_id_that_is_no_uuid_is_told_apart_by_its_source() -> None:
    def read(source: bytes) -> Any:
        headers = [
            ("ce_id", b"4711"),
            ("ce_type", b"bank.unit.stated"),
            ("ce_source", source),
            ("ce_time", b"2026-03-02T09:00:00+08:00"),
            ("ce_subject", b"U1"),
        ]
        return from_headers(headers, key=None, body=b"{}", topic="bank.organization.v1", partition=0, offset=0)

    assert read(b"urn:bank:core").id == read(b"urn:bank:core").id
    assert read(b"urn:bank:core").id != read(b"urn:bank:cards").id
    assert read(b"urn:bank:core").key == "U1"
    assert read(b"urn:bank:core").sequence == 0
