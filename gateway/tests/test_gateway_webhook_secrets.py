"""Secrets of webhooks have a key of their own: the session key is changed, versions come and go, and they stay."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from pydantic import SecretStr

from kehu_chassis import migrations
from kehu_chassis.clock import FixedClock, technical_now
from kehu_chassis.columns import new_id
from kehu_chassis.crypto import KeyFileError, KeyRing
from kehu_chassis.database import Database
from kehu_chassis.rotation import REWRAP, rewrapper, schedule_rewrap
from kehu_chassis.testing.databases import ServiceDatabase
from kehu_chassis.testing.keys import replace_wrapping_key
from kehu_chassis.timers import Timers
from kehu_gateway.main import DEFINITION
from kehu_gateway.sessions.sealing import Sealer
from kehu_gateway.webhooks.tables import webhooks

from .partners import LOOPBACK, TYPE, WEBHOOKS, Hooks, Partner, is_signed

HooksOf = Callable[..., Awaitable[Hooks]]
BEFORE = Sealer(SecretStr("k" * 48))
"""The version before, with the session key of these tests."""
OTHER_KEY = {"session_key": "another session key of forty-eight characters..."}
OWN = ("key_id", "wrapped_key", "own_secret", "own_previous_secret")


def sealed_before(webhook_id: UUID, secret: bytes) -> bytes:
    told = {"secret": base64.b64encode(secret).decode()}
    return BEFORE.seal(told, purpose="webhook", context=str(webhook_id))


def opened_before(row: Any, column: str) -> bytes:
    found = BEFORE.open(row[column], purpose="webhook", context=str(row["webhook_id"]))
    assert found is not None
    return base64.b64decode(found["secret"])


async def kept(hooks: Hooks) -> Any:
    async with hooks.database.begin() as tx:
        return await tx.one(webhooks.select())


async def registered_before(hooks: Hooks, url: str, secret: bytes) -> dict[str, Any]:
    """An endpoint as the version before writes it."""
    webhook_id = new_id()
    async with hooks.database.begin() as tx:
        await tx.connection.execute(
            "INSERT INTO webhooks (webhook_id, name, url, event_types, active, secret, created_at, changed_at)"
            " VALUES ($1, 'Partner', $2, $3, true, $4, $5, $5)",
            webhook_id,
            url,
            [TYPE],
            sealed_before(webhook_id, secret),
            technical_now(),
        )
    return {"webhook_id": str(webhook_id)}


async def test_a_new_session_key_leaves_secrets_as_they_are(hooks_of: HooksOf, partner: Partner) -> None:
    first = await hooks_of(LOOPBACK)
    webhook = await first.register(partner.address)
    old = await first.secret(webhook)
    second = await hooks_of(LOOPBACK, **OTHER_KEY)
    assert await second.secret(webhook) == old
    path = f"{WEBHOOKS}/{webhook['webhook_id']}"
    assert (await second.operator.post(f"{path}/secrets")).status_code == 201
    told = (await second.operator.get(f"{path}/secret")).json()
    assert base64.b64decode(told["previous_secret"].removeprefix("whsec_")) == old
    await second.happen()
    await second.send()
    ((headers, body),) = partner.taken
    assert is_signed(headers, body, await second.secret(webhook))
    assert is_signed(headers, body, old)


async def test_the_version_before_reads_what_this_one_writes(hooks_of: HooksOf, partner: Partner) -> None:
    hooks = await hooks_of(LOOPBACK)
    webhook = await hooks.register(partner.address)
    old = await hooks.secret(webhook)
    assert opened_before(await kept(hooks), "secret") == old
    await hooks.operator.post(f"{WEBHOOKS}/{webhook['webhook_id']}/secrets")
    row = await kept(hooks)
    assert opened_before(row, "secret") == await hooks.secret(webhook) != old
    assert opened_before(row, "previous_secret") == old


async def test_what_the_version_before_wrote_is_read_and_taken_over_at_the_next_start(
    hooks_of: HooksOf, partner: Partner
) -> None:
    hooks = await hooks_of(LOOPBACK)
    webhook = await registered_before(hooks, partner.address, b"s" * 32)
    assert await hooks.secret(webhook) == b"s" * 32
    assert [(await kept(hooks))[column] for column in OWN] == [None] * 4
    await hooks_of(LOOPBACK)
    row = await kept(hooks)
    assert row["key_id"] == "webhook-1"
    assert opened_before(row, "secret") == b"s" * 32
    third = await hooks_of(LOOPBACK, **OTHER_KEY)
    assert await third.secret(webhook) == b"s" * 32


async def test_a_secret_that_the_version_before_replaced_is_the_one_that_counts(
    hooks_of: HooksOf, partner: Partner
) -> None:
    hooks = await hooks_of(LOOPBACK)
    webhook = await hooks.register(partner.address)
    old = await hooks.secret(webhook)
    webhook_id = UUID(webhook["webhook_id"])
    async with hooks.database.begin() as tx:
        await tx.connection.execute(
            "UPDATE webhooks SET previous_secret = secret, secret = $1, previous_until = $2, version = version + 1",
            sealed_before(webhook_id, b"n" * 32),
            technical_now() + timedelta(hours=1),
        )
    assert [(await kept(hooks))[column] for column in OWN] == [None] * 4
    await hooks.happen()
    await hooks.send()
    ((headers, body),) = partner.taken
    assert is_signed(headers, body, b"n" * 32)
    assert is_signed(headers, body, old)


async def test_migrations_leave_the_secrets_on_both_ways(
    hooks_of: HooksOf, partner: Partner, service_database: ServiceDatabase
) -> None:
    hooks = await hooks_of(LOOPBACK)
    webhook = await hooks.register(partner.address)
    secret = await hooks.secret(webhook)
    dsn, folder = service_database.dsn("owner"), DEFINITION.migrations
    await asyncio.to_thread(migrations.downgrade, dsn, schema="gateway", folder=folder, revision="0003")
    async with hooks.database.begin() as tx:
        row = await tx.connection.fetchrow("SELECT * FROM webhooks")
    assert set(OWN).isdisjoint(row.keys())
    assert opened_before(row, "secret") == secret
    await asyncio.to_thread(migrations.upgrade, dsn, schema="gateway", folder=folder)
    await hooks_of(LOOPBACK)
    again = await hooks_of(LOOPBACK, **OTHER_KEY)
    assert await again.secret(webhook) == secret


async def test_a_secret_that_no_key_opens_is_said_to_be_lost_and_nothing_is_sent_unsigned(
    hooks_of: HooksOf, partner: Partner
) -> None:
    first = await hooks_of(LOOPBACK)
    webhook = await registered_before(first, partner.address, b"s" * 32)
    hooks = await hooks_of(LOOPBACK)
    async with hooks.database.begin() as tx:
        await tx.connection.execute("UPDATE webhooks SET wrapped_key = '', secret = 'x'")
    path = f"{WEBHOOKS}/{webhook['webhook_id']}"
    answer = await hooks.operator.get(f"{path}/secret")
    assert (answer.status_code, answer.json()["code"]) == (409, "webhook.secret_lost")
    await hooks.happen()
    assert await hooks.send() == 1
    (told,) = await hooks.deliveries(webhook)
    assert (told["state"], told["last_status"], told["last_error"]) == ("pending", None, "secret_lost")
    assert partner.taken == []
    assert (await hooks.operator.post(f"{path}/secrets")).status_code == 201
    await hooks.wait_out()
    assert await hooks.send() == 1
    ((headers, body),) = partner.taken
    assert is_signed(headers, body, await hooks.secret(webhook))


async def test_the_key_of_webhooks_is_replaced_like_any_other(
    hooks_of: HooksOf, partner: Partner, webhook_key_file: Path, worker_database: Database, clock: FixedClock
) -> None:
    hooks = await hooks_of(LOOPBACK)
    webhook = await hooks.register(partner.address)
    secret = await hooks.secret(webhook)
    replace_wrapping_key(webhook_key_file)
    ring = KeyRing.from_file(webhook_key_file)
    async with worker_database.begin() as tx:
        await schedule_rewrap(tx, ring, clock.now())
    timers = Timers(worker_database, clock, {REWRAP: rewrapper(ring, webhooks)})
    while await timers.fire_next():
        pass
    assert (await kept(hooks))["key_id"] == "webhook-2"
    again = await hooks_of(LOOPBACK, **OTHER_KEY)
    assert await again.secret(webhook) == secret


async def test_a_lost_key_of_webhooks_stops_the_start(hooks_of: HooksOf, webhook_key_file: Path) -> None:
    await hooks_of(LOOPBACK)
    replace_wrapping_key(webhook_key_file, drop_first=True)
    with pytest.raises(KeyFileError, match="webhook-1"):
        await hooks_of(LOOPBACK)
