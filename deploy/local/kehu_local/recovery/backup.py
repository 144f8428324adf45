"""`kehu backup`: the whole suite at one moment, while it works.

The moment is that of one snapshot of the database. Consumers' positions are read before it and the topics' ends after it,
so that what the database calls applied may be taken again, and what it calls sent is there.
"""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from kehu_chassis.clock import technical_now
from kehu_chassis.kafka import Kafka
from kehu_chassis.ledger import Ledger
from kehu_contracts.topics import TOPICS
from kehu_local.environment import database_dsn
from kehu_local.failures import Failed
from kehu_local.plan import SERVICES, Plan
from kehu_local.recovery import database, events
from kehu_local.recovery.archive import Archive
from kehu_local.recovery.database import Snapshot
from kehu_local.secrets import SCHEMAS, Secrets

__all__ = ["KEPT_FILES", "Say", "back_up", "step"]

KEPT_FILES = ("clock.json", "run/demo.json")
"""Files of the data folder that say something of the suite; they go with the data."""
OWNERS = {topic.name: topic.owner for topic in TOPICS if topic.owner in SERVICES}

Say = Callable[[str], None]


def back_up(plan: Plan, data: Path, keys: Path, say: Say) -> None:
    """Write a backup into two new folders. Raises `Failed`, with nothing left behind."""
    archive = Archive.begin(data, keys)
    try:
        asyncio.run(_write(plan, archive, say))
        with step(say, "Digests"):
            archive.finish(data, keys)
    except BaseException:
        Archive.discard(data, keys)
        raise
    say(f"Every write answered before {archive.manifest['point']} is in {data}")
    say(f"What opens it is in {keys}: store it apart, and not for longer than the law lets an erased person come back")


async def _write(plan: Plan, archive: Archive, say: Say) -> None:
    secrets = Secrets.load_or_make(plan)
    dsn, kafka = database_dsn(plan, secrets), Kafka(plan.kafka_bootstrap, client_id="kehu-backup")
    before = await events.positions(kafka)
    try:
        holding = database.snapshot(dsn)
        async with holding as snapshot:
            manifest = archive.manifest
            manifest["made_at"] = technical_now().isoformat()
            manifest["point"] = snapshot.point.isoformat()
            manifest["revisions"] = await _revisions(snapshot)
            with step(say, "Database"):
                manifest["key_tables"] = await database.dump(snapshot, dsn, archive.data, archive.keys)
            with step(say, "Topics"):
                manifest["topics"] = await events.dump(kafka, before, _lineage(snapshot), archive.data)
    except OSError as error:
        raise Failed(
            f"The backup cannot be written: {error}", "Start the suite, and see that the disk has room."
        ) from error
    _copy_files(plan, archive)


def _copy_files(plan: Plan, archive: Archive) -> None:
    for name in KEPT_FILES:
        if (plan.data / name).exists():
            shutil.copy2(plan.data / name, archive.data / Path(name).name)
    (archive.data / "ledger").mkdir()
    for service in SCHEMAS:
        kept = Ledger(plan.ledger_of(service), service).path
        if kept is not None and kept.exists():
            shutil.copy2(kept, archive.data / "ledger")
    shutil.copytree(plan.secrets, archive.keys / "secrets")


async def _revisions(snapshot: Snapshot) -> dict[str, str]:
    return {
        schema: await snapshot.connection.fetchval(f"SELECT version_num FROM {schema}.alembic_version")  # noqa: S608
        for schema in SCHEMAS
    }


def _lineage(snapshot: Snapshot) -> events.Lineage:
    async def last(topic: str, subject: str) -> int:
        sequence = await snapshot.connection.fetchval(
            f"SELECT sequence FROM {OWNERS[topic]}.outbox_subjects WHERE topic = $1 AND subject = $2",  # noqa: S608
            topic,
            subject,
        )
        return sequence or 0

    return last


@contextmanager
def step(say: Say, done: str) -> Iterator[None]:
    """Say what was done and how long it took."""
    began = time.monotonic()
    yield
    say(f"{done} ({time.monotonic() - began:.1f} s)")
