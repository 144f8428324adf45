"""Events leave with their transaction, numbered without a gap."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from uuid import uuid4

import pytest

from kehu_chassis import outbox, outgoing
from kehu_chassis.clock import FixedClock
from kehu_chassis.columns import new_id
from kehu_chassis.database import Database
from kehu_chassis.testing.databases import lock_waits
from kehu_chassis.testing.events import Deliver
from kehu_chassis.testing.plugin import Eventually, OutboxRows
from kehu_chassis.testing.probe import Probe
from kehu_chassis.tracing import current_trace_id, entered, new_trace
from kehu_contracts.codes import Channel
from kehu_contracts.complaint import ComplaintReceived
from kehu_contracts.customer import CustomerProfileChanged


async def test_events_are_numbered_per_topic_and_subject_in_the_order_added(
    worker_database: Database, probe: Probe, clock: FixedClock, outbox_rows: OutboxRows
) -> None:
    one, two = uuid4(), uuid4()
    async with worker_database.begin() as tx:
        for customer, value in ((one, "a"), (two, "b"), (one, "c")):
            outbox.add(tx, probe.changed(customer, value), at=clock.now())
    await probe.state(one, "d")
    rows = await outbox_rows(CustomerProfileChanged)
    assert [(row["subject"], row["sequence"], row["data"]["changed"]) for row in rows] == [
        (str(one), 1, ["a"]),
        (str(two), 1, ["b"]),
        (str(one), 2, ["c"]),
        (str(one), 3, ["d"]),
    ]
    assert {row["schema"] for row in rows} == {"urn:kehu:schema:kehu.customer.profile_changed:1"}
    assert {row["time"] for row in rows} == {clock.now()}


async def test_a_batch_of_events_is_numbered_as_a_few_are(
    worker_database: Database, probe: Probe, clock: FixedClock, outbox_rows: OutboxRows
) -> None:
    customers = [uuid4() for _ in range(3)]
    await probe.state(customers[0], "before")
    with entered(new_trace(ratio=0)):
        trace = current_trace_id()
        async with worker_database.begin() as tx:
            for number in range(outgoing.MANY):
                outbox.add(tx, probe.changed(customers[number % 3], f"{number}"), at=clock.now())
    await probe.state(customers[0], "after")
    before, *batch, after = await outbox_rows(CustomerProfileChanged)
    assert [(row["subject"], row["sequence"], row["data"]["changed"]) for row in batch] == [
        (str(customers[number % 3]), number // 3 + (2 if number % 3 == 0 else 1), [f"{number}"])
        for number in range(outgoing.MANY)
    ]
    assert (before["sequence"], after["sequence"]) == (1, 19)
    for name in ("type", "topic", "schema", "time"):
        assert {row[name] for row in batch} == {before[name]}
    assert {row["traceparent"].split("-")[1] for row in batch} == {trace}
    assert all(row["key"] == row["subject"] for row in batch)
    assert len({row["id"] for row in batch}) == outgoing.MANY


async def test_a_transaction_that_rolls_back_leaves_neither_event_nor_gap(
    worker_database: Database, probe: Probe, clock: FixedClock, outbox_rows: OutboxRows
) -> None:
    customer = uuid4()

    async def fail() -> None:
        async with worker_database.begin() as tx:
            outbox.add(tx, probe.changed(customer, "lost"), at=clock.now())
            await outgoing.write(tx.connection, tx.outgoing)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    await probe.state(customer, "kept")
    assert [(row["sequence"], row["data"]["changed"]) for row in await outbox_rows()] == [(1, ["kept"])]


async def test_concurrent_transactions_of_one_subject_leave_no_gap_and_commit_in_order(
    probe: Probe, outbox_rows: OutboxRows
) -> None:
    customers = [uuid4() for _ in range(3)]
    await asyncio.gather(*(probe.state(customers[n % 3], f"{n}", f"{n}+") for n in range(60)))
    sequences = defaultdict(list)
    for row in await outbox_rows():
        sequences[row["subject"]].append(row["sequence"])
    assert dict(sequences) == {str(customer): list(range(1, 41)) for customer in customers}


@pytest.mark.parametrize("number", [2, outgoing.MANY])
async def test_subjects_are_locked_in_one_order_whatever_the_order_of_their_events(
    worker_database: Database, probe: Probe, clock: FixedClock, eventually: Eventually, number: int
) -> None:
    first, last = sorted([uuid4(), uuid4()], key=str)
    for customer in (first, last):
        await probe.state(customer, "a")
    lock = "SELECT FROM outbox_subjects WHERE subject = $1 FOR UPDATE NOWAIT"

    async def write() -> None:
        async with worker_database.begin() as tx:
            for place in range(number):
                outbox.add(tx, probe.changed(last if place == 0 else first, "b"), at=clock.now())

    async with worker_database.begin() as holder:
        await holder.connection.execute(lock, str(first))
        writing = asyncio.create_task(write())

        async def waits() -> bool:
            async with worker_database.begin() as tx:
                return await lock_waits(tx.connection) > 0

        await eventually(waits)
        # It waits for the first with empty hands: who holds that one can have the last, too.
        await holder.connection.execute(lock, str(last))
    await writing


async def test_an_event_is_keyed_by_whom_it_is_about_and_counted_by_what(
    worker_database: Database, clock: FixedClock, outbox_rows: OutboxRows
) -> None:
    complaint = ComplaintReceived(
        complaint_id=uuid4(),
        complaint_number="CP1",
        customer_id=uuid4(),
        kind="complaint",
        channel=Channel.PHONE,
        category="fees",
        unit_id=uuid4(),
        received_at=clock.now(),
        open=True,
    )
    async with worker_database.begin() as tx:
        outbox.add(tx, complaint, at=clock.now())
    [row] = await outbox_rows()
    assert (row["key"], row["subject"]) == (str(complaint.customer_id), str(complaint.complaint_id))


async def test_a_rebuild_states_nothing(
    worker_database: Database, probe: Probe, clock: FixedClock, outbox_rows: OutboxRows
) -> None:
    async with worker_database.begin(side_effects=False) as tx:
        outbox.add(tx, probe.changed(uuid4(), "a"), at=clock.now())
    assert await outbox_rows() == []


async def test_an_event_that_no_broker_takes_is_refused_where_it_is_stated(
    worker_database: Database, clock: FixedClock
) -> None:
    async with worker_database.begin() as tx:
        huge = CustomerProfileChanged(customer_id=uuid4(), changed=("x" * 1_000_000,), changed_at=clock.now())
        with pytest.raises(outbox.EventTooLarge):
            outbox.add(tx, huge, at=clock.now())


async def test_the_trace_rides_with_the_event(
    worker_database: Database, probe: Probe, clock: FixedClock, outbox_rows: OutboxRows, deliver: Deliver
) -> None:
    with entered(new_trace(ratio=0)):
        await probe.state(uuid4(), "a")
        trace = current_trace_id()
    cause = deliver.message(probe.changed(uuid4(), "b"), traceparent=f"00-{new_id().hex}-00f067aa0ba902b7-01")
    async with worker_database.begin() as tx:
        outbox.add(tx, probe.changed(uuid4(), "c"), at=clock.now(), cause=cause)
    first, second = await outbox_rows()
    assert first["traceparent"].split("-")[1] == trace
    assert second["traceparent"] == cause.traceparent


async def test_a_savepoint_that_is_undone_takes_its_events_along(
    worker_database: Database, probe: Probe, clock: FixedClock, outbox_rows: OutboxRows
) -> None:
    customer = uuid4()

    async def undone() -> None:
        async with tx.savepoint():
            outbox.add(tx, probe.changed(customer, "undone"), at=clock.now())
            raise ZeroDivisionError

    async with worker_database.begin() as tx:
        outbox.add(tx, probe.changed(customer, "kept"), at=clock.now())
        with pytest.raises(ZeroDivisionError):
            await undone()
    assert [row["data"]["changed"] for row in await outbox_rows()] == [["kept"]]
