"""Limits: for each caller and each address, shared by all gateway processes, and told in words that programs read."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import ValidationError

from kehu_chassis.clock import FixedClock
from kehu_chassis.database import Database, DatabaseUnavailable
from kehu_chassis.testing.databases import ServiceDatabase
from kehu_chassis.testing.http import TestApp, open_test_app, test_settings
from kehu_contracts.access import Role
from kehu_gateway.limits.addresses import client_address
from kehu_gateway.limits.buckets import Buckets
from kehu_gateway.limits.rules import Bucket, Limit, share_of
from kehu_gateway.main import DEFINITION
from kehu_gateway.settings import Settings

TEN = Limit("person", 10.0, 20)


def test_a_bucket_lets_its_burst_pass_and_then_its_rate() -> None:
    bucket = Bucket(20.0, 0.0, 1.0)
    assert [bucket.ask(TEN, 0.0).allowed for _ in range(21)] == [True] * 20 + [False]
    # What was refused was asked for, too: by what is asked for the processes share a limit.
    assert bucket.demand == 21
    refused = bucket.ask(TEN, 0.0)
    assert (refused.allowed, refused.remaining, round(refused.wait, 3), refused.reset) == (False, 0, 0.1, 2)
    assert [bucket.ask(TEN, 0.1).allowed for _ in range(2)] == [True, False]
    assert sum(bucket.ask(TEN, 0.1 + step / 100).allowed for step in range(1, 101)) == 10
    assert bucket.ask(TEN, 100.0).remaining == 19


def test_a_small_share_still_lets_one_pass_at_a_time() -> None:
    bucket = Bucket(0.0, 0.0, 0.01)
    assert not bucket.ask(TEN, 0.0).allowed
    assert bucket.ask(TEN, 10.0).allowed
    assert not bucket.ask(TEN, 10.0).allowed


@pytest.mark.parametrize(("own", "others", "share"), [(5, 0, 1.0), (5, 15, 0.25), (0, 9, 0.1), (0, 0, 1.0)])
def test_a_share_is_the_part_of_the_demand(own: int, others: int, share: float) -> None:
    assert share_of(own, others) == share


class Time:
    """Seconds that the test moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


async def passed(processes: list[Buckets], database: Database, time: Time, seconds: int, each: list[int]) -> int:
    """How many requests pass when each process is asked so often in every second."""
    count = 0
    for _ in range(seconds):
        for step in range(max(each)):
            time.now += 1 / max(each)
            for process, wanted in zip(processes, each, strict=True):
                if step < wanted:
                    count += process.ask(TEN, "rm").allowed
        for process in processes:
            await process.lease(database)
    return count


@pytest.mark.parametrize("each", [[100, 100], [100, 0], [90, 10], [3, 3]], ids=str)
async def test_two_processes_together_give_what_one_limit_allows(database: Database, each: list[int]) -> None:
    time = Time()
    processes = [Buckets(time), Buckets(time)]
    for process in processes:
        await process.lease(database)
    # Both know of each other now; what is asked for moves between them.
    await processes[0].lease(database)
    count = await passed(processes, database, time, 20, each)
    allowed = min(sum(each) * 20, TEN.burst + 20 * TEN.rate)
    assert allowed * 0.85 <= count <= allowed * 1.1


async def test_a_process_that_is_gone_leaves_its_share_to_the_others(database: Database) -> None:
    time = Time()
    stays, goes = Buckets(time), Buckets(time)
    await passed([stays, goes], database, time, 3, [50, 50])
    async with database.begin() as tx:
        await tx.connection.execute(
            "UPDATE rate_demands SET leased_at = leased_at - interval '6 seconds' WHERE process_id = $1",
            goes._process_id,
        )
    await passed([stays], database, time, 2, [50])
    assert await passed([stays], database, time, 10, [50]) >= 95


class Away(Database):
    """A database that does not answer."""

    def __init__(self) -> None:
        pass

    def begin(self, **_: Any) -> Any:
        raise DatabaseUnavailable("down")


async def test_while_the_database_is_away_the_last_shares_hold(database: Database) -> None:
    time = Time()
    here, there = Buckets(time), Buckets(time)
    await passed([here, there], database, time, 5, [30, 30])
    with pytest.raises(DatabaseUnavailable):
        await here.lease(Away())
    count = 0
    for _ in range(300):
        time.now += 1 / 30
        count += here.ask(TEN, "rm").allowed
    assert 45 <= count <= 60


async def test_callers_that_rest_are_forgotten_and_a_flood_of_them_takes_no_more_memory(database: Database) -> None:
    time = Time()
    buckets = Buckets(time)
    for number in range(60_000):
        buckets.ask(TEN, f"caller {number}")
    assert len(buckets._buckets) == 50_000
    await Buckets(time).lease(database)
    buckets._asked.clear()
    for bucket in buckets._buckets.values():
        bucket.demand = 0
    time.now = 10.0
    await buckets.lease(database)
    assert len(buckets._buckets) == 0


PROXIES = (ip_network("10.0.0.0/8"), ip_network("2001:db8::/32"))


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("192.0.2.1", [], "192.0.2.1"),
        ("192.0.2.1", ["203.0.113.9"], "192.0.2.1"),
        ("10.0.0.1", ["203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1", ["198.51.100.1, 203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1", ["198.51.100.1", "203.0.113.9, 10.0.0.2"], "203.0.113.9"),
        ("10.0.0.1", ["203.0.113.9, nonsense"], "10.0.0.1"),
        ("10.0.0.1", ["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("::ffff:10.0.0.1", ["203.0.113.9"], "203.0.113.9"),
        ("2001:db8::1", ["2400:1:2:3:4:5:6:7"], "2400:1:2:3::/64"),
    ],
)
def test_only_a_proxy_of_ours_is_believed(peer: str, forwarded: list[str], address: str) -> None:
    headers = [(b"x-forwarded-for", value.encode()) for value in forwarded]
    assert client_address({"client": (peer, 1), "headers": headers}, PROXIES) == address


def test_without_trusted_proxies_nobody_is_believed() -> None:
    scope = {"client": ("127.0.0.1", 1), "headers": [(b"x-forwarded-for", b"203.0.113.9")]}
    assert client_address(scope, ()) == "127.0.0.1"


def standing_still(app: TestApp) -> TestApp:
    """The same, for whose limits no time passes while the test runs."""
    app.runtime.resources.limits.buckets._time = Time()
    return app


@asynccontextmanager
async def called_from(app: TestApp, address: str, token: str | None = None) -> AsyncIterator[httpx.AsyncClient]:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    transport = httpx.ASGITransport(app.app, client=(address, 50000))
    async with httpx.AsyncClient(transport=transport, base_url="https://gateway.test", headers=headers) as client:
        yield client


async def test_a_caller_beyond_the_limit_is_told_when_to_come_back_and_others_go_on(
    open_gateway: Any, services: Any, steps: Any
) -> None:
    app = standing_still(await open_gateway(person_rate=0.5, person_burst=3))
    services.answers["/api/v1/units"] = {"items": []}
    async with steps.browser_of(app) as browser:
        mine, another = await steps.token_of(browser, "rm"), await steps.token_of(browser, "rm2")
    async with called_from(app, "192.0.2.1", mine) as caller, called_from(app, "192.0.2.1", another) as colleague:
        answers = [await caller.get("/api/v1/units") for _ in range(4)]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
        assert answers[0].headers["ratelimit"] == '"person";r=2;t=2'
        refused = answers[3]
        assert refused.headers["content-type"] == "application/problem+json"
        assert (refused.json()["code"], refused.json()["status"]) == ("request.rate_limited", 429)
        assert refused.headers["retry-after"] == "2"
        assert refused.headers["ratelimit-policy"] == '"person";q=3;w=6'
        assert refused.headers["ratelimit"] == '"person";r=0;t=6'
        chinese = await caller.get("/api/v1/units", headers={"Accept-Language": "zh"})
        assert (chinese.json()["title"], chinese.headers["content-language"]) == ("请求过于频繁", "zh")
        # The same person from elsewhere is the same person.
        async with called_from(app, "192.0.2.9", mine) as elsewhere:
            assert (await elsewhere.get("/api/v1/units")).status_code == 429
        assert (await colleague.get("/api/v1/units")).status_code == 200
    assert len(services.seen) == 4


async def test_a_system_has_a_limit_of_its_own(open_gateway: Any, services: Any) -> None:
    app = standing_still(await open_gateway(person_rate=0.5, person_burst=1, system_rate=0.5, system_burst=3))
    app.runtime.verifier = app.issuer.verifier()
    services.answers["/api/v1/units"] = {"items": []}
    token = app.issuer.token([Role.SYSTEM], subject="core-banking", client_id="core-banking")
    async with called_from(app, "192.0.2.1", token) as system:
        answers = [await system.get("/api/v1/units") for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert answers[3].headers["ratelimit-policy"] == '"system";q=3;w=6'


async def test_an_address_beyond_the_limit_is_stopped_before_anything_is_looked_at(
    open_gateway: Any, services: Any
) -> None:
    app = standing_still(await open_gateway(address_rate=0.5, address_burst=2))
    async with called_from(app, "192.0.2.1", "not.a.token") as flood, called_from(app, "192.0.2.2") as other:
        spoofed = {"X-Forwarded-For": "203.0.113.1", "Forwarded": "for=203.0.113.1", "X-Real-IP": "203.0.113.1"}
        answers = [await flood.get("/api/v1/units", headers=spoofed) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [401, 401, 429]
        assert answers[2].headers["ratelimit-policy"] == '"address";q=2;w=4'
        assert (await flood.get("/")).status_code == 429
        assert (await other.get("/")).status_code == 200
        # Whoever watches the process still sees that it lives.
        assert (await flood.get("/health/live")).status_code == 200
    assert services.seen == []


async def test_behind_a_trusted_proxy_each_address_has_its_own_limit(open_gateway: Any) -> None:
    app = standing_still(await open_gateway(address_rate=0.5, address_burst=1, trusted_proxies=("10.0.0.0/8",)))
    async with called_from(app, "10.0.0.1") as proxy:
        statuses = [
            (await proxy.get("/", headers={"X-Forwarded-For": told})).status_code
            for told in ("203.0.113.1", "203.0.113.2", "203.0.113.1", "198.51.100.1, 203.0.113.2")
        ]
    assert statuses == [200, 200, 429, 429]


async def test_a_session_counts_as_its_user(open_gateway: Any, services: Any, steps: Any) -> None:
    app = standing_still(await open_gateway(person_rate=0.5, person_burst=2))
    services.answers["/api/v1/units"] = {"items": []}
    async with steps.browser_of(app) as browser:
        await steps.log_in(browser, "rm")
        assert [(await browser.get("/api/v1/units")).status_code for _ in range(3)] == [200, 200, 429]


async def test_two_gateways_over_one_database_share_the_limit(
    gateway_settings: dict[str, Any], service_database: ServiceDatabase, clock: FixedClock, services: Any, steps: Any
) -> None:
    services.answers["/api/v1/units"] = {"items": []}
    values = {**gateway_settings, "person_rate": 0.001, "person_burst": 8}
    settings = test_settings(Settings, values.pop("database_dsn"), **values)
    first = await Database.connect(service_database.dsn("api"), schema="gateway")
    second = await Database.connect(service_database.dsn("api"), schema="gateway")
    async with (
        open_test_app(DEFINITION, database=first, settings=settings, clock=clock) as one,
        open_test_app(DEFINITION, database=second, settings=settings, clock=clock) as two,
    ):
        async with steps.browser_of(one) as browser:
            token = await steps.token_of(browser, "rm")
        count = 0
        for app in (one, two):
            for each in (one, two, one):
                await each.runtime.resources.limits.buckets.lease(each.runtime.database)
            async with called_from(app, "192.0.2.1", token) as caller:
                answers = [await caller.get("/api/v1/units") for _ in range(8)]
                count += sum(answer.status_code == 200 for answer in answers)
        assert count == 8
    await first.close()
    await second.close()


@pytest.mark.parametrize(
    "changed",
    [{"person_rate": 0}, {"system_burst": 0}, {"address_rate": -1}, {"trusted_proxies": ("10.0.0.0/33",)}],
    ids=str,
)
def test_a_limit_that_is_none_stops_the_start(tmp_path: Path, changed: dict[str, Any]) -> None:
    values = {
        "public_url": "https://gateway.test",
        "console": tmp_path,
        "session_key": "k" * 48,
        "webhook_key_file": tmp_path / "webhook-keys.json",
    }
    assert test_settings(Settings, "postgresql://host/db", **values).port == 0
    with pytest.raises(ValidationError, match=next(iter(changed))):
        test_settings(Settings, "postgresql://host/db", **values, **changed)
