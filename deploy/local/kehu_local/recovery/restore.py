"""`kehu restore`: a backup becomes a suite again, in a folder and on servers that hold none.

What must not come back does not: whoever was erased after the backup was made is erased again, by the ledger. The audit
chain goes on where the backup left it, with a row that says so.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg

from kehu_chassis import audit, audit_chain, migrations
from kehu_chassis.clock import SuiteClock
from kehu_chassis.database import Database
from kehu_chassis.kafka import Kafka
from kehu_chassis.ledger import Ledger
from kehu_local import topics
from kehu_local.audit import ledger_in
from kehu_local.definitions import definition_of
from kehu_local.environment import DATABASE, admin_dsn, database_dsn
from kehu_local.failures import Failed
from kehu_local.lock import only_one
from kehu_local.plan import Plan
from kehu_local.processes import kafka_server, postgres_server
from kehu_local.recovery import database, erasures, events
from kehu_local.recovery.archive import Archive
from kehu_local.recovery.backup import KEPT_FILES, Say, step
from kehu_local.secrets import SCHEMAS, Secrets
from kehu_local.store import provision

__all__ = ["Source", "fill", "opened", "require_empty", "restore_suite"]


@dataclass(frozen=True, slots=True)
class Source:
    """What is restored, from what.

    Args:
        data: the backup.
        keys: the keys that belong to it.
        ledger: the one that outlived the suite; None takes the backup's own.
        replace_topics: whether Kehu's own topics on a broker that survived may be deleted.
    """

    data: Path
    keys: Path
    ledger: Path | None
    replace_topics: bool = False


def restore_suite(plan: Plan, source: Source, say: Say) -> None:
    """Make the suite of a backup again, and leave it stopped. Raises `Failed`; nothing that was there is changed then."""
    archive = opened(source, say)
    _require_new(plan)
    there = set(plan.data.iterdir()) if plan.data.exists() else set()
    for folder in (plan.logs, plan.run):
        folder.mkdir(parents=True, exist_ok=True)
    with only_one(plan.run), _removed_unless_whole(plan, there):
        shutil.copytree(archive.keys / "secrets", plan.secrets)
        for name in KEPT_FILES:
            if (archive.data / Path(name).name).exists():
                shutil.copy2(archive.data / Path(name).name, plan.data / name)
        secrets = Secrets.load_or_make(plan)
        with _servers(plan, secrets, say):
            asyncio.run(fill(plan, secrets, archive, source, say))
        plan.save()
    say(f"Restored as of {archive.manifest['point']}")
    say(f"Start it, with the same options for ports and servers: kehu up --data {plan.data}")


@contextmanager
def _removed_unless_whole(plan: Plan, there: Collection[Path]) -> Iterator[None]:
    """Take away what was made in the data folder when no suite comes of it: the runner would start half of one.

    A restore that is killed leaves a mark, by which the runner refuses.
    """
    plan.restoring.touch()
    try:
        yield
    except BaseException:
        for made in plan.data.iterdir():
            if made not in there:
                shutil.rmtree(made) if made.is_dir() else made.unlink()
        raise
    plan.restoring.unlink()


def opened(source: Source, say: Say) -> Archive:
    """The backup. Raises `Failed` when it is not whole, or of a version that is not known here."""
    with step(say, "Backup is whole"):
        archive = Archive.open(source.data, source.keys)
    _require_known(archive.manifest["revisions"])
    return archive


def _require_new(plan: Plan) -> None:
    if any((plan.data / name).exists() for name in ("run/suite.json", "postgres", "kafka", "secrets")):
        raise Failed(f"{plan.data} holds a suite.", "Restore into an empty folder: --data FOLDER")


def _require_known(revisions: Mapping[str, str]) -> None:
    for schema, revision in revisions.items():
        if revision not in migrations.revisions(definition_of(schema).migrations):
            cause = f"The backup's schema {schema} is at revision {revision}, which this version of Kehu does not know."
            raise Failed(cause, "Restore with the version that made the backup, or a newer one.")


@contextmanager
def _servers(plan: Plan, secrets: Secrets, say: Say) -> Iterator[None]:
    with ExitStack() as stack:
        for server, foreign in ((postgres_server(plan, secrets), plan.postgres), (kafka_server(plan), plan.kafka)):
            if foreign is None:
                with step(say, f"{server.name} answers"):
                    stack.enter_context(server)
        yield


async def fill(plan: Plan, secrets: Secrets, archive: Archive, source: Source, say: Say) -> None:
    """Fill servers that run, and the ledger. Raises `Failed`, with nothing changed when they hold a suite already."""
    kafka = Kafka(plan.kafka_bootstrap, client_id="kehu-restore")
    await require_empty(plan, secrets, replace_topics=source.replace_topics)
    kept = await _make_topics(kafka)
    dsn, manifest = database_dsn(plan, secrets), archive.manifest
    with step(say, "Database"):
        await provision(plan, secrets)
        await database.restore(dsn, archive.data, archive.keys, manifest["key_tables"])
        await provision(plan, secrets)
        for schema in SCHEMAS:
            owner, folder = database_dsn(plan, secrets, schema, "owner"), definition_of(schema).migrations
            await asyncio.to_thread(migrations.upgrade, owner, schema=schema, folder=folder)
    with step(say, "Topics"):
        await events.fill(kafka, archive.data, manifest["topics"], kept=kept)
    with step(say, "Ledger and audit"):
        await _go_on(plan, dsn, archive, source.ledger)
    erased = await erasures.repeat(plan, secrets)
    say(f"{erased} of the backup's customers had been erased since, and are erased again")


async def require_empty(plan: Plan, secrets: Secrets, *, replace_topics: bool = False) -> None:
    """Raise `Failed` when the servers hold a suite."""
    server = await asyncpg.connect(admin_dsn(plan, secrets), timeout=15)
    try:
        exists = await server.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", DATABASE)
    finally:
        await server.close()
    if exists and not await database.is_empty(database_dsn(plan, secrets)):
        raise Failed("The database holds a suite.", "Name a server whose database kehu is empty or not there.")
    ours = sorted(topic for topic in await _held(plan.kafka_bootstrap) if topic.startswith("kehu."))
    if ours and not replace_topics:
        cause = f"The broker holds messages of a suite: {', '.join(ours)}."
        raise Failed(cause, "Let the restore replace Kehu's own topics: --replace-topics")


async def _held(bootstrap: str) -> set[str]:
    """The topics that hold messages."""
    kafka = Kafka(bootstrap, client_id="kehu-restore")
    return {topic for topic, count in (await events.held_messages(kafka)).items() if count}


async def _make_topics(kafka: Kafka) -> frozenset[str]:
    """Make all topics stand, Kehu's own without messages; tells which of the bank's hold some, and so are kept."""
    held = await _held(kafka.bootstrap)
    await events.remove_ours(kafka)
    await topics.apply_topics(kafka.bootstrap)
    return frozenset(topic for topic in held if not topic.startswith("kehu."))


async def _go_on(plan: Plan, dsn: str, archive: Archive, ledger: Path | None) -> None:
    """Bring the ledger, write into each service's audit that it was restored, and seal the chain up to that."""
    _bring_ledger(plan, ledger or archive.data / "ledger")
    for service in SCHEMAS:
        opened = await Database.connect(dsn, schema=service, application_name="kehu-restore")
        try:
            async with opened.begin(read_only=True) as tx:
                kept = await audit_chain.head(tx)
            async with opened.begin() as tx:
                details: dict[str, Any] = {"point": archive.manifest["point"], "kept": kept.position}
                await audit.record(
                    tx,
                    actor="kehu restore",
                    action="suite.restored",
                    resource=("service", service),
                    at=SuiteClock(plan.clock_file).now(),
                    details=details,
                )
            while await audit_chain.seal(opened, at_rest=True):
                pass
            async with opened.begin(read_only=True) as tx:
                head = await audit_chain.head(tx)
            note = Ledger(plan.ledger_of(service), service).note
            note(audit_chain.RESTORED, kept=kept.position, position=head.position, hash=head.hash)
        finally:
            await opened.close()


def _bring_ledger(plan: Plan, given: Path) -> None:
    for service in SCHEMAS:
        folder = plan.ledger_of(service)
        folder.mkdir(parents=True, exist_ok=True)
        kept = ledger_in(given, service).path
        if kept is not None and kept.exists():
            brought = folder / kept.name
            brought.touch(mode=0o600)
            shutil.copyfile(kept, brought)
