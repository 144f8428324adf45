"""The upgrade drill: the version before serves while this one migrates its data under load; then each takes the other's
place over the same data. And every migration goes back and forward over data, losing what is said here and no more.

The version before is a commit of this repository and runs its own code (`make upgrade FROM=REF` names one). The demo bank
(`DEMO=1`) is the long form; without it the bank and the clients of the tests of faults fill the suite through the same doors.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final
from uuid import uuid4

import asyncpg
import httpx
import pytest

from kehu_chassis import migrations
from kehu_local.definitions import definition_of
from kehu_local.environment import DATABASE, database_dsn, process_environment
from kehu_local.plan import Plan
from kehu_local.secrets import SCHEMAS, Secrets

from ..faults.campaign import Scene, open_scene, until  # noqa: TID252  no installed package holds the tests of faults
from ..faults.load import PLAN  # noqa: TID252  the same
from ..faults.suite import PROCESSES, Code, FaultySuite  # noqa: TID252  the same
from .databases import LOCK_LIMIT, revisions_of
from .earlier import Earlier, an_earlier_version

pytestmark = pytest.mark.upgrade

say: Final[Callable[[str], None]] = print
FROM: Final = os.environ.get("KEHU_TEST_UPGRADE_FROM", "")
DEMO: Final = os.environ.get("KEHU_TEST_UPGRADE_DEMO", "") not in {"", "0"}
HEADS: Final = {schema: revisions_of(definition_of(schema).migrations)[-1] for schema in SCHEMAS}
READS: Final = (
    ("rm", "customers?limit=50"),
    ("rm", "customers/{customer}/overview"),
    ("rm", "customers/{customer}/timeline"),
    ("handler", "complaints?limit=50"),
    ("marketer", "segments/{segment}/members"),
    ("marketer", "campaigns/{campaign}/funnel"),
)
CONSENT: Final = {"purpose": "marketing", "channel": "sms", "status": "granted", "notice_version": "2026-01"}
LOCKS: Final = "SELECT pid, waitstart FROM pg_locks WHERE NOT granted"
LOSES: Final = {
    ("customer", "0002"): {"consent_entries", "standing_consents", "merges"},
    ("customer", "0003"): {"units", "staff", "ownerships", "source_records", "source_keys"},
    ("customer", "0004"): {"accounts", "account_holders", "product_openings", "transactions", "transaction_keys"},
    ("customer", "0005"): {"timeline_entries", "interactions"},
    ("customer", "0008"): {"erasures"},
    ("gateway", "0002"): {"rate_demands", "login_attempts"},
    ("gateway", "0003"): {"live_events", "webhooks", "webhook_deliveries"},
    # What webhooks are signed with stands beside as the version before reads it, and is read from there again.
    ("gateway", "0004"): {"webhooks"},
    # Workers report anew, and each topic's next message.
    ("customer", "0011"): {"consumer_lags", "last_messages"},
    ("segmentation", "0004"): {"consumer_lags", "last_messages"},
    ("complaints", "0005"): {"consumer_lags", "last_messages"},
    ("campaigns", "0004"): {"consumer_lags", "last_messages"},
    ("gateway", "0006"): {"consumer_lags", "last_messages"},
}
"""By schema and revision: the tables that are not what they were once that revision was taken back and made again, as far
as they had rows. All others are equal, row by row; how long movements are kept (customer 0007) has to be said again."""


@pytest.fixture(scope="module")
def earlier() -> Iterator[Earlier]:
    with an_earlier_version(FROM) as found:
        assert found.heads != HEADS, f"no migration lies between {found.commit} and this version"
        yield found


@dataclass
class Bank:
    """A suite with data in every service, and what readers ask for."""

    scene: Scene
    customer: str
    campaign: str

    @property
    def suite(self) -> FaultySuite:
        """The suite that it runs in."""
        return self.scene.suite


@pytest.fixture(scope="module")
async def bank(earlier: Earlier) -> AsyncIterator[Bank]:
    """A suite of the version before, which has filled it."""
    with FaultySuite(earlier.code, demo=DEMO) as suite:
        async with open_scene(suite, seed=11, demo=DEMO) as scene:
            async with scene.load():
                for _ in range(12):
                    await scene.bank.send(scene.bank.newcomer(savings=True))
                await scene.written(more=60)
            await scene.settle()
            await asyncio.to_thread(suite.go_to_morning)
            customer = next(sent.answer["id"] for sent in scene.clients.sent if sent.kind == "register" and sent.answer)
            yield Bank(scene, customer, await approved_campaign(scene))


async def approved_campaign(scene: Scene) -> str:
    """A campaign to the savers, of whom each was decided; and a partner system that is told of new customers."""
    async with httpx.AsyncClient(base_url=scene.suite.url, timeout=10) as client:

        async def write(user: str, path: str, body: Any) -> dict[str, Any]:
            sent = await scene.clients.write(client, user, "plan", f"/api/v1/{path}", body)
            assert sent.answer is not None, scene.clients.refused
            return sent.answer

        partner = {"name": "伙伴", "url": "https://partner.example/", "event_types": ["kehu.customer.registered"]}
        await write("operator", "webhooks", partner)
        members = await scene.clients.ask(client, "marketer", "GET", f"/api/v1/segments/{scene.segment}/members")
        for place, member in enumerate(members.json()["items"][:4]):
            path = f"/api/v1/customers/{member['customer_id']}"
            phone = {"type": "phone", "value": f"+86139{place:08d}"}
            await scene.clients.write(client, "mobile-bank", "contact point", f"{path}/contact-points", phone)
            await scene.clients.write(
                client, "mobile-bank", "consent", f"{path}/consents", CONSENT | {"proof": uuid4().hex}
            )
        await scene.settle()
        made = await write("marketer", "campaigns", PLAN | {"audience": {"any_of": [scene.segment]}})
        campaign: str = made["id"]
        await write("marketer", f"campaigns/{campaign}/submissions", None)
        await write("compliance", f"campaigns/{campaign}/approvals", {})

        async def funnel() -> Any:
            path = f"/api/v1/campaigns/{campaign}/funnel"
            return (await scene.clients.ask(client, "marketer", "GET", path)).json()

        await until(funnel, lambda found: found["audience"] and found["decided"] == found["audience"], within=600)
    return campaign


@dataclass
class Seen:
    """What readers were answered while something went on, in seconds, and how long anybody waited for a lock."""

    answers: Counter[int]
    longest_answer: float = 0.0
    longest_lock: float = 0.0


@asynccontextmanager
async def watched(bank: Bank) -> AsyncIterator[Seen]:
    """Readers of every service through the gateway, and an eye on the locks of the database."""
    seen, stop = Seen(Counter()), asyncio.Event()

    async def read(client: httpx.AsyncClient) -> None:
        while not stop.is_set():
            for user, path in READS:
                place = path.format(customer=bank.customer, segment=bank.scene.segment, campaign=bank.campaign)
                began = time.monotonic()
                answer = await bank.scene.clients.ask(client, user, "GET", f"/api/v1/{place}")
                seen.longest_answer = max(seen.longest_answer, time.monotonic() - began)
                seen.answers[answer.status_code] += 1

    async def look(connection: asyncpg.Connection) -> None:
        waits, last = defaultdict[Any, float](float), time.monotonic()
        while not stop.is_set():
            rows, now = await connection.fetch(LOCKS), time.monotonic()
            for row in rows:
                # Half a second between two looks at most: a machine that stood still made nobody wait.
                waits[tuple(row)] += min(now - last, 0.5)
            last = now
            seen.longest_lock = max([seen.longest_lock, *waits.values()])
            await asyncio.sleep(0.02)

    connection = await asyncpg.connect(bank.suite.database)
    try:
        async with httpx.AsyncClient(base_url=bank.suite.url, timeout=10) as client, asyncio.TaskGroup() as group:
            group.create_task(read(client))
            group.create_task(look(connection))
            try:
                yield seen
            finally:
                stop.set()
    finally:
        await connection.close()


def migrate(plan: Plan, schema: str) -> None:
    """Bring a schema to head as a suite of containers does it: this version's own process."""
    variables = process_environment(plan, Secrets.load_or_make(plan), schema, "migrate")
    command = [sys.executable, "-m", f"kehu_{schema}", "migrate"]
    done = subprocess.run(command, env=os.environ | variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{schema}: {done.stdout}{done.stderr}"


def take_back(plan: Plan, schema: str, revision: str) -> None:
    """Take a schema back, revision by revision."""
    folder = definition_of(schema).migrations
    owner = database_dsn(plan, Secrets.load_or_make(plan), schema, "owner")
    known = revisions_of(folder)
    for before in known[known.index(revision) : -1][::-1]:
        migrations.downgrade(owner, schema=schema, folder=folder, revision=before)


async def heads(suite: FaultySuite) -> dict[str, str]:
    """The revision of each schema."""
    connection = await asyncpg.connect(suite.database)
    try:
        return {
            schema: await connection.fetchval(f"SELECT version_num FROM {schema}.alembic_version")  # noqa: S608  our own names
            for schema in SCHEMAS
        }
    finally:
        await connection.close()


async def take_over(bank: Bank, code: Code) -> None:
    """Stop the suite, start it with other code over the same data, and see that it works and all that was is there."""
    await asyncio.to_thread(bank.suite.stop)
    began = time.monotonic()
    await asyncio.to_thread(bank.suite.start, code)
    say(f"started in {time.monotonic() - began:.1f} s")
    async with bank.scene.load():
        await bank.scene.written(more=20)
    await bank.scene.settle()
    await asyncio.to_thread(bank.suite.kehu, "verify")


async def test_the_version_before_serves_while_this_one_migrates_and_each_takes_the_others_place(
    bank: Bank, earlier: Earlier
) -> None:
    suite, failures = bank.suite, bank.scene.clients.failures
    assert await heads(suite) == earlier.heads
    assert suite.not_ready() == []
    before = Counter(failures)
    async with bank.scene.load(), watched(bank) as seen:
        await bank.scene.written(more=10)
        for schema in SCHEMAS:
            await asyncio.to_thread(migrate, suite.plan, schema)
            await bank.scene.written(more=10)
        not_ready = await asyncio.to_thread(suite.not_ready)
    say(f"from {earlier.commit[:7]} {earlier.heads} to {HEADS}: {seen}; not ready: {not_ready}")
    assert await heads(suite) == HEADS
    assert failures == before, list(bank.scene.clients.last_failures)
    assert set(seen.answers) == {200}
    assert seen.longest_lock < LOCK_LIMIT
    changed = {schema for schema in SCHEMAS if earlier.heads[schema] != HEADS[schema]}
    of_changed = {name for name in PROCESSES if name.removesuffix("-worker") in changed}
    assert set(not_ready) == (set() if earlier.abides_newer else of_changed)
    await bank.scene.settle()

    await take_over(bank, Code())
    if earlier.abides_newer:
        await take_over(bank, earlier.code)
        assert await heads(suite) == HEADS
    await asyncio.to_thread(suite.stop)
    for schema in SCHEMAS:
        await asyncio.to_thread(take_back, suite.plan, schema, earlier.heads[schema])
    await take_over(bank, earlier.code)
    assert await heads(suite) == earlier.heads
    await take_over(bank, Code())
    assert await heads(suite) == HEADS


COPY: Final = "kehu_walked"


@asynccontextmanager
async def a_copy(bank: Bank) -> AsyncIterator[None]:
    """A copy of the suite's database to walk through; its own stays as it is."""
    await asyncio.to_thread(bank.suite.stop)
    admin = await asyncpg.connect(bank.suite.postgres.dsn)
    try:
        await admin.execute(f"CREATE DATABASE {COPY} TEMPLATE {DATABASE}")
        yield
    finally:
        await admin.execute(f"DROP DATABASE IF EXISTS {COPY} WITH (FORCE)")
        await admin.close()


def of_the_copy(dsn: str) -> str:
    """The address of the copy, for whom this one is for."""
    return f"{dsn.rpartition('/')[0]}/{COPY}"


TABLES: Final = """
SELECT relname FROM pg_class WHERE relnamespace = $1::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
AND relname <> 'alembic_version'
"""
CONTENT: Final = "SELECT count(*), sum(hashtextextended(to_jsonb(t)::text, 0)::numeric) FROM {}.{} t"


async def contents(dsn: str, schema: str) -> dict[str, tuple[int, int]]:
    """How many rows each table has, and a number that is made of all of them."""
    connection = await asyncpg.connect(dsn)
    try:
        tables = [row["relname"] for row in await connection.fetch(TABLES, schema)]
        return {table: tuple(await connection.fetchrow(CONTENT.format(schema, table))) for table in tables}
    finally:
        await connection.close()


@pytest.mark.parametrize("schema", SCHEMAS)
async def test_each_migration_goes_back_and_forward_over_data_and_loses_what_is_said(bank: Bank, schema: str) -> None:
    folder = definition_of(schema).migrations
    known = revisions_of(folder)
    async with a_copy(bank):
        owner = database_dsn(bank.suite.plan, Secrets.load_or_make(bank.suite.plan), schema, "owner")
        place: dict[str, Any] = {"dsn": of_the_copy(owner), "schema": schema, "folder": folder}
        everything = of_the_copy(bank.suite.database)
        await asyncio.to_thread(migrations.upgrade, **place)
        for older, revision in zip(known[-2::-1], known[:0:-1], strict=True):
            before = await contents(everything, schema)
            await asyncio.to_thread(migrations.downgrade, **place, revision=older)
            await asyncio.to_thread(migrations.upgrade, **place, revision=revision)
            after = await contents(everything, schema)
            changed = {table for table in before if after[table] != before[table]}
            filled = {table for table in LOSES.get((schema, revision), ()) if before[table][0]}
            assert changed == filled, revision
            await asyncio.to_thread(migrations.downgrade, **place, revision=older)
