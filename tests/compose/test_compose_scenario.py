"""The main scenario over a suite of containers, then one fault of each kind, workers in threes, a loss and its repair.

The tests build on each other, in the order in which they stand: the bank's day goes on while things break.
"""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from kehu_contracts.topics import DEAD_LETTERS, TOPICS

from ..scenarios import plain_reader  # noqa: TID252  no installed package holds the scenarios
from ..world.visitors import Visitors  # noqa: TID252  no installed package holds the world of the tests
from .bank import SOURCE, Bank
from .containers import ROOT, Containers
from .rules import DEPLOYABLES

pytestmark = [pytest.mark.compose, pytest.mark.xdist_group("compose")]

RICH = [f"rich-{place}" for place in range(8)]
POOR = [f"poor-{place}" for place in range(4)]
LATE = "late-0"
"""Whom the bank states under a new key."""
REACHABLE = 4
"""How many of the rich have a phone number and a consent."""
PRODUCT = "spring-saver"
NARRATIVE = "The fee was charged twice."
CONSENT = {
    "purpose": "marketing",
    "channel": "sms",
    "status": "granted",
    "notice_version": "2026-01",
    "proof": "form 1",
}
DAYS = 20
LAST_BALANCE = f"{200_000 + DAYS - 1}.00"
WITHIN = 60.0
"""Seconds after a fault in which everything must have come right."""


def insist(visitors: Visitors, path: str, content: dict[str, Any]) -> dict[str, Any]:
    """A write of the bank's app as a good client makes it: sent again with the same key until it is acknowledged."""
    headers = {"Idempotency-Key": uuid.uuid4().hex}
    deadline = time.monotonic() + WITHIN
    while True:
        try:
            answer = visitors.system("mobile-bank").post(path, json=content, headers=headers)
        except httpx.TransportError as error:
            told = str(error)
        else:
            if answer.status_code == 201:
                written: dict[str, Any] = answer.json()
                return written
            assert answer.status_code == 429 or answer.status_code >= 500, answer.text
            told = answer.text
        assert time.monotonic() < deadline, told
        time.sleep(0.2)


def newcomer(visitors: Visitors, number: int) -> str:
    """A customer who registers in the app, with a phone number, and agrees to be told of offers."""
    made = insist(visitors, "/api/v1/customers", {"kind": "individual", "name": f"李{number}"})
    make_reachable(visitors, made["id"], number)
    customer_id: str = made["id"]
    return customer_id


def make_reachable(visitors: Visitors, customer_id: str, number: int) -> None:
    path = f"/api/v1/customers/{customer_id}"
    insist(visitors, f"{path}/contact-points", {"type": "phone", "value": f"+86138{number:08d}"})
    insist(visitors, f"{path}/consents", CONSENT)


def gate(visitors: Visitors, customer_id: str) -> str:
    """What the gate says of an SMS to the customer now; `unknown` when it has not heard of the customer."""
    question = {"customer_id": customer_id, "purpose": "marketing", "channel": "sms"}
    answer = visitors.user("compliance").post("/api/v1/contact-decisions", json=question)
    if answer.status_code == 404:
        return "unknown"
    assert answer.status_code == 200, answer.text
    reason: str = answer.json()["reason"]
    return reason


@pytest.fixture(scope="module")
def newcomers() -> list[str]:
    """The customers who registered while something was broken."""
    return []


@pytest.fixture(scope="module")
def customers(bank: Bank, visitors: Visitors) -> dict[str, str]:
    """Kehu's ids of the bank's parties."""
    bank.organise()
    bank.register([*RICH, *POOR])
    bank.state_balances([*((party, 200_000) for party in RICH), *((party, 10) for party in POOR)])

    def known(party: str) -> list[Any]:
        path = "/api/v1/source-records"
        found: list[Any] = visitors.get("auditor", path, source=SOURCE, source_id=party)["items"]
        return found

    visitors.eventually(lambda: all(known(party) for party in [*RICH, *POOR]), "the parties are known", within=WITHIN)
    return {party: known(party)[0]["customer_id"] for party in [*RICH, *POOR]}


@pytest.fixture(scope="module")
def segment(customers: dict[str, str], visitors: Visitors) -> str:
    """The id of the segment of the rich, published and with its members."""
    rule = {"type": "balance", "aggregate": "any", "operator": ">=", "value": "100000"}
    made = visitors.post("marketer", "/api/v1/segments", {"code": "rich", "name": "高余额", "rule": rule})
    path = f"/api/v1/segments/{made['segment_id']}"
    visitors.post("marketer", f"{path}/publications", status=202)

    def members() -> set[str]:
        return {row["customer_id"] for row in visitors.every("marketer", f"{path}/members")}

    wanted = {customers[party] for party in RICH}
    visitors.eventually(lambda: members() == wanted, "the segment has the rich as its members", within=WITHIN)
    segment_id: str = made["segment_id"]
    return segment_id


def run_campaign(visitors: Visitors, segment: str, code: str) -> str:
    """The path of a campaign that a second person approved, with every member of the segment decided."""
    plan = {
        "code": code,
        "name": "Spring savings",
        "objective": "Tell wealthy customers of the new savings account.",
        "channel": "sms",
        "product_code": PRODUCT,
        "message": "A savings account with open terms awaits you. Reply T to opt out.",
        "audience": {"any_of": [segment]},
        "holdout_basis_points": 0,
        "ends_at": "2099-12-31T00:00:00+08:00",
    }
    made = visitors.post("marketer", "/api/v1/campaigns", plan)
    path = f"/api/v1/campaigns/{made['id']}"
    visitors.post("marketer", f"{path}/submissions")
    visitors.post("compliance", f"{path}/approvals", {})

    def decided() -> bool:
        return bool(visitors.get("marketer", f"{path}/funnel")["decided"] == len(RICH))

    visitors.eventually(decided, "every member is decided", within=WITHIN)
    return path


@pytest.fixture(scope="module")
def complaint(customers: dict[str, str], visitors: Visitors) -> str:
    """The path of an open complaint of the first of the rich, of whom the gate knows by then that they are reachable."""
    for number, party in enumerate(RICH[:REACHABLE]):
        make_reachable(visitors, customers[party], number)
    complainant = customers[RICH[0]]
    visitors.eventually(lambda: gate(visitors, complainant) == "allowed", "the gate knows the consent", within=WITHIN)
    content = {"channel": "phone", "customer_id": complainant, "narrative": NARRATIVE}
    case = visitors.post("handler", "/api/v1/complaints", content)
    return f"/api/v1/complaints/{case['complaint_id']}"


def test_an_open_complaint_stops_marketing(customers: dict[str, str], complaint: str, visitors: Visitors) -> None:
    assert visitors.get("handler", complaint)["state"] == "received"
    took = visitors.eventually(
        lambda: gate(visitors, customers[RICH[0]]) == "open_complaint", "the gate has heard of the complaint"
    )
    assert took <= 5.0


def test_a_campaign_reaches_those_it_may_and_an_opening_is_one_conversion(
    customers: dict[str, str], segment: str, complaint: str, bank: Bank, visitors: Visitors
) -> None:
    assert complaint
    path = run_campaign(visitors, segment, "spring")
    decided = {row["customer_id"]: row["reason"] for row in visitors.every("marketer", f"{path}/decisions")}
    assert set(decided) == {customers[party] for party in RICH}
    allowed = {customer_id for customer_id, reason in decided.items() if reason == "allowed"}
    assert allowed == {customers[party] for party in RICH[1:REACHABLE]}
    assert decided[customers[RICH[0]]] == "open_complaint"

    def delivered() -> list[Any]:
        rows = visitors.every("marketer", f"{path}/messages")
        return [row for row in rows if row["delivered_at"] is not None]

    visitors.eventually(lambda: len(delivered()) == len(allowed), "all are delivered", within=WITHIN)
    assert Counter(row["customer_id"] for row in delivered()) == Counter(allowed)
    buyer = RICH[1]
    (met,) = [row for row in delivered() if row["customer_id"] == customers[buyer]]
    bank.open_product(buyer, PRODUCT, datetime.fromisoformat(met["delivered_at"]) + timedelta(seconds=1))
    visitors.eventually(
        lambda: visitors.get("marketer", f"{path}/funnel")["contacted"]["openings"] == 1,
        "the opening is counted",
        within=WITHIN,
    )
    sections = visitors.get("auditor", f"/api/v1/customers/{customers[buyer]}/overview")["sections"]
    assert {name: section["status"] for name, section in sections.items()} == dict.fromkeys(
        ("profile", "holdings", "segments", "complaints", "campaigns"), "ok"
    )
    assert [row["conversions"] for row in sections["campaigns"]["data"]["items"]] == [1]


def _all_right(containers: Containers, visitors: Visitors, newcomers: list[str]) -> None:
    """What broke is back, and what was acknowledged has had its effect in another service."""
    visitors.eventually(lambda: not containers.ill(), "everything is healthy again")
    visitors.eventually(
        lambda: all(gate(visitors, customer_id) == "allowed" for customer_id in newcomers),
        "the gate knows every consent",
        within=WITHIN,
    )


def test_what_is_written_while_workers_are_dead_has_its_effect_when_they_are_back(
    containers: Containers, visitors: Visitors, newcomers: list[str]
) -> None:
    containers.compose("kill", "--signal", "KILL", "customer-worker", "campaigns-worker")
    made = [newcomer(visitors, 1000 + number) for number in range(3)]
    assert {gate(visitors, customer_id) for customer_id in made} == {"unknown"}
    newcomers += made
    containers.up()
    _all_right(containers, visitors, newcomers)


@pytest.mark.parametrize("server", ["kafka", "postgres"])
def test_writes_go_on_over_the_restart_of_a_server_and_none_is_lost_or_doubled(
    containers: Containers, visitors: Visitors, newcomers: list[str], server: str
) -> None:
    restarting = threading.Thread(target=containers.compose, args=("restart", server))
    restarting.start()
    number = 2000 if server == "kafka" else 3000
    made: list[str] = []
    while restarting.is_alive() or len(made) < 3:
        made.append(newcomer(visitors, number + len(made)))
    restarting.join()
    newcomers += made
    _all_right(containers, visitors, newcomers)


def test_a_worker_ends_in_time_while_the_broker_is_away(
    containers: Containers, visitors: Visitors, newcomers: list[str]
) -> None:
    containers.compose("kill", "kafka")
    newcomers.append(newcomer(visitors, 4000))
    containers.compose("stop", "customer-worker", "campaigns-worker")
    ended = containers.inspect("customer-worker", "campaigns-worker")
    # One that does not end in time is killed, which its code tells.
    assert {name: one["State"]["ExitCode"] for name, one in ended.items()} == {
        "customer-worker-1": 0,
        "campaigns-worker-1": 0,
    }
    containers.up()
    _all_right(containers, visitors, newcomers)


def test_three_workers_of_a_kind_keep_order_and_effects(
    containers: Containers, customers: dict[str, str], segment: str, bank: Bank, visitors: Visitors
) -> None:
    containers.up("--scale", "customer-worker=3", "--scale", "campaigns-worker=3", "--no-recreate")
    assert len(containers.ids("customer-worker")) == len(containers.ids("campaigns-worker")) == 3
    bank.state_balances(((party, 100_000 + day) for day in range(1, DAYS) for party in RICH), first=2)
    # One of the three dies over its work: the others take its partitions, and the relay's or the timers' part.
    containers.docker("kill", containers.ids("customer-worker")[-1], containers.ids("campaigns-worker")[-1])
    bank.state_balances(((party, 200_000 + day) for day in range(1, DAYS) for party in RICH), first=DAYS + 1)

    def balance(party: str) -> str:
        (account,) = visitors.get("auditor", f"/api/v1/customers/{customers[party]}/accounts")["items"]
        amount: str = account["balance"]["amount"]
        return amount

    visitors.eventually(
        lambda: {balance(party) for party in RICH} == {LAST_BALANCE},
        "every account has its last balance",
        within=WITHIN,
    )
    path = run_campaign(visitors, segment, "summer")
    decisions = visitors.every("marketer", f"{path}/decisions")
    assert Counter(row["customer_id"] for row in decisions) == Counter(customers[party] for party in RICH)
    allowed = [row["customer_id"] for row in decisions if row["reason"] == "allowed"]
    messages = visitors.every("marketer", f"{path}/messages")
    assert Counter(row["customer_id"] for row in messages) == Counter(allowed)
    assert set(allowed) == {customers[party] for party in RICH[1:REACHABLE]}


def test_an_operator_replaces_keys_and_looks_at_the_suite(
    containers: Containers, customers: dict[str, str], visitors: Visitors, tmp_path: Path
) -> None:
    assert customers
    containers.operate("keys", "rotate", "message")
    containers.operate("keys", "rotate", "kek")
    assert json.loads(containers.operate("keys", "hand-over", "bank-2", "-"))["kid"] == "bank-2"
    held = containers.execute("customer-worker", "cat", "/run/kehu/keys.json")
    wrapping = json.loads(held)["kek"]
    assert set(wrapping["keys"]) == {"kek-1", "kek-2"}
    assert json.loads(containers.execute("complaints-worker", "cat", "/run/kehu/keys.json")) == {"kek": wrapping}
    (tmp_path / "keys.json").write_text(held, encoding="utf-8")
    Bank(containers, tmp_path / "keys.json").register([LATE])

    def known() -> bool:
        return bool(visitors.get("auditor", "/api/v1/source-records", source=SOURCE, source_id=LATE)["items"])

    visitors.eventually(known, "a party under the new key is known", within=WITHIN)
    told = containers.operate("audit", "verify").splitlines()
    assert [line.partition(":")[0] for line in told] == [*DEPLOYABLES]
    assert not any("broken" in line for line in told)
    anchored = dict(line.split(":", 1) for line in told)["customer"]
    assert " 0 of them anchored" not in anchored
    assert containers.operate("topics", "plan").strip() == "The broker agrees."
    assert len(containers.operate("replay", "campaigns", "campaign-segments").split(" messages read")) == 2
    assert containers.operate("dead-letters", "list", "customer").strip() == "There are none."
    # It ends with 1, and so fails here, unless all is well.
    assert "bank-party" in containers.operate("health")
    asked = containers.execute("postgres", "psql", "--username", "postgres", "kehu", "--tuples-only", "-c", "SELECT 1")
    assert asked.strip() == "1"


@pytest.fixture
def backups(tmp_path: Path, containers: Containers) -> Iterator[Path]:
    """A folder of the operator's choice, which the commands' user may write to."""
    folder = tmp_path / "backups"
    folder.mkdir()
    folder.chmod(0o777)
    yield folder
    # What is in it belongs to that user.
    containers.docker(
        "run",
        "--rm",
        "--network",
        "none",
        "--volume",
        f"{folder}:/backup",
        "--entrypoint",
        "sh",
        containers.image("operator"),
        "-c",
        "rm -r /backup/*",
    )


def test_the_suite_comes_back_from_its_backup_in_an_empty_project(
    containers: Containers,
    customers: dict[str, str],
    complaint: str,
    newcomers: list[str],
    backups: Path,
    visitors: Visitors,
) -> None:
    assert "WRONG" not in containers.operate("verify")
    options = ("/backup/monday", "--keys", "/backup/monday-keys")
    told = containers.operate("backup", *options, mounted=f"{backups}:/backup")
    assert "Every write answered before" in told
    late = newcomer(visitors, 8000)
    containers.compose(
        "run",
        "--rm",
        "--volume",
        f"{backups}:/backup",
        "--entrypoint",
        "cp",
        "operator",
        "-r",
        "/ledger",
        "/backup/ledger",
    )
    containers.compose("down", "--volumes")
    told = containers.operate(
        *options, "--ledger", "/backup/ledger", container="restore", mounted=f"{backups}:/backup:ro"
    )
    assert "Restored as of" in told
    containers.up()
    assert "WRONG" not in containers.operate("verify")
    assert visitors.system("mobile-bank").get(f"/api/v1/customers/{late}").status_code == 404
    assert visitors.get("handler", complaint)["narrative"] == NARRATIVE
    for customer_id in newcomers:
        assert visitors.get("auditor", f"/api/v1/customers/{customer_id}")["id"] == customer_id
    balances = {
        account["balance"]["amount"]
        for party in RICH
        for account in visitors.get("auditor", f"/api/v1/customers/{customers[party]}/accounts")["items"]
    }
    assert balances == {LAST_BALANCE}
    # Keys are still being replaced, and events still have their effect in another service.
    newcomers.append(newcomer(visitors, 9000))
    _all_right(containers, visitors, newcomers)

    def nothing_is_left() -> bool:
        (old,) = [line for line in containers.operate("keys", "status").splitlines() if "kek-1 " in line]
        return "none" in old

    visitors.eventually(nothing_is_left, "no row is left under the old key", within=WITHIN)
    containers.operate("keys", "retire", "kek-1")


def test_in_the_end_every_event_stands_on_its_topic_once_and_in_order(
    bank: Bank, customers: dict[str, str], newcomers: list[str], visitors: Visitors
) -> None:
    for service in ("customer", "segmentation", "complaints", "campaigns"):
        path = f"/api/v1/operations/{service}/dead-letters"
        assert visitors.every("operator", path) == []
    topics = [topic.name for topic in TOPICS if topic.name.startswith("kehu.") and topic.name != DEAD_LETTERS]
    records = bank.read(topics)
    reading = plain_reader.check(records, plain_reader.load_schemas(ROOT / "libs" / "contracts" / "schemas"))
    assert reading.faults == []
    registered = Counter(record.key for record in reading.of_type("kehu.customer.registered"))
    (late,) = visitors.get("auditor", "/api/v1/source-records", source=SOURCE, source_id=LATE)["items"]
    assert registered == Counter([*customers.values(), *newcomers, late["customer_id"]])
    decided = Counter(record.key for record in reading.of_type("kehu.campaign.contact_decided"))
    assert decided == Counter({customers[party]: 2 for party in RICH})
    assert plain_reader.find_in_clear(records, ["王rich", "李1000", "13800000", NARRATIVE]) == []
