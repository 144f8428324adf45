"""None of the demo bank's five thousand customers stands in clear in anything that its suite keeps or tells.

`KEHU_TEST_DEMO_DATA` names the data folder of a demo bank that runs already; without it, one is started and loaded.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import date
from pathlib import Path
from typing import Final

import asyncpg
import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from kehu_chassis.kafka import Kafka
from kehu_local.demo.organisation import STAFF
from kehu_local.demo.people import COUNT, parties
from kehu_local.environment import database_dsn
from kehu_local.plan import Plan
from kehu_local.secrets import Secrets

from .suites import ROOT, a_suite
from .traces_of_people import find, gather, told_of

pytestmark = [pytest.mark.slow, pytest.mark.personal]

NAME: Final = "皇甫栽树"
DOCUMENT: Final = "110105188812310021"
NUMBER: Final = "310101188701010018"
PHONE: Final = "15500001888"
EMAIL: Final = "planted.person@example.org"
PLANTED: Final = {
    NAME: "tables/planted.people",
    DOCUMENT: "tables/planted.people",
    NUMBER: "topics/planted",
    PHONE: "logs/planted.log",
    EMAIL: "logs/planted-traces.log",
}
"""Of somebody who is nobody's customer: what the search must find, and in which file."""


@pytest.fixture(scope="module")
def plan() -> Iterator[Plan]:
    """The suite of the demo bank."""
    running = os.environ.get("KEHU_TEST_DEMO_DATA")
    if running:
        yield Plan.load(ROOT, Path(running))
        return
    with a_suite(traced="0.1", until="Log-ins") as started:
        yield started


def everybody(plan: Plan) -> set[str]:
    """What identifies the customers of this demo bank. Names of the bank's own staff stand in clear: docs/security.md."""
    base = json.loads((plan.run / "demo-base.json").read_text(encoding="utf-8"))
    staff = {member.name for member in STAFF}
    people = parties(date.fromisoformat(base["today"]))
    assert len(people) == COUNT
    return {value for person in people for value in told_of(person.identity) if value not in staff}


@asynccontextmanager
async def planted(plan: Plan) -> AsyncIterator[None]:
    """Somebody in clear in each place, in a form of their own: as bytes, in base64, in a URL, escaped."""
    connection = await asyncpg.connect(database_dsn(plan, Secrets.load_or_make(plan)))
    admin = AIOKafkaAdminClient(bootstrap_servers=plan.kafka_bootstrap)
    await admin.start()
    logs = {"planted.log": f"GET /customers?q=%2B86{PHONE}", "planted-traces.log": traced(EMAIL)}
    try:
        await connection.execute("CREATE SCHEMA planted; CREATE TABLE planted.people (told bytea)")
        for value in (NAME, DOCUMENT):
            await connection.execute("INSERT INTO planted.people VALUES ($1)", f"0{value}0".encode())
        await admin.create_topics([NewTopic("planted", 1, 1)])
        await tell(plan, base64.b64encode(f"one {NUMBER} two".encode()))
        for file, line in logs.items():
            (plan.logs / file).write_text(line + "\n", encoding="utf-8")
        yield
    finally:
        await connection.execute("DROP SCHEMA IF EXISTS planted CASCADE")
        await connection.close()
        await admin.delete_topics(["planted"])
        await admin.close()
        for file in logs:
            (plan.logs / file).unlink(missing_ok=True)


def traced(value: str) -> str:
    """A span as a process would write it that told somebody's name in an attribute."""
    return json.dumps({"event": "trace.span", "name": "lookup", "attributes": {"q": value.encode().hex()}})


async def tell(plan: Plan, body: bytes) -> None:
    producer = Kafka(plan.kafka_bootstrap, client_id="planted").producer()
    await producer.start()
    try:
        await producer.send_and_wait("planted", body, key=b"1")
    finally:
        await producer.stop()


async def test_no_customer_of_the_demo_bank_stands_in_clear(plan: Plan, tmp_path: Path) -> None:
    values = everybody(plan)
    assert len(values) > 3 * COUNT
    folder = tmp_path / "gathered"
    async with planted(plan):
        counts = await gather(plan, folder)
    # All of it was gathered: each customer, what the bank said and Kehu told of them, and traces.
    assert lines_of(folder / "tables" / "customer.customers") == COUNT
    assert lines_of(folder / "tables" / "complaints.complaints") > 0
    assert counts["bank.party.v1"] >= COUNT
    assert counts["kehu.customer.v1"] > COUNT
    assert any(b"trace.span" in log.read_bytes() for log in (folder / "logs").glob("*-api.log"))
    assert await find({*values, *PLANTED}, folder) == {value: {file} for value, file in PLANTED.items()}


def lines_of(file: Path) -> int:
    with file.open("rb") as lines:
        return sum(1 for _ in lines)
