"""What operators see and ask for over HTTP, and who is an operator."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import uuid4

import pytest

from kehu_chassis import parking, timers
from kehu_chassis.clock import FixedClock, technical_now
from kehu_chassis.database import Database
from kehu_chassis.testing.events import Deliver
from kehu_chassis.testing.http import TestApp
from kehu_chassis.testing.openapi_rules import violations
from kehu_chassis.testing.plugin import AppClient
from kehu_chassis.testing.probe import Probe
from kehu_contracts.access import Role

BASE = "/api/v1/operations/probe"
REASON = {"reason": "The rule was mended."}


@pytest.fixture
async def dead(deliver: Deliver, probe: Probe) -> str:
    """The id of a dead letter with one message behind it."""
    customer = uuid4()
    probe.poison = {"!"}
    await deliver(probe.subscription, [deliver.message(probe.changed(customer, value)) for value in "!b"])
    probe.poison = set()
    [letter] = await probe.rows("dead_letters")
    return str(letter["dead_letter_id"])


async def judged(app_client: AppClient) -> dict[tuple[str, str | None], tuple[float | None, str]]:
    """By alert and what it is about: the figure and its word."""
    health = (await (await app_client(Role.OPERATOR)).get(f"{BASE}/health")).json()
    beyond = {alert["state"] for alert in health["alerts"]} & {"ticket", "page"}
    well = not beyond and all(consumer["state"] == "running" for consumer in health["consumers"])
    assert health["status"] == ("ok" if well else "degraded")
    return {(alert["alert"], alert["of"]): (alert["figure"], alert["state"]) for alert in health["alerts"]}


async def report(database: Database, state: str, seconds_ago: int = 0) -> None:
    async with database.begin() as tx:
        await tx.connection.execute(
            "INSERT INTO consumer_states (subscription, state, lag, reported_at) VALUES ('probe', $1, 3, $2)",
            state,
            technical_now() - timedelta(seconds=seconds_ago),
        )


async def test_a_dead_letter_is_listed_read_and_redriven_once(
    app_client: AppClient, dead: str, deliver: Deliver, probe: Probe
) -> None:
    operator = await app_client(Role.OPERATOR)
    listed = (await operator.get(f"{BASE}/dead-letters", params={"state": "open"})).json()
    assert [item["dead_letter_id"] for item in listed["items"]] == [dead]
    assert (await operator.get(f"{BASE}/dead-letters/{dead}")).json()["held_behind"] == 1
    for _ in range(2):
        answer = await operator.post(f"{BASE}/dead-letters/{dead}/redrives", json=REASON)
        assert (answer.status_code, answer.json()["state"]) == (202, "redrive")
    assert await deliver.settle(probe.subscription) == 1
    assert (await operator.get(f"{BASE}/dead-letters/{dead}")).json()["state"] == "redriven"
    assert await probe.effects() == ["!", "b"]
    refused = await operator.post(f"{BASE}/dead-letters/{dead}/skips", json=REASON)
    assert (refused.status_code, refused.json()["code"]) == (409, "operations.dead_letter_settled")
    [row] = await probe.rows("audit")
    assert (row["action"], row["resource_type"], row["resource_id"], row["reason"]) == (
        "dead_letter.redrive_requested",
        "dead_letter",
        dead,
        REASON["reason"],
    )


async def test_only_operators_step_in(app_client: AppClient, dead: str, probe: Probe) -> None:
    for role, status in ((Role.AUDITOR, 403), (Role.RELATIONSHIP_MANAGER, 403)):
        client = await app_client(role)
        answer = await client.post(f"{BASE}/dead-letters/{dead}/skips", json=REASON)
        assert answer.status_code == status
    assert (await (await app_client(Role.AUDITOR)).get(f"{BASE}/dead-letters")).status_code == 200
    assert (await (await app_client(Role.RELATIONSHIP_MANAGER)).get(f"{BASE}/health")).status_code == 403
    assert [row["state"] for row in await probe.rows("dead_letters")] == ["open"]
    assert await probe.rows("audit") == []


async def test_an_unknown_dead_letter_is_not_found(app_client: AppClient, probe: Probe) -> None:
    operator = await app_client(Role.OPERATOR)
    for path in ("redrives", "skips"):
        answer = await operator.post(f"{BASE}/dead-letters/{uuid4()}/{path}", json=REASON)
        assert answer.status_code == 404
    assert await probe.rows("audit") == []


async def test_health_tells_what_waits(
    app_client: AppClient, worker_database: Database, dead: str, probe: Probe
) -> None:
    await report(worker_database, "running")
    await probe.state(uuid4(), "a")
    health = (await (await app_client(Role.OPERATOR)).get(f"{BASE}/health")).json()
    assert health["status"] == "degraded"
    assert health["open_dead_letters"] == 1
    # The event stated here, and the copy of the dead letter.
    assert health["outbox"]["depth"] == 2
    assert 0 <= health["outbox"]["oldest_seconds"] < 60
    [consumer] = health["consumers"]
    assert (consumer["state"], consumer["lag"], consumer["held"], consumer["open_dead_letters"]) == ("running", 3, 1, 1)
    assert dead


async def test_a_worker_that_reports_no_more_is_called_silent(app_client: AppClient, worker_database: Database) -> None:
    await report(worker_database, "running", seconds_ago=60)
    [consumer] = (await (await app_client(Role.OPERATOR)).get(f"{BASE}/consumers")).json()
    assert consumer["state"] == "silent"


async def test_nothing_is_urgent_in_a_service_at_rest_and_what_nobody_knows_is_not_called_well(
    app_client: AppClient, worker_database: Database
) -> None:
    found = await judged(app_client)
    assert found.pop(("KehuWorkerBlind", None)) == (None, "unknown")
    assert set(found.values()) == {(0, "ok")}
    await report(worker_database, "running")
    assert (await judged(app_client))["KehuWorkerBlind", None][1] == "ok"


async def test_a_worker_that_is_away_an_event_that_waits_and_a_timer_that_is_late_are_urgent(
    app_client: AppClient, worker_database: Database, probe: Probe, clock: FixedClock
) -> None:
    await report(worker_database, "running", seconds_ago=61)
    await probe.state(uuid4(), "a")
    now = clock.now()
    async with worker_database.begin() as tx:
        await tx.connection.execute("UPDATE outbox SET id = uuidv7(interval '-61 seconds')")
        for key, seconds in (("late", -301), ("just due", -1), ("next", 60), ("later", 90)):
            await timers.schedule(tx, due_at=now + timedelta(seconds=seconds), kind="call", key=key)
        await timers.schedule(tx, due_at=now + timedelta(days=1), kind="daily", key="all")
    found = await judged(app_client)
    for alert in ("KehuWorkerBlind", "KehuOutboxOld", "KehuTimersLate"):
        figure, state = found[alert, None]
        assert state == "page", alert
        assert figure is not None
        assert figure >= 61
    health = (await (await app_client(Role.OPERATOR)).get(f"{BASE}/health")).json()
    call, daily = health["timers"]
    assert call == {
        "kind": "call",
        "set": 4,
        "due": 2,
        "failing": 0,
        "late_seconds": 301,
        "next_due_at": told(now + timedelta(seconds=60)),
    }
    assert (daily["late_seconds"], daily["next_due_at"]) == (None, told(now + timedelta(days=1)))


def told(instant: datetime) -> str:
    return instant.isoformat().replace("+00:00", "Z")


async def test_what_can_wait_for_the_morning_says_so(
    app_client: AppClient, worker_database: Database, dead: str, deliver: Deliver, probe: Probe
) -> None:
    await report(worker_database, "running")
    waiting = deliver.message(probe.changed(uuid4(), "child"))
    async with worker_database.begin() as tx:
        await tx.connection.execute("UPDATE consumer_states SET lag = 10001")
        await parking.park(tx, [(waiting, "account:core/1")])
        await tx.connection.execute("UPDATE parked_messages SET parked_at = parked_at - interval '2 hours'")
        await tx.connection.execute(
            "INSERT INTO last_messages VALUES ('bank.party.v1', $1), ('bank.account.v1', $2), ('kehu.customer.v1', $1)",
            technical_now() - timedelta(days=2),
            technical_now(),
        )
    found = await judged(app_client)
    assert found["KehuConsumerLag", "probe"] == (10001, "ticket")
    assert found["KehuDeadLetters", "probe"] == (1, "ticket")
    assert found["KehuParkedOld", None][1] == "ticket"
    assert found["KehuInboundSilent", "bank.party.v1"][1] == "ticket"
    assert found["KehuInboundSilent", "bank.account.v1"][1] == "ok"
    # Kehu's own topics are silent when nothing happens.
    assert ("KehuInboundSilent", "kehu.customer.v1") not in found
    health = (await (await app_client(Role.OPERATOR)).get(f"{BASE}/health")).json()
    assert [row["topic"] for row in health["topics"]] == ["bank.account.v1", "bank.party.v1", "kehu.customer.v1"]
    assert dead


async def test_the_lag_of_a_subscription_is_that_of_all_its_workers(
    app_client: AppClient, worker_database: Database
) -> None:
    await report(worker_database, "running")
    async with worker_database.begin() as tx:
        for lag, seconds_ago in ((5, 1), (7, 10), (100, 20)):
            await tx.connection.execute(
                "INSERT INTO consumer_lags VALUES ('probe', $1, $2, $3)",
                uuid4(),
                lag,
                technical_now() - timedelta(seconds=seconds_ago),
            )
    operator = await app_client(Role.OPERATOR)
    # The one that has reported no more has left its partitions to the others.
    assert [consumer["lag"] for consumer in (await operator.get(f"{BASE}/consumers")).json()] == [12]
    async with worker_database.begin() as tx:
        await tx.connection.execute("UPDATE consumer_states SET state = 'stopped', lag = NULL")
    assert [consumer["lag"] for consumer in (await operator.get(f"{BASE}/consumers")).json()] == [None]


async def test_only_a_stopped_consumer_is_resumed(
    app_client: AppClient, worker_database: Database, probe: Probe
) -> None:
    operator = await app_client(Role.OPERATOR)
    missing = await operator.post(f"{BASE}/consumers/probe/resumptions", json=REASON)
    assert missing.status_code == 404
    await report(worker_database, "running")
    refused = await operator.post(f"{BASE}/consumers/probe/resumptions", json=REASON)
    assert (refused.status_code, refused.json()["code"]) == (409, "operations.consumer_not_stopped")
    assert [row["resume_requested"] for row in await probe.rows("consumer_states")] == [False]
    assert await probe.rows("audit") == []
    async with worker_database.begin() as tx:
        await tx.connection.execute("UPDATE consumer_states SET state = 'stopped'")
    assert (await operator.post(f"{BASE}/consumers/probe/resumptions", json=REASON)).status_code == 202
    assert [row["resume_requested"] for row in await probe.rows("consumer_states")] == [True]
    [row] = await probe.rows("audit")
    assert (row["action"], row["resource_type"], row["resource_id"], row["reason"]) == (
        "consumer.resumption_requested",
        "consumer",
        "probe",
        REASON["reason"],
    )


async def test_an_empty_outbox_has_no_age(app_client: AppClient) -> None:
    outbox = await (await app_client(Role.OPERATOR)).get(f"{BASE}/outbox")
    assert outbox.json() == {"depth": 0, "oldest_seconds": None}


async def test_the_api_document_keeps_the_house_rules(service_app: TestApp) -> None:
    assert violations(service_app.app) == []
