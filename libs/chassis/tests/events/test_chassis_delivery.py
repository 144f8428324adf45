"""What a subscription's effects are when the broker repeats, reorders, loses and when messages are broken."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from kehu_chassis import dead_letters, inbox, outbox
from kehu_chassis.clock import FixedClock
from kehu_chassis.columns import new_id
from kehu_chassis.consumer import Message, Subscription
from kehu_chassis.database import Database, DatabaseUnavailable, Transaction
from kehu_chassis.delivery import Delivery, TooManyDeadLetters
from kehu_chassis.message import from_headers
from kehu_chassis.testing.events import Deliver
from kehu_chassis.testing.plugin import OutboxRows
from kehu_chassis.testing.probe import TOPIC, Probe
from kehu_contracts.bank import BankUnit
from kehu_contracts.codes import UnitKind
from kehu_contracts.customer import CustomerMerged, CustomerProfileChanged
from kehu_contracts.operations import MessageDied


@pytest.fixture
def customer() -> UUID:
    return uuid4()


def story(deliver: Deliver, probe: Probe, customer: UUID, values: str) -> list[Message]:
    """One message per letter, about one customer, in order."""
    return [deliver.message(probe.changed(customer, value)) for value in values]


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


async def test_a_gap_that_never_closes_is_given_up_and_what_was_held_goes_on(
    deliver: Deliver, probe: Probe, customer: UUID, worker_database: Database, clock: FixedClock
) -> None:
    a, b, c, d = story(deliver, probe, customer, "abcd")
    await deliver(probe.subscription, [a, d, c])
    delivery = Delivery(worker_database, probe.subscription, clock)
    await delivery.give_up_gaps()
    assert await probe.effects() == ["a"]
    async with worker_database.begin() as tx:
        await tx.connection.execute("UPDATE held_messages SET held_at = held_at - $1::interval", inbox.GAP_PATIENCE)
    await delivery.give_up_gaps()
    assert await probe.effects() == ["a", "c", "d"]
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


async def test_a_poison_message_stops_its_own_key_only(
    deliver: Deliver, probe: Probe, customer: UUID, outbox_rows: OutboxRows
) -> None:
    probe.poison = {"!"}
    a, poison, b = story(deliver, probe, customer, "a!b")
    x, y = story(deliver, probe, uuid4(), "xy")
    await deliver(probe.subscription, [a, x, poison, b, y])
    assert await probe.effects() == ["a", "x", "y"]
    [letter] = await probe.rows("dead_letters")
    assert (letter["state"], letter["id"], letter["body"]) == ("open", poison.id, poison.body)
    assert letter["reason"].startswith("RuntimeError: cannot handle !")
    [copy] = await outbox_rows(MessageDied)
    assert copy["data"]["message_id"] == str(poison.id)
    assert copy["topic"] == "kehu.dead-letter.v1"
    # Later ones of the key wait, in their order, also those that come long after.
    await deliver(probe.subscription, story(deliver, probe, customer, "c"))
    assert [row["subject"] for row in await probe.rows("held_messages")] == [str(customer)] * 2
    assert await probe.effects() == ["a", "x", "y"]


async def test_a_poison_message_is_found_by_halving_the_batch(deliver: Deliver, probe: Probe) -> None:
    probe.poison = {"!"}
    messages = [deliver.message(probe.changed(uuid4(), "!" if n == 21 else "v")) for n in range(32)]
    await deliver(probe.subscription, messages)
    assert len(await probe.effects()) == 31
    # Halved, with the sound half of each, and what failed once more by itself.
    assert [len(batch) for batch in probe.batches] == [32, 16, 16, 8, 4, 4, 2, 1, 1, 1, 2, 8]


async def ask(database: Database, probe: Probe, wish: str, clock: FixedClock) -> None:
    [*_, letter] = await probe.rows("dead_letters", order="died_at")
    async with database.begin() as tx:
        function = dead_letters.redrive if wish == "redrive" else dead_letters.skip
        await function(tx, letter["dead_letter_id"], actor="operator", reason="mended", at=clock.now())


@pytest.mark.parametrize(("wish", "effects"), [("redrive", ["a", "!", "b", "c"]), ("skip", ["a", "b", "c"])])
async def test_a_settled_dead_letter_lets_those_behind_it_go_in_order(
    deliver: Deliver, probe: Probe, customer: UUID, database: Database, clock: FixedClock, wish: str, effects: list[str]
) -> None:
    probe.poison = {"!"}
    await deliver(probe.subscription, story(deliver, probe, customer, "a!bc"))
    probe.poison = set()
    # Asked twice, settled twice: one effect. The operator's process has the api's role.
    await ask(database, probe, wish, clock)
    await ask(database, probe, wish, clock)
    assert await deliver.settle(probe.subscription) == 1
    await ask(database, probe, wish, clock)
    assert await deliver.settle(probe.subscription) == 0
    assert await probe.effects() == effects
    assert await probe.rows("held_messages") == []
    [letter] = await probe.rows("dead_letters")
    assert letter["state"] == {"redrive": "redriven", "skip": "skipped"}[wish]
    assert letter["settled_by"] == "operator"
    [audited] = await probe.rows("audit")
    assert (audited["actor"], audited["reason"]) == ("operator", "mended")
    await deliver(probe.subscription, story(deliver, probe, customer, "d"))
    assert (await probe.effects())[-1] == "d"


async def test_a_redrive_that_fails_again_stays_open_and_keeps_the_order(
    deliver: Deliver, probe: Probe, customer: UUID, database: Database, clock: FixedClock
) -> None:
    probe.poison = {"!"}
    await deliver(probe.subscription, story(deliver, probe, customer, "a!b"))
    await ask(database, probe, "redrive", clock)
    await deliver.settle(probe.subscription)
    [letter] = await probe.rows("dead_letters")
    assert (letter["state"], letter["attempts"]) == ("open", 2)
    assert await probe.effects() == ["a"]
    with pytest.raises(dead_letters.NoSuchDeadLetter):
        async with database.begin() as tx:
            await dead_letters.redrive(tx, new_id(), actor="operator", reason="?", at=clock.now())


async def test_a_held_message_that_fails_in_its_turn_is_the_next_dead_letter(
    deliver: Deliver, probe: Probe, customer: UUID, database: Database, clock: FixedClock
) -> None:
    probe.poison = {"!", "?"}
    await deliver(probe.subscription, story(deliver, probe, customer, "a!b?c"))
    await ask(database, probe, "skip", clock)
    await deliver.settle(probe.subscription)
    assert await probe.effects() == ["a", "b"]
    assert [row["state"] for row in await probe.rows("dead_letters", order="died_at")] == ["skipped", "open"]
    await ask(database, probe, "skip", clock)
    await deliver.settle(probe.subscription)
    assert await probe.effects() == ["a", "b", "c"]


async def test_by_the_other_policy_later_messages_pass(deliver: Deliver, probe: Probe, customer: UUID) -> None:
    probe.poison = {"!"}
    await deliver(probe.with_(poison="skip"), story(deliver, probe, customer, "a!b"))
    assert await probe.effects() == ["a", "b"]


async def test_a_refused_message_dies_at_once_and_its_body_is_not_kept(
    deliver: Deliver, probe: Probe, customer: UUID, outbox_rows: OutboxRows, database: Database, clock: FixedClock
) -> None:
    probe.refused = {"!"}
    subscription = probe.with_(retries=(timedelta(hours=1),))
    await deliver(subscription, story(deliver, probe, customer, "a!"))
    [letter] = await probe.rows("dead_letters")
    assert (letter["reason"], letter["body"]) == ("refused by the probe", None)
    [copy] = await outbox_rows(MessageDied)
    assert copy["data"]["body"] is None
    with pytest.raises(dead_letters.AlreadySettled):
        await ask(database, probe, "redrive", clock)
    await ask(database, probe, "skip", clock)
    assert await deliver.settle(subscription) == 1


async def test_a_body_that_does_not_fit_dies_without_quoting_it(deliver: Deliver, probe: Probe, customer: UUID) -> None:
    spoiled = deliver.message(probe.changed(customer, "a"), body=b'{"customer_id": "13800138000"}')
    await deliver(probe.subscription, [spoiled])
    [letter] = await probe.rows("dead_letters")
    assert letter["reason"] == "body does not fit kehu.customer.profile_changed: /customer_id: uuid_parsing"


async def test_what_is_no_cloudevent_is_kept_as_a_dead_letter(deliver: Deliver, probe: Probe) -> None:
    stray = from_headers([], key=b"k", body=b"\xff", topic=TOPIC, partition=0, offset=7)
    await deliver(probe.subscription, [stray, *story(deliver, probe, uuid4(), "a")])
    [letter] = await probe.rows("dead_letters")
    assert letter["reason"] == "not a CloudEvent: header ce_source is missing"
    assert await probe.effects() == ["a"]


async def test_a_message_that_fails_for_a_while_is_retried(deliver: Deliver, probe: Probe, customer: UUID) -> None:
    async def mend(tx: Transaction, messages: Sequence[Message]) -> None:
        if len(probe.batches) == 2:
            probe.poison = set()
        await probe.handle(tx, messages)

    probe.poison = {"!"}
    subscription = probe.with_(handle=mend, retries=(timedelta(), timedelta()))
    await deliver(subscription, story(deliver, probe, customer, "!b"))
    assert probe.batches == [["!", "b"], ["!"], ["!"], ["b"]]
    assert await probe.effects() == ["!", "b"]
    assert await probe.rows("dead_letters") == []


async def test_an_outage_of_the_database_blames_no_message(deliver: Deliver, probe: Probe, customer: UUID) -> None:
    async def cut(tx: Transaction, _: Sequence[Message]) -> None:
        await tx.connection.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    messages = story(deliver, probe, customer, "ab")
    with pytest.raises(DatabaseUnavailable):
        await deliver(probe.with_(handle=cut), messages)
    assert await probe.rows("dead_letters") == []
    await deliver(probe.subscription, messages)
    assert await probe.effects() == ["a", "b"]


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("INSERT INTO effects (subject, sequence, value) VALUES ('', $1::bigint, '')", "DataError: 22000 ("),
        ("SELECT $1::text::int", "NumericValueOutOfRangeError: 22003 ("),
        (
            "INSERT INTO projection VALUES ($1::text, '', 1), ($1::text, '', 1)",
            "UniqueViolationError: projection projection_pkey 23505 (",
        ),
    ],
)
async def test_a_value_that_the_database_refuses_is_the_messages_fault_and_is_not_quoted(
    deliver: Deliver, probe: Probe, statement: str, reason: str
) -> None:
    async def store(tx: Transaction, _: Sequence[Message]) -> None:
        await tx.connection.execute(statement, "13800138000")

    await deliver(probe.with_(handle=store), story(deliver, probe, uuid4(), "a"))
    [letter] = await probe.rows("dead_letters")
    assert letter["reason"].startswith(reason)
    assert "13800138000" not in letter["reason"]


async def test_too_many_dead_letters_stop_the_delivery_before_the_topic_is_empty(
    deliver: Deliver, probe: Probe
) -> None:
    messages = [deliver.message(probe.changed(uuid4(), "!")) for _ in range(10)]
    probe.poison = {"!"}
    subscription = probe.with_(dead_letter_limit=3)
    with pytest.raises(TooManyDeadLetters):
        await deliver(subscription, messages)
    assert len(await probe.rows("dead_letters")) == 4
    # After the mend the rest is delivered again; what had died waits for the operator.
    probe.poison = set()
    await deliver(subscription, messages)
    assert len(await probe.effects()) == 6


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
