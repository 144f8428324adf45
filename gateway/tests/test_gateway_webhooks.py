"""Webhooks against a real server of a partner's: signed, retried, given up, sent again, and kept away from our own."""

from __future__ import annotations

import asyncio
import base64
import json
import socket
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from kehu_chassis.clock import technical_now
from kehu_contracts.access import Role
from kehu_gateway.webhooks import delivery
from kehu_gateway.webhooks.delivery import Deliverer
from kehu_gateway.webhooks.rules import RETRIES, SECRET_OVERLAP
from kehu_gateway.webhooks.sender import open_sender

from .partners import LIVE, LOOPBACK, TYPE, WEBHOOKS, Hooks, Partner, is_signed


async def test_an_event_of_a_wanted_type_arrives_signed_and_once(hooks: Hooks, partner: Partner) -> None:
    webhook = await hooks.register(f"{partner.address}/kehu")
    await hooks.register(f"{partner.address}/other", "kehu.complaint.received")
    event = hooks.event()
    [message] = await hooks.deliver(LIVE, [event])
    await hooks.deliver(LIVE, [message])
    assert (await hooks.send(), await hooks.send()) == (1, 0)
    [(headers, body)] = partner.taken
    assert is_signed(headers, body, await hooks.secret(webhook))
    assert not is_signed(headers, body + b" ", await hooks.secret(webhook))
    assert headers["content-type"] == "application/cloudevents+json"
    assert "authorization" not in headers
    assert "cookie" not in headers
    told = json.loads(body)
    assert (told["id"], told["type"], told["sequence"]) == (str(message.id), TYPE, 1)
    assert told["data"]["customer_id"] == str(event.customer_id)
    [kept] = await hooks.deliveries(webhook)
    assert (kept["state"], kept["attempts"], kept["last_status"]) == ("delivered", 1, 204)
    async with hooks.database.begin() as tx:
        assert await tx.connection.fetchval("SELECT count(*) FROM webhook_deliveries WHERE body IS NOT NULL") == 0


async def test_a_failing_receiver_is_tried_again_with_a_fresh_signature_and_then_given_up(
    hooks: Hooks, partner: Partner, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = iter(range(100))
    now = technical_now() + timedelta(seconds=60)
    monkeypatch.setattr(delivery, "technical_now", lambda: now + timedelta(seconds=next(times)))
    webhook = await hooks.register(partner.address)
    partner.status = 500
    await hooks.happen()
    attempts = len(RETRIES) + 1
    for attempt in range(1, attempts + 1):
        assert await hooks.send() == 1
        assert await hooks.send() == 0
        [kept] = await hooks.deliveries(webhook)
        assert (kept["attempts"], kept["last_status"], kept["last_error"]) == (attempt, 500, "status")
        await hooks.wait_out()
    assert kept["state"] == "dead"
    assert await hooks.send() == 0
    assert len({headers["webhook-timestamp"] for headers, _ in partner.taken}) == attempts
    assert len({headers["webhook-id"] for headers, _ in partner.taken}) == 1
    shown = (await hooks.operator.get(f"{WEBHOOKS}/{webhook['webhook_id']}")).json()
    assert (shown["pending"], shown["dead"]) == (0, 1)


async def test_a_dead_message_is_sent_again_on_an_operators_word(hooks: Hooks, partner: Partner) -> None:
    webhook = await hooks.register(partner.address)
    await hooks.happen()
    async with hooks.database.begin() as tx:
        await tx.connection.execute("UPDATE webhook_deliveries SET state = 'dead', settled_at = now(), attempts = 8")
    [dead] = await hooks.deliveries(webhook)
    path = f"{WEBHOOKS}/{webhook['webhook_id']}/deliveries/{dead['delivery_id']}/redrives"
    assert (await hooks.operator.post(path, json={"reason": "They are up again"})).status_code == 202
    again = await hooks.operator.post(path, json={"reason": "Twice"})
    assert (again.status_code, again.json()["code"]) == (409, "webhook.not_dead")
    other = await hooks.operator.post(path.replace(dead["delivery_id"], str(uuid4())), json={"reason": "No"})
    assert other.status_code == 404
    assert await hooks.send() == 1
    [kept] = await hooks.deliveries(webhook)
    assert (kept["state"], kept["attempts"]) == ("delivered", 1)
    async with hooks.database.begin() as tx:
        audited = await tx.connection.fetch("SELECT actor, reason FROM audit WHERE action = 'webhook.redriven'")
    assert [tuple(row) for row in audited] == [("operator", "They are up again")]


async def test_a_worker_that_dies_in_mid_delivery_lets_the_message_go_again(hooks: Hooks, partner: Partner) -> None:
    webhook = await hooks.register(partner.address)
    await hooks.happen()
    async with hooks.database.begin() as tx:
        leased = await tx.connection.fetch(delivery._TAKE, technical_now(), 4, technical_now() + delivery.LEASE, [])
    assert len(leased) == 1
    assert await hooks.send() == 0
    await hooks.wait_out()
    assert await hooks.send() == 1
    assert [kept["state"] for kept in await hooks.deliveries(webhook)] == ["delivered"]


async def test_a_new_secret_signs_beside_the_old_one_for_a_day(hooks: Hooks, partner: Partner) -> None:
    webhook = await hooks.register(partner.address)
    old = await hooks.secret(webhook)
    path = f"{WEBHOOKS}/{webhook['webhook_id']}"
    assert (await hooks.operator.post(f"{path}/secrets")).status_code == 201
    told = (await hooks.operator.get(f"{path}/secret")).json()
    assert told["previous_secret"] == "whsec_" + base64.b64encode(old).decode()
    new = await hooks.secret(webhook)
    assert new != old
    await hooks.happen()
    await hooks.send()
    async with hooks.database.begin() as tx:
        await tx.connection.execute(
            "UPDATE webhooks SET previous_until = previous_until - $1::interval", SECRET_OVERLAP
        )
    await hooks.happen()
    await hooks.send()
    (first, body), (second, other) = partner.taken
    assert is_signed(first, body, new)
    assert is_signed(first, body, old)
    assert is_signed(second, other, new)
    assert not is_signed(second, other, old)
    assert (await hooks.operator.get(f"{path}/secret")).json()["previous_secret"] is None


async def test_secrets_stand_nowhere_in_clear_and_who_read_one_is_recorded(hooks: Hooks, partner: Partner) -> None:
    webhook = await hooks.register(partner.address)
    secret = await hooks.secret(webhook)
    shown = (await hooks.operator.get(f"{WEBHOOKS}/{webhook['webhook_id']}")).text
    async with hooks.database.begin() as tx:
        sealed = await tx.connection.fetchval("SELECT secret FROM webhooks")
        deeds = [row["action"] for row in await tx.connection.fetch("SELECT action FROM audit ORDER BY audit_id")]
    for kept in (sealed, shown.encode()):
        assert secret not in kept
        assert base64.b64encode(secret) not in kept
    assert deeds == ["webhook.registered", "webhook.secret_revealed"]


async def test_a_redirect_is_a_failure_and_is_not_followed(hooks: Hooks, partner: Partner) -> None:
    webhook = await hooks.register(f"{partner.address}/here")
    partner.status, partner.headers = 307, {"Location": f"{partner.address}/there"}
    await hooks.happen()
    await hooks.send()
    assert len(partner.taken) == 1
    [kept] = await hooks.deliveries(webhook)
    assert (kept["state"], kept["last_status"]) == ("pending", 307)


async def test_an_endpoint_that_hangs_holds_up_none_but_itself(hooks: Hooks, partner: Partner) -> None:
    hanging = asyncio.Event()

    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await hanging.wait()
        writer.close()
        del reader

    async with await asyncio.start_server(hang, "127.0.0.1", 0) as server:
        slow = await hooks.register(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/")
        quick = await hooks.register(partner.address)
        await hooks.happen(10)
        deliverer = Deliverer(hooks.database, hooks.app.runtime.resources.webhook_secrets, LOOPBACK)
        async with open_sender(LOOPBACK) as sender, asyncio.timeout(20):
            while len(partner.taken) < 10:
                await deliverer.begin(sender)
                await asyncio.sleep(0.01)
            assert deliverer._under_way[UUID(slow["webhook_id"])] == delivery.AT_ONCE
            hanging.set()
            await deliverer.settled()
    states = [kept["state"] for kept in await hooks.deliveries(quick)]
    assert states == ["delivered"] * 10
    assert {kept["last_error"] for kept in await hooks.deliveries(slow)} == {"connection", None}


async def test_a_name_that_leads_inside_is_refused_when_it_is_used(
    hooks_of: Callable[..., Awaitable[Hooks]], partner: Partner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rebinding: the name was public when it was registered. There is one look-up for each attempt, and it is vetted."""
    hooks = await hooks_of(())
    port = partner.address.rpartition(":")[2]
    webhook = await hooks.register(f"https://rebinding.example:{port}/")
    asked: list[str] = []

    async def look_up(host: str, *_: Any, **__: Any) -> list[Any]:
        asked.append(host)
        address = "93.184.215.14" if len(asked) > 1 else "127.0.0.1"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, int(port)))]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", look_up)
    await hooks.happen()
    await hooks.send()
    assert asked == ["rebinding.example"]
    [kept] = await hooks.deliveries(webhook)
    assert (kept["state"], kept["last_error"], kept["last_status"]) == ("pending", "address_forbidden", None)
    assert partner.taken == []


@pytest.mark.parametrize("host", ["2130706433", "0x7f000001", "0177.0.0.1", "127.1", "localhost"])
async def test_other_spellings_of_this_machine_lead_nowhere(
    host: str, hooks_of: Callable[..., Awaitable[Hooks]], partner: Partner
) -> None:
    hooks = await hooks_of(())
    webhook = await hooks.register(f"https://{host}:{partner.address.rpartition(':')[2]}/")
    await hooks.happen()
    await hooks.send()
    [kept] = await hooks.deliveries(webhook)
    assert kept["last_error"] in {"address_forbidden", "connection"}
    assert kept["last_status"] is None
    assert partner.taken == []


async def test_what_was_allowed_once_is_asked_again_at_each_attempt(hooks: Hooks, partner: Partner) -> None:
    webhook = await hooks.register(partner.address)
    await hooks.happen()
    stricter = Hooks(hooks.app, hooks.operator, hooks.database, hooks.deliver, hooks.clock, ())
    await stricter.send()
    [kept] = await hooks.deliveries(webhook)
    assert kept["last_error"] == "not_https"
    assert partner.taken == []


@pytest.mark.parametrize(
    ("body", "pointer", "code"),
    [
        ({"url": "https://169.254.169.254/"}, "/url", "address_forbidden"),
        ({"url": "http://partner.example/"}, "/url", "not_https"),
        ({"event_types": ["kehu.customer.state"]}, "/event_types", "unknown_type"),
    ],
)
async def test_what_may_not_be_registered_is_refused_and_nothing_is_kept(
    body: dict[str, Any], pointer: str, code: str, hooks_of: Callable[..., Awaitable[Hooks]]
) -> None:
    hooks = await hooks_of(())
    good = {"name": "Partner", "url": "https://partner.example/", "event_types": [TYPE]}
    answer = await hooks.operator.post(WEBHOOKS, json={**good, **body})
    assert answer.status_code == 422
    [error] = answer.json()["errors"]
    assert (error["pointer"], error["code"]) == (f"#{pointer}", code)
    assert (await hooks.operator.get(WEBHOOKS)).json() == []
    async with hooks.database.begin() as tx:
        assert await tx.connection.fetchval("SELECT count(*) FROM audit") == 0


async def test_only_operators_register_and_change_endpoints(hooks: Hooks, partner: Partner) -> None:
    webhook = await hooks.register(partner.address)
    body = {"name": "Partner", "url": "https://partner.example/", "event_types": [TYPE]}
    path = f"{WEBHOOKS}/{webhook['webhook_id']}"
    for role in (Role.SYSTEM, Role.COMPLIANCE, Role.BRANCH_HEAD, Role.AUDITOR):
        client = await hooks.app.client(role, staff_id=uuid4())
        refused = [
            await client.post(WEBHOOKS, json=body),
            await client.patch(path, json={"active": False}, headers={"If-Match": '"1"'}),
            await client.get(f"{path}/secret"),
            await client.post(f"{path}/secrets"),
            await client.delete(path),
        ]
        assert {answer.status_code for answer in refused} == {403}
    assert (await hooks.operator.get(path)).json() == webhook


async def test_an_endpoint_is_changed_paused_and_removed(hooks: Hooks, partner: Partner) -> None:
    webhook = await hooks.register(partner.address)
    path = f"{WEBHOOKS}/{webhook['webhook_id']}"
    await hooks.happen()
    paused = await hooks.operator.patch(path, json={"active": False}, headers={"If-Match": '"1"'})
    assert (paused.status_code, paused.json()["active"], paused.headers["ETag"]) == (200, False, '"2"')
    stale = await hooks.operator.patch(path, json={"name": "x"}, headers={"If-Match": '"1"'})
    assert stale.status_code == 412
    await hooks.happen()
    assert await hooks.send() == 0
    resumed = await hooks.operator.patch(path, json={"active": True}, headers={"If-Match": '"2"'})
    assert resumed.json()["pending"] == 1
    assert await hooks.send() == 1
    assert (await hooks.operator.delete(path)).status_code == 204
    assert (await hooks.operator.get(path)).status_code == 404
    async with hooks.database.begin() as tx:
        assert await tx.connection.fetchval("SELECT count(*) FROM webhook_deliveries") == 0
