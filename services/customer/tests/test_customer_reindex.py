"""A new index key: both are searched, the job moves all rows to the new one, and the old one is not needed then."""

from __future__ import annotations

import base64
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from kehu_chassis.clock import FixedClock
from kehu_chassis.crypto import KeyRing
from kehu_chassis.database import Database
from kehu_chassis.scope import EVERYTHING
from kehu_chassis.timers import Timers
from kehu_customer.parties.queries import CustomerFilter
from kehu_customer.search.jobs import REINDEX, reindexer, schedule_reindex
from kehu_customer.search.queries import by_contact, by_document, name_candidates
from kehu_customer.search.rules import probes
from kehu_customer.vault import Vault

from .conftest import People
from .test_customer_parties_http import ZHANG

Rows = Callable[..., Awaitable[list[dict[str, Any]]]]


def rings_after(key_file: Path, folder: Path) -> tuple[KeyRing, KeyRing]:
    """The ring with a second index key that is active, and the one in which the first has gone."""
    content = json.loads(key_file.read_text())
    content["index"]["keys"]["2"] = base64.b64encode(b"2" * 32).decode()
    content["index"]["active"] = 2
    both, alone = folder / "both.json", folder / "alone.json"
    both.write_text(json.dumps(content))
    del content["index"]["keys"]["1"]
    alone.write_text(json.dumps(content))
    return KeyRing.from_file(both), KeyRing.from_file(alone)


async def hits(database: Database, vault: Vault) -> list[int]:
    """How many rows are found by name, phone and document."""
    async with database.begin(scope=EVERYTHING) as tx:
        probe = probes("张伟")[0]
        names = await name_candidates(tx, vault.probe_tokens(probe), CustomerFilter(), all_of=probe.all_of)
        phones = await by_contact(tx, "phone", vault.contact_probes("phone", "+8613800138000"))
        papers = await by_document(tx, vault.document_probes("11010519491231002X"))
    return [len(names), len(phones), len(papers)]


async def test_a_replaced_index_key_is_searched_beside_the_old_one_until_all_is_indexed_anew(
    people: People, worker_database: Database, clock: FixedClock, key_file: Path, tmp_path: Path, rows: Rows
) -> None:
    for _ in range(3):
        assert (await people.rm.post("/api/v1/customers", json=ZHANG)).status_code == 201
    both, alone = rings_after(key_file, tmp_path)
    assert await hits(worker_database, Vault(both)) == [3, 3, 3]
    assert await hits(worker_database, Vault(alone)) == [0, 0, 0]
    async with worker_database.begin(scope=EVERYTHING) as tx:
        await schedule_reindex(tx, both, clock.now())
    timers = Timers(worker_database, clock, {REINDEX: reindexer(Vault(both))})
    slices = 0
    while await timers.fire_next():
        slices += 1
        # However far the job is: nothing is missed.
        assert await hits(worker_database, Vault(both)) == [3, 3, 3]
    assert slices == 6
    assert await hits(worker_database, Vault(alone)) == [3, 3, 3]
    assert await rows("SELECT FROM timers WHERE kind = 'search.reindex'") == []
    for table in ("party_names", "contact_points", "documents"):
        assert await rows(f"SELECT DISTINCT index_version FROM {table}") == [{"index_version": 2}]  # noqa: S608


async def test_one_index_key_needs_no_job(
    worker_database: Database, clock: FixedClock, key_ring: KeyRing, rows: Rows
) -> None:
    async with worker_database.begin(scope=EVERYTHING) as tx:
        await schedule_reindex(tx, key_ring, clock.now())
    assert await rows("SELECT FROM timers WHERE kind = 'search.reindex'") == []
