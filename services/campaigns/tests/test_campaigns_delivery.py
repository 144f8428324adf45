"""Delivery: no answer, no send; nothing twice; states as the channel reports them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import func, select

from kehu_campaigns.delivery import service
from kehu_campaigns.delivery.channels import OutboundMessage
from kehu_campaigns.delivery.resolver import CustomerServiceResolver, ResolverUnavailable
from kehu_campaigns.delivery.tables import messages, simulated_sends
from kehu_campaigns.gate.rules import Reason
from kehu_campaigns.gate.service import Resolution
from kehu_campaigns.runtime import jobs_of
from kehu_chassis.client import ServiceClient
from kehu_chassis.scope import EVERYTHING
from kehu_chassis.timers import Timers
from kehu_contracts.campaign import ContactDecided, ContactDeliveryChanged
from kehu_contracts.codes import Channel, DeliveryState, Purpose


class RecordingChannel:
    """A channel that keeps what it was given; it can fail after it took everything, as a provider that times out does."""

    def __init__(self) -> None:
        self.taken: dict[UUID, OutboundMessage] = {}
        self.calls = 0
        self.times_out = 0

    async def send(self, batch: Sequence[OutboundMessage], *, at: datetime) -> None:
        assert at.tzinfo is not None
        self.calls += 1
        for message in batch:
            self.taken.setdefault(message.message_id, message)
        if self.times_out:
            self.times_out -= 1
            raise TimeoutError("the provider did not answer")


@pytest.fixture
def channel(worker_runtime: Any) -> RecordingChannel:
    recording = RecordingChannel()
    worker_runtime.resources = replace(worker_runtime.resources, channel=recording)
    return recording


async def funnel(people: Any, campaign: dict[str, Any]) -> dict[str, Any]:
    answer: dict[str, Any] = (
        await (await people.compliance()).get(f"/api/v1/campaigns/{campaign['id']}/funnel")
    ).json()
    return answer


async def test_without_an_answer_nothing_is_sent_and_it_is_asked_again(
    bank: Any, people: Any, make_running: Any, fire_timers: Any, clock: Any, resolver: Any, outbox_rows: Any
) -> None:
    campaign = await make_running(await bank.segment(await bank.customers(3)))
    resolver.is_down = True
    await fire_timers()
    clock.advance(timedelta(minutes=1))
    await fire_timers()
    assert await outbox_rows(ContactDecided) == []
    assert (await funnel(people, campaign))["messages"]["queued"] == 0
    resolver.is_down = False
    assert await fire_timers() == 0
    clock.advance(timedelta(seconds=5))
    await fire_timers()
    reached = await funnel(people, campaign)
    assert (reached["reasons"], reached["messages"]["sent"]) == ({"allowed": 3}, 3)


async def test_messages_carry_their_values_and_no_address_is_kept(
    bank: Any,
    make_running: Any,
    fire_timers: Any,
    resolver: Any,
    channel: RecordingChannel,
    worker_database: Any,
    outbox_rows: Any,
) -> None:
    (customer_id,) = await bank.customers(1)
    resolver.answers[customer_id] = Resolution(refusal=None, address="+8613912345678", language="en")
    await make_running(await bank.segment([customer_id]))
    await fire_timers()
    (message,) = channel.taken.values()
    assert (message.address, message.text) == ("+8613912345678", "Dear customer您好，TD-12M 今日开售。")
    async with worker_database.begin(scope=EVERYTHING) as tx:
        kept = str(await tx.all(select(messages))) + str(await outbox_rows())
    assert "13912345678" not in kept


async def test_a_provider_that_times_out_after_taking_a_message_reaches_the_customer_once(
    bank: Any, people: Any, make_running: Any, fire_timers: Any, channel: RecordingChannel, worker_database: Any
) -> None:
    channel.times_out = 1
    campaign = await make_running(await bank.segment(await bank.customers(2)))
    await fire_timers()
    assert (await funnel(people, campaign))["messages"]["sent"] == 0
    async with worker_database.begin(scope=EVERYTHING) as tx:
        await tx.connection.execute("UPDATE timers SET retry_at = NULL")
    await fire_timers()
    assert (channel.calls, len(channel.taken)) == (2, 2)
    assert (await funnel(people, campaign))["messages"]["sent"] == 2


async def test_consent_withdrawn_between_decision_and_sending_stops_the_message(
    bank: Any, people: Any, make_running: Any, worker_runtime: Any, clock: Any, resolver: Any, channel: RecordingChannel
) -> None:
    members = await bank.customers(2)
    campaign = await make_running(await bank.segment(members))
    timers = Timers(worker_runtime.database, clock, jobs_of(worker_runtime).timers())
    assert await timers.fire_next()
    resolver.answers[members[0]] = Resolution(refusal=Reason.NO_CONSENT, address="", language="zh")
    while await timers.fire_next():
        pass
    reached = await funnel(people, campaign)
    assert (reached["allowed"], reached["messages"]["sent"], reached["messages"]["failed"]) == (2, 1, 1)
    assert len(channel.taken) == 1
    failed = await (await people.compliance()).get(f"/api/v1/campaigns/{campaign['id']}/messages?state=failed")
    assert [found["failure"] for found in failed.json()["items"]] == ["no_consent"]


async def test_the_simulator_delivers_every_allowed_message_once(
    bank: Any, people: Any, make_running: Any, fire_timers: Any, clock: Any, outbox_rows: Any, worker_database: Any
) -> None:
    members = await bank.customers(450)
    campaign = await make_running(await bank.segment(members), holdout_basis_points=1000)
    await fire_timers()
    clock.advance(timedelta(seconds=1))
    await fire_timers()
    reached = await funnel(people, campaign)
    allowed = reached["reasons"]["allowed"]
    assert reached["reasons"] == {"allowed": allowed, "holdout": 450 - allowed}
    assert (reached["audience"], reached["decided"], reached["undecided"]) == (450, 450, 0)
    sent = {name: reached["messages"][name] for name in ("queued", "sent", "delivered", "opened", "failed")}
    assert sent == {"queued": allowed, "sent": allowed, "delivered": allowed, "opened": 0, "failed": 0}
    clock.advance(timedelta(hours=6, seconds=1))
    await fire_timers()
    read = (await funnel(people, campaign))["messages"]
    assert 0.3 * allowed < read["opened"] < 0.5 * allowed
    assert 0 < read["clicked"] < read["opened"]
    told = [event["data"] for event in await outbox_rows(ContactDeliveryChanged)]
    assert len(told) == 3 * allowed + read["opened"] + read["clicked"]
    assert len({(event["message_id"], event["state"]) for event in told}) == len(told)
    async with worker_database.begin(scope=EVERYTHING) as tx:
        assert await tx.scalar(select(func.count()).select_from(simulated_sends)) == allowed


async def test_reports_in_wrong_order_or_again_change_nothing(
    bank: Any, make_running: Any, fire_timers: Any, channel: RecordingChannel, worker_database: Any, clock: Any
) -> None:
    await make_running(await bank.segment(await bank.customers(1)))
    await fire_timers()
    (message_id,) = channel.taken
    now = clock.now()
    reports = [DeliveryState.DELIVERED, DeliveryState.DELIVERED, DeliveryState.CLICKED, DeliveryState.SENT]
    async with worker_database.begin(scope=EVERYTHING) as tx:
        await service.report(tx, [(message_id, state, now) for state in reports])
    async with worker_database.begin(scope=EVERYTHING) as tx:
        row = await tx.one(select(messages))
    assert (row["state"], row["delivered_at"], row["clicked_at"], row["unit_id"]) == (
        "delivered",
        now,
        None,
        bank.branch_a,
    )


async def test_a_report_may_be_faster_than_our_own_note(
    bank: Any, make_running: Any, worker_runtime: Any, worker_database: Any, clock: Any, channel: RecordingChannel
) -> None:
    await make_running(await bank.segment(await bank.customers(1)))
    timers = Timers(worker_runtime.database, clock, jobs_of(worker_runtime).timers())
    await timers.fire_next()
    async with worker_database.begin(scope=EVERYTHING) as tx:
        queued = await tx.one(select(messages))
        await service.report(tx, [(queued["id"], DeliveryState.DELIVERED, clock.now())])
    while await timers.fire_next():
        pass
    async with worker_database.begin(scope=EVERYTHING) as tx:
        row = await tx.one(select(messages))
    assert (queued["state"], row["state"], row["sent_at"]) == ("queued", "delivered", clock.now())
    assert len(channel.taken) <= 1


async def test_one_report_may_tell_several_steps_of_several_messages(
    bank: Any, make_running: Any, worker_runtime: Any, worker_database: Any, clock: Any, outbox_rows: Any
) -> None:
    await make_running(await bank.segment(await bank.customers(2)))
    await Timers(worker_runtime.database, clock, jobs_of(worker_runtime).timers()).fire_next()
    now = clock.now()
    async with worker_database.begin(scope=EVERYTHING) as tx:
        one, two = [row["id"] for row in await tx.all(select(messages.c.id).order_by(messages.c.id))]
        await service.report(tx, [(one, DeliveryState.SENT, now)])
    async with worker_database.begin(scope=EVERYTHING) as tx:
        steps = [(one, DeliveryState.DELIVERED), (one, DeliveryState.OPENED), (two, DeliveryState.DELIVERED)]
        await service.report(tx, [(message_id, state, now) for message_id, state in steps])
    async with worker_database.begin(scope=EVERYTHING) as tx:
        rows = await tx.all(select(messages).order_by(messages.c.id))
    assert [(row["state"], row["sent_at"], row["delivered_at"], row["opened_at"]) for row in rows] == [
        ("opened", now, now, now),
        ("delivered", now, now, None),
    ]
    told = [event["data"] for event in await outbox_rows(ContactDeliveryChanged)]
    assert [event["state"] for event in told if event["message_id"] == str(one)] == [
        "queued",
        "sent",
        "delivered",
        "opened",
    ]
    assert [event["state"] for event in told if event["message_id"] == str(two)] == ["queued", "sent", "delivered"]


async def test_completing_a_campaign_decides_about_everybody_left(
    bank: Any, people: Any, make_running: Any, fire_timers: Any, resolver: Any, clock: Any
) -> None:
    resolver.is_down = True
    campaign = await make_running(await bank.segment(await bank.customers(5)))
    await fire_timers()
    marketer = await people.marketer()
    done = await marketer.post(f"/api/v1/campaigns/{campaign['id']}/completions")
    assert (done.status_code, done.json()["state"]) == (201, "finished")
    resolver.is_down = False
    clock.advance(timedelta(days=60))
    await fire_timers()
    reached = await funnel(people, campaign)
    assert (reached["reasons"], reached["messages"]["queued"]) == ({"campaign_finished": 5}, 0)
    assert (reached["audience"], reached["undecided"], reached["state"]) == (5, 0, "finished")


async def test_a_campaign_ends_with_its_period_and_begins_with_it(
    bank: Any, people: Any, make_running: Any, fire_timers: Any, clock: Any
) -> None:
    starts = clock.now() + timedelta(days=2)
    campaign = await make_running(await bank.segment(await bank.customers(1)), starts_at=starts.isoformat())
    assert await fire_timers() == 0
    clock.set(starts)
    await fire_timers()
    assert (await funnel(people, campaign))["reasons"] == {"allowed": 1}
    clock.advance(timedelta(days=28))
    await fire_timers()
    assert (await funnel(people, campaign))["state"] == "finished"


ASKED = {"purpose": "marketing", "channel": "sms"}


def customer_service(answer: httpx.Response | Exception, seen: list[Any]) -> CustomerServiceResolver:
    """The resolver with a customer service that gives one answer."""

    def handle(request: httpx.Request) -> httpx.Response:
        seen.append((request.method, request.url.path, json.loads(request.content)))
        if isinstance(answer, Exception):
            raise answer
        return answer

    client = ServiceClient("http://customer.test", transport=httpx.MockTransport(handle), attempts=1)
    return CustomerServiceResolver(client)


async def test_each_verdict_of_the_customer_service_has_its_meaning() -> None:
    verdicts = {
        "allowed": None,
        "deceased": Reason.DECEASED,
        "closed": Reason.RELATIONSHIP_CLOSED,
        "minor": Reason.MINOR,
        "withdrawn": Reason.NO_CONSENT,
        "no_consent": Reason.NO_CONSENT,
        "no_contact_point": Reason.CONTACT_UNAVAILABLE,
        "unknown_customer": Reason.CONTACT_UNAVAILABLE,
    }
    ids = {verdict: uuid4() for verdict in (*verdicts, "merged", "something_new")}
    items = [
        {
            "customer_id": str(customer_id),
            "verdict": verdict,
            "survivor_id": None,
            "contact_point_id": None,
            "contact_value": "+8613800000000" if verdict == "allowed" else None,
            "language": "en",
        }
        for verdict, customer_id in ids.items()
    ]
    seen: list[Any] = []
    resolver = customer_service(httpx.Response(200, json={"items": items}), seen)
    answers = await resolver.resolve(purpose=Purpose.MARKETING, channel=Channel.SMS, customer_ids=list(ids.values()))
    assert {customer_id: answer.refusal for customer_id, answer in answers.items()} == {
        ids[verdict]: reason for verdict, reason in verdicts.items()
    }
    assert answers[ids["allowed"]] == Resolution(refusal=None, address="+8613800000000", language="en")
    assert seen == [
        ("POST", "/api/v1/contact-resolutions", ASKED | {"customer_ids": [str(found) for found in ids.values()]})
    ]


@pytest.mark.parametrize(
    "answer",
    [
        httpx.ConnectError("refused"),
        httpx.Response(503, json={"code": "service.unavailable"}),
        httpx.Response(403, json={"code": "auth.forbidden"}),
        httpx.Response(200, json={"items": [{"customer_id": "x"}]}),
        httpx.Response(200, text="<html>"),
    ],
)
async def test_what_is_no_answer_is_told_as_none(answer: httpx.Response | Exception) -> None:
    with pytest.raises(ResolverUnavailable):
        await customer_service(answer, []).resolve(
            purpose=Purpose.MARKETING, channel=Channel.SMS, customer_ids=[uuid4()]
        )
