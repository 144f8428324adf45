"""Guessing at passwords: a delay that grows, for the name from that address; the colleague still gets in."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from hashlib import sha256
from typing import Any

import asyncpg
import httpx
import pytest
import time_machine

from kehu_chassis.testing.databases import ServiceDatabase, lock_waits
from kehu_chassis.testing.http import TestApp
from kehu_chassis.testing.plugin import Eventually
from kehu_gateway.issuer.rules import delay_after

from .conftest import CLIENT_SECRET

Login = Callable[..., Awaitable[httpx.Response]]


@pytest.fixture
async def gateway(open_gateway: Any) -> TestApp:
    app: TestApp = await open_gateway(login_attempts=3, login_attempts_of_address=10, login_longest_delay=60)
    return app


@pytest.fixture
def tried(gateway: TestApp) -> Login:
    """Ask for a token by password, from an address."""

    async def attempt(user: str, word: str = "guess", address: str = "192.0.2.1") -> httpx.Response:
        form = {"grant_type": "password", "client_id": "kehu", "username": user, "password": word}
        transport = httpx.ASGITransport(gateway.app, client=(address, 50000))
        async with httpx.AsyncClient(transport=transport, base_url="https://gateway.test") as client:
            return await client.post("/oauth2/token", data=form)

    return attempt


@pytest.mark.parametrize(
    ("failures", "seconds"), [(1, 0), (4, 0), (5, 1), (6, 2), (9, 16), (14, 512), (15, 900), (1_000_000, 900)]
)
def test_the_delay_doubles_up_to_its_longest(failures: int, seconds: int) -> None:
    assert delay_after(failures, free=5, longest=timedelta(minutes=15)) == timedelta(seconds=seconds)


async def test_each_further_failure_doubles_the_delay_and_a_right_password_ends_it(tried: Login) -> None:
    with time_machine.travel("2026-03-02T09:00:00Z", tick=False) as time:
        for _ in range(3):
            assert (await tried("rm")).status_code == 400
        waits = []
        for _ in range(4):
            refused = await tried("rm", "rm-demo")
            assert (refused.status_code, refused.json()["error"]) == (429, "slow_down")
            waits.append(int(refused.headers["retry-after"]))
            time.shift(waits[-1])
            assert (await tried("rm")).status_code == 400
        assert waits == [1, 2, 4, 8]
        time.shift(16)
        assert (await tried("rm", "rm-demo")).status_code == 200
        # Forgotten: the next mistake is the first.
        assert (await tried("rm")).status_code == 400
        assert (await tried("rm", "rm-demo")).status_code == 200


async def test_whoever_guesses_shuts_out_nobody_but_himself(tried: Login) -> None:
    for _ in range(3):
        await tried("rm")
    assert (await tried("rm", "rm-demo")).status_code == 429
    assert (await tried("rm", "rm-demo", address="192.0.2.2")).status_code == 200
    assert (await tried("rm2", "rm2-demo")).status_code == 200


async def test_an_address_that_tries_many_names_waits_whatever_the_name(tried: Login) -> None:
    for number in range(10):
        assert (await tried(f"nobody-{number}")).status_code == 400
    assert (await tried("rm", "rm-demo")).status_code == 429
    assert (await tried("rm", "rm-demo", address="192.0.2.2")).status_code == 200


async def test_a_name_that_does_not_exist_is_answered_like_one_that_does(tried: Login) -> None:
    with time_machine.travel("2026-03-02T09:00:00Z", tick=False):
        known = [await tried("compliance", address="192.0.2.7") for _ in range(5)]
        unknown = [await tried("nobody", address="192.0.2.8") for _ in range(5)]
    shown = [[(a.status_code, a.json(), a.headers.get("retry-after")) for a in answers] for answers in (known, unknown)]
    assert shown[0] == shown[1]
    assert [status for status, _, _ in shown[0]] == [400, 400, 400, 429, 429]


async def test_many_guesses_at_once_count_one_by_one(tried: Login) -> None:
    answers = await asyncio.gather(*(tried("rm") for _ in range(12)))
    assert sorted(answer.status_code for answer in answers) == [400] * 3 + [429] * 9


async def test_right_passwords_at_the_same_moment_are_no_failures_of_one_another(tried: Login) -> None:
    answers = await asyncio.gather(*(tried("rm", "rm-demo") for _ in range(12)))
    assert [answer.status_code for answer in answers] == [200] * 12


async def test_who_looked_at_the_clock_before_another_got_in_is_not_told_to_wait(gateway: TestApp) -> None:
    attempts = gateway.app.state.runtime.resources.attempts
    with time_machine.travel("2026-03-02T09:00:00Z", tick=False) as time:
        assert await attempts.begin("handler", "192.0.2.1") is None
        await attempts.succeeded("handler", "192.0.2.1")
        time.shift(-0.01)
        assert await attempts.begin("rm", "192.0.2.1") is None


async def test_systems_that_ask_at_the_same_moment_all_get_their_tokens(gateway: TestApp) -> None:
    grant = {"grant_type": "client_credentials", "client_id": "core-banking", "client_secret": CLIENT_SECRET}
    transport = httpx.ASGITransport(gateway.app, client=("192.0.2.1", 50000))
    async with httpx.AsyncClient(transport=transport, base_url="https://gateway.test") as client:
        answers = await asyncio.gather(*(client.post("/oauth2/token", data=grant) for _ in range(12)))
    assert [answer.status_code for answer in answers] == [200] * 12


async def test_the_form_says_so_in_the_browsers_language(browser: httpx.AsyncClient) -> None:
    browser.headers["Accept-Language"] = "zh"
    login = await browser.get("/auth/login")
    for _ in range(3):
        await browser.post(login.headers["location"], data={"username": "rm", "password": "no"})
    refused = await browser.post(login.headers["location"], data={"username": "rm", "password": "rm-demo"})
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
    assert "失败次数过多" in refused.text


async def test_a_systems_secret_is_guessed_no_faster(gateway: TestApp, tried: Login) -> None:
    grant = {"grant_type": "client_credentials", "client_id": "core-banking", "client_secret": "guess"}
    transport = httpx.ASGITransport(gateway.app, client=("192.0.2.1", 50000))
    async with httpx.AsyncClient(transport=transport, base_url="https://gateway.test") as client:
        assert [(await client.post("/oauth2/token", data=grant)).status_code for _ in range(4)] == [401, 401, 401, 429]
    assert (await tried("rm", "rm-demo")).status_code == 200


async def test_who_tries_while_another_gets_in_stands_in_no_circle_with_him(
    gateway: TestApp, service_database: ServiceDatabase, eventually: Eventually
) -> None:
    attempts, address = gateway.app.state.runtime.resources.attempts, b"address\x00192.0.2.1"
    # A name whose row is locked after that of the address.
    names = (f"rm-{number}" for number in range(1000))
    of_address = sha256(address).digest()
    user = next(name for name in names if sha256(f"user\0{name}\x00192.0.2.1".encode()).digest() > of_address)
    assert await attempts.begin(user, "192.0.2.1") is None
    holder, watcher = [await asyncpg.connect(service_database.dsn()) for _ in range(2)]
    try:
        async with holder.transaction():
            lock = "SELECT FROM gateway.login_attempts WHERE key_digest = $1 FOR UPDATE"
            assert await holder.fetch(lock, of_address)
            trying = asyncio.create_task(attempts.begin(user, "192.0.2.1"))
            await eventually(partial(waiting, watcher, 1))
            getting_in = asyncio.create_task(attempts.succeeded(user, "192.0.2.1"))
            await eventually(partial(waiting, watcher, 2))
        assert list(await asyncio.gather(trying, getting_in)) == [None, None]
    finally:
        await holder.close()
        await watcher.close()


async def waiting(watcher: asyncpg.Connection, number: int) -> bool:
    """Whether so many wait for a lock."""
    return await lock_waits(watcher) == number
