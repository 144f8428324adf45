"""The drill: load, back up under writes, destroy, restore, verify, and go on without loss or doubling."""

from __future__ import annotations

import asyncio
import shutil
import threading
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from aiokafka import TopicPartition

from kehu_chassis.kafka import Kafka
from kehu_contracts.topics import TOPICS
from kehu_local.bank import BankDoor
from kehu_local.demo.organisation import STAFF, UNITS
from kehu_local.testing import wait_for

from .conftest import Operated, posted

pytestmark = pytest.mark.drill

CATEGORY = "fees"


class Writer(threading.Thread):
    """Registers customers with a complaint each, one after the other, and notes when each was answered."""

    def __init__(self, suite: Operated, unit_id: str) -> None:
        super().__init__()
        self._client = suite.system()
        self._unit_id = unit_id
        self._stopping = threading.Event()
        self.customers: dict[str, datetime] = {}
        self.complaints: dict[str, datetime] = {}

    def run(self) -> None:
        while not self._stopping.is_set():
            self.write()

    def write(self) -> None:
        """One customer and one complaint."""
        number = len(self.customers)
        phone = f"+86138{number:08d}"
        customer = {"kind": "individual", "name": f"王{number}", "unit_id": self._unit_id}
        customer_id = posted(self._client, "/api/v1/customers", customer)["id"]
        self.customers[customer_id] = datetime.now(UTC)
        posted(self._client, f"/api/v1/customers/{customer_id}/contact-points", {"type": "phone", "value": phone})
        complaint = {
            "kind": "complaint",
            "channel": "phone",
            "category": CATEGORY,
            "narrative": "等了很久",
            "customer_id": customer_id,
            "unit_id": self._unit_id,
        }
        wait_for(lambda: self._complain(complaint), "the complaints service never heard of a customer")

    def _complain(self, complaint: dict[str, str]) -> bool:
        """Take a complaint in; refused until the service has heard of the customer."""
        headers = {"Idempotency-Key": uuid4().hex}
        answer = self._client.post("/api/v1/complaints", json=complaint, headers=headers)
        if answer.status_code != 201:
            return False
        self.complaints[answer.json()["complaint_id"]] = datetime.now(UTC)
        return True

    def stop(self) -> None:
        """Finish the write under way, if any is."""
        self._stopping.set()
        if self.is_alive():
            self.join()
        self._client.close()


def there(client: httpx.Client, path: str, ids: list[str]) -> set[str]:
    """Which of these the suite knows."""
    return {each for each in ids if client.get(f"{path}/{each}").status_code == 200}


async def _tell_organisation(bootstrap: str) -> None:
    async with BankDoor(bootstrap) as bank:
        for statement in (*UNITS, *STAFF):
            await bank.send(statement, at=datetime.now(UTC), sequence=1)


def open_branch(suite: Operated) -> str:
    """State the bank's units and staff, and tell the id of a branch once all services know it."""
    asyncio.run(_tell_organisation(suite.plan.kafka_bootstrap))
    with suite.user("auditor") as auditor:

        def known() -> str | None:
            items = auditor.get("/api/v1/units").json()["items"]
            return next((unit["id"] for unit in items if unit["code"] == "BJ-01"), None)

        wait_for(lambda: known() is not None, "the bank's units never arrived")
        found = known()
    assert found is not None
    return found


def publish_segment(suite: Operated) -> None:
    """Everybody who is an individual, so that every new customer makes news between services."""
    with suite.user("marketer") as marketer:
        rule = {"type": "attribute", "name": "kind", "operator": "=", "value": "individual"}
        segment = posted(marketer, "/api/v1/segments", {"code": "people", "name": "个人", "rule": rule})
        path = f"/api/v1/segments/{segment['segment_id']}"
        posted(marketer, f"{path}/publications", {}, status=202)
        wait_for(lambda: marketer.get(path).json()["rule_version"] == 1, "the segment was never published")


async def sequences(bootstrap: str) -> dict[tuple[str, str], list[int]]:
    """The sequence of each of Kehu's events by topic and subject, as a plain reader sees them: each id once."""
    reader = Kafka(bootstrap, client_id="drill").reader()
    await reader.start()
    found: dict[tuple[str, str], list[int]] = {}
    try:
        for topic in (topic for topic in TOPICS if topic.owner != "core banking" and topic.cleanup != "compact"):
            seen: set[bytes] = set()
            for place in [TopicPartition(topic.name, number) for number in range(topic.partitions)]:
                reader.assign([place])
                await reader.seek_to_beginning(place)
                end = (await reader.end_offsets([place]))[place]
                while await reader.position(place) < end:
                    for record in (await reader.getmany(place, timeout_ms=500)).get(place, ()):
                        headers = dict(record.headers)
                        if headers["ce_id"] not in seen:
                            seen.add(headers["ce_id"])
                            subject = topic.name, headers["ce_subject"].decode()
                            found.setdefault(subject, []).append(int(headers["ce_sequence"]))
    finally:
        await reader.stop()
    return found


def erase_one(suite: Operated, customer_id: str) -> str:
    """Erase a customer after the backup was made; the ledger knows it then, and the backup does not."""
    with suite.user("compliance") as compliance:
        posted(compliance, f"/api/v1/customers/{customer_id}/erasures", {"reason": "asked to"})
    file = suite.plan.ledger / "customer.jsonl"
    wait_for(lambda: file.exists() and customer_id in file.read_text(), "the ledger never heard of the erasure")
    return customer_id


def retire_old_keys(suite: Operated) -> None:
    """The rotation that the backup was made in goes on in the restored suite."""

    def nothing_is_left() -> bool:
        old = [line for line in suite.kehu("keys", "status").splitlines() if " old " in line]
        return len(old) == 2 and all("none" in line for line in old)

    wait_for(nothing_is_left, "rows stay under the old keys")
    for name in ("kek-1", "index-1"):
        suite.kehu("keys", "retire", name)


def test_a_suite_comes_back_from_a_backup_that_was_made_under_writes(operated: Operated, tmp_path: Path) -> None:
    operated.start()
    unit_id = open_branch(operated)
    publish_segment(operated)
    writer = Writer(operated, unit_id)
    writer.start()
    wait_for(lambda: len(writer.complaints) >= 20, "the writer stands still")
    operated.kehu("keys", "rotate", "kek", "--settle", "3")
    operated.kehu("keys", "rotate", "index", "--settle", "3")
    backup = tmp_path / "backup"
    told = operated.kehu("backup", str(backup))
    written = len(writer.complaints)
    wait_for(lambda: len(writer.complaints) >= written + 10, "the writer stands still after the backup")
    writer.stop()
    erased = erase_one(operated, next(iter(writer.customers)))
    point = datetime.fromisoformat(told.split("answered before ", 1)[1].split()[0])
    before = [each for each, at in writer.customers.items() if at < point and each != erased]
    complaints_before = [each for each, at in writer.complaints.items() if at < point]
    assert len(complaints_before) >= 20
    assert len(before) < len(writer.customers)

    assert operated.process is not None
    operated.process.kill()
    operated.process.clean_up()
    ledger = tmp_path / "ledger"
    shutil.copytree(operated.data / "ledger", ledger)
    shutil.rmtree(operated.data)

    said = operated.kehu("restore", str(backup), "--ledger", str(ledger), *operated.port_options())
    assert "1 of the backup's customers had been erased since" in said
    assert "holds a suite" in operated.kehu("restore", str(backup), "--no-ledger", *operated.port_options(), fails=True)
    operated.start()
    assert "WRONG" not in operated.kehu("verify")
    with operated.system() as system:
        assert there(system, "/api/v1/customers", [erased]) == set()
        assert there(system, "/api/v1/customers", before) == set(before)
        assert there(system, "/api/v1/complaints", complaints_before) == set(complaints_before)
        # What was written after the point is gone as a whole: no case without its customer.
        kept = there(system, "/api/v1/customers", list(writer.customers)) | {erased}
        for complaint_id in there(system, "/api/v1/complaints", list(writer.complaints)):
            assert system.get(f"/api/v1/complaints/{complaint_id}").json()["customer_id"] in kept
    retire_old_keys(operated)
    operated.kehu("audit", "verify")
    again = Writer(operated, unit_id)
    for _ in range(5):
        again.write()
    again.stop()
    assert "WRONG" not in operated.kehu("verify")
    found = asyncio.run(sequences(operated.plan.kafka_bootstrap))
    assert {subject: numbers for subject, numbers in found.items() if numbers != list(range(1, len(numbers) + 1))} == {}
    operated.stop()
