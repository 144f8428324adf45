"""What becomes of messages that cannot be handled, of those behind them, and of what operators ask for."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from kehu_chassis import dead_letters
from kehu_chassis.clock import FixedClock
from kehu_chassis.columns import new_id
from kehu_chassis.consumer import Message
from kehu_chassis.database import Database, Transaction
from kehu_chassis.delivery import TooManyDeadLetters
from kehu_chassis.message import from_headers
from kehu_chassis.testing.events import Deliver
from kehu_chassis.testing.plugin import OutboxRows
from kehu_chassis.testing.probe import TOPIC, Probe
from kehu_contracts.operations import MessageDied

from .conftest import story


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


@pytest.mark.parametrize(("wish", "effects"), [("redrive", ["a", "!", "b", "c", "d"]), ("skip", ["a", "b", "c", "d"])])
async def test_a_settled_dead_letter_lets_those_behind_it_go_in_order(
    deliver: Deliver, probe: Probe, customer: UUID, database: Database, clock: FixedClock, wish: str, effects: list[str]
) -> None:
    probe.poison = {"!"}
    await deliver(probe.subscription, story(deliver, probe, customer, "a!bc"))
    probe.poison = set()
    # Asked twice, settled twice: one effect. The operator's process has the api's role.
    await ask(database, probe, wish, clock)
    await ask(database, probe, wish, clock)
    # One that comes before the worker has done what was asked for does not go past those that wait.
    await deliver(probe.subscription, story(deliver, probe, customer, "d"))
    assert await probe.effects() == ["a"]
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
    await deliver(probe.subscription, story(deliver, probe, customer, "e"))
    assert await probe.effects() == [*effects, "e"]


async def test_a_settled_dead_letter_lets_go_those_of_its_key_and_subscription_alone(
    deliver: Deliver, probe: Probe, customer: UUID, database: Database, clock: FixedClock
) -> None:
    probe.poison = {"!"}
    first, second = probe.subscription, probe.with_(name="second")
    messages = story(deliver, probe, uuid4(), "!x"), story(deliver, probe, customer, "!b")
    for subscription in (first, second):
        for told in messages:
            await deliver(subscription, told)
    probe.poison = set()
    # Of four letters the last: the customer's, of the second subscription.
    await ask(database, probe, "redrive", clock)
    assert await deliver.settle(first) == 0
    assert await probe.effects() == []
    assert await deliver.settle(second) == 1
    assert await probe.effects() == ["!", "b"]
    held = await probe.rows("held_messages", order="held_id")
    assert [(row["subscription"], row["key"] == str(customer)) for row in held] == [
        ("probe", False),
        ("probe", True),
        ("second", False),
    ]


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
    assert await probe.effects() == ["a"]


async def test_a_body_that_does_not_fit_dies_without_quoting_it(deliver: Deliver, probe: Probe, customer: UUID) -> None:
    spoiled = deliver.message(probe.changed(customer, "a"), body=b'{"customer_id": "13800138000"}')
    await deliver(probe.subscription, [spoiled])
    [letter] = await probe.rows("dead_letters")
    assert letter["reason"] == "body does not fit kehu.customer.profile_changed: /customer_id: uuid_parsing"
    assert await probe.effects() == []


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


async def test_what_died_long_ago_or_elsewhere_stops_no_delivery(
    deliver: Deliver, probe: Probe, worker_database: Database
) -> None:
    probe.poison = {"!"}
    subscription = probe.with_(dead_letter_limit=1)

    async def die() -> None:
        await deliver(subscription, [deliver.message(probe.changed(uuid4(), "!"))])

    await die()
    async with worker_database.begin() as tx:
        aged = "UPDATE dead_letters SET died_at = died_at - $1::interval"
        await tx.connection.execute(aged, subscription.dead_letter_window)
    await deliver(probe.with_(name="second"), [deliver.message(probe.changed(uuid4(), "!"))])
    await die()
    with pytest.raises(TooManyDeadLetters):
        await die()
