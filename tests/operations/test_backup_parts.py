"""What a backup is made of: the database at one moment, keys apart, topics up to that moment, two folders that match."""

from __future__ import annotations

import gzip
import json
from contextlib import nullcontext
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from kehu_chassis.columns import new_id
from kehu_chassis.kafka import Kafka, create_topics
from kehu_contracts.topics import TOPICS
from kehu_local.failures import Failed
from kehu_local.plan import Plan
from kehu_local.recovery import database, events, restore
from kehu_local.recovery.archive import Archive
from kehu_local.secrets import SCHEMAS, Secrets

from .databases import a_database, migrate

WRAPPED = b"wrapped key of a party"


async def add_customer(connection: asyncpg.Connection) -> UUID:
    added: UUID = await connection.fetchval(
        "INSERT INTO customer.customers (id, kind, status, gender, language, survivor_id, customer_since, key_id,"
        " wrapped_key, name_sealed, created_at, updated_at)"
        " VALUES ($1, 'individual', 'active', 'unknown', 'zh', $1, '2026-01-01', 'kek-1', $2, 'sealed', now(), now())"
        " RETURNING id",
        new_id(),
        WRAPPED,
    )
    return added


async def contents(dsn: str) -> dict[str, list[str]]:
    """Every row of every table, as text."""
    connection = await asyncpg.connect(dsn)
    try:
        tables = await connection.fetch(
            "SELECT format('%I.%I', nspname, relname) AS name FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace"
            " WHERE relkind = 'r' AND nspname = ANY ($1)",
            list(SCHEMAS),
        )
        found = {}
        for (name,) in tables:
            rows = await connection.fetch(f"SELECT t::text FROM {name} t ORDER BY 1")  # noqa: S608  from the catalogue
            found[name] = [row["t"] for row in rows]
        return found
    finally:
        await connection.close()


async def test_a_database_comes_back_as_it_was_at_the_moment_with_its_keys_apart(postgres: str, tmp_path: Path) -> None:
    data, keys = tmp_path / "data", tmp_path / "keys"
    async with a_database(postgres) as source, a_database(postgres) as target:
        assert await database.is_empty(source)
        await migrate(postgres, source)
        assert not await database.is_empty(source)
        connection = await asyncpg.connect(source)
        known = [await add_customer(connection) for _ in range(3)]
        async with database.snapshot(source) as moment:
            late = await add_customer(connection)
            tables = await database.dump(moment, source, data, keys)
        assert {(table["schema"], table["table"]) for table in tables} == {
            ("customer", "customers"),
            ("complaints", "complaints"),
            ("gateway", "webhooks"),
        }
        assert all(WRAPPED.hex() not in opened(file) for file in data.rglob("*.gz"))
        await connection.execute("DELETE FROM customer.customers WHERE id = $1", late)
        expected = await contents(source)
        await connection.close()
        await database.restore(target, data, keys, tables)
        assert await contents(target) == expected
        connection = await asyncpg.connect(target)
        # Numbers that were given go on, and what protects the rows is there again.
        await add_customer(connection)
        numbers = await connection.fetch("SELECT customer_number FROM customer.customers ORDER BY id")
        assert len({row["customer_number"] for row in numbers}) == len(known) + 1
        forced = "SELECT relforcerowsecurity FROM pg_class WHERE oid = 'customer.customers'::regclass"
        assert await connection.fetchval(forced)
        await connection.close()


def opened(file: Path) -> str:
    return gzip.decompress(file.read_bytes()).decode(errors="replace")


async def test_a_party_whose_key_was_taken_out_of_the_backup_comes_back_erased(postgres: str, tmp_path: Path) -> None:
    data, keys = tmp_path / "data", tmp_path / "keys"
    async with a_database(postgres) as source, a_database(postgres) as target:
        await migrate(postgres, source)
        connection = await asyncpg.connect(source)
        erased, other = [await add_customer(connection) for _ in range(2)]
        await connection.close()
        async with database.snapshot(source) as moment:
            tables = await database.dump(moment, source, data, keys)
        file = keys / "keys" / "customer.customers.copy.gz"
        lines = [line for line in opened(file).splitlines(keepends=True) if str(erased) not in line]
        file.write_bytes(gzip.compress("".join(lines).encode()))
        await database.restore(target, data, keys, tables)
        connection = await asyncpg.connect(target)
        rows = await connection.fetch("SELECT id, wrapped_key FROM customer.customers")
        await connection.close()
        assert {row["id"]: row["wrapped_key"] for row in rows} == {erased: b"", other: WRAPPED}


TOPIC = "kehu.customer.v1"
GROUP = "kehu.segmentation.customers"


async def send(kafka: Kafka, subject: str, sequence: int, topic: str = TOPIC) -> None:
    producer = kafka.producer()
    await producer.start()
    try:
        headers = [("ce_subject", subject.encode()), ("ce_sequence", b"%d" % sequence), ("ce_id", uuid4().bytes)]
        await producer.send_and_wait(
            kafka.physical(topic), b'{"n": 1}', key=subject.encode(), headers=headers, partition=0, timestamp_ms=1000
        )
    finally:
        await producer.stop()


async def take(kafka: Kafka, count: int) -> list[tuple[str, int]]:
    """Subject and sequence of messages that the group takes, and its position committed."""
    consumer = kafka.consumer(GROUP, [TOPIC], max_batch=1)
    await consumer.start()
    try:
        taken = [await consumer.getone() for _ in range(count)]
        await consumer.commit()
    finally:
        await consumer.stop()
    return [(record.key.decode(), int(dict(record.headers)["ce_sequence"])) for record in taken]


async def test_topics_come_back_up_to_the_moment_and_consumers_go_on_where_they_stood(
    kafka: Kafka, kafka_bootstrap: str, tmp_path: Path
) -> None:
    await create_topics(kafka, TOPICS)
    for sequence in (1, 2, 3):
        await send(kafka, "a", sequence)
    await send(kafka, "party", 7, "bank.party.v1")
    assert await take(kafka, 2) == [("a", 1), ("a", 2)]
    before = await events.positions(kafka)
    await send(kafka, "a", 4)
    # Of a write that came after the database's moment, which ended with a's fourth event.
    await send(kafka, "a", 5)
    await send(kafka, "b", 1)

    async def lineage(topic: str, subject: str) -> int:
        return {(TOPIC, "a"): 4}.get((topic, subject), 0)

    told = await events.dump(kafka, before, lineage, tmp_path)
    assert told["messages"][TOPIC] == 4
    assert told["messages"]["bank.party.v1"] == 1
    assert told["beyond_the_point"] == 2
    restored = Kafka(kafka_bootstrap, client_id="kehu-test", prefix=f"{kafka.prefix}restored.", session_timeout=6.0)
    await create_topics(restored, TOPICS)
    assert await events.fill(restored, tmp_path, told, kept=frozenset()) == 5
    assert await take(restored, 2) == [("a", 3), ("a", 4)]
    assert (await events.held_messages(restored))[TOPIC] == 4
    await events.remove_ours(restored)
    assert {topic: count for topic, count in (await events.held_messages(restored)).items() if count} == {
        "bank.party.v1": 1
    }


def an_archive(folder: Path) -> tuple[Path, Path]:
    data, keys = folder / "backup", folder / "backup.keys"
    archive = Archive.begin(data, keys)
    (archive.data / "rows").write_text("rows")
    (archive.keys / "keys").write_text("keys")
    archive.finish(data, keys)
    return data, keys


@pytest.mark.parametrize(
    ("spoil", "cause"),
    [
        (lambda data, _: (data / "rows").write_text("other"), "is not what was written"),
        (lambda data, _: (data / "rows").unlink(), "is missing"),
        (lambda data, _: (data / "stray").write_text(""), "does not belong to the backup"),
        (lambda _, keys: (keys / "keys").write_text("other"), "is not what was written"),
        (lambda data, _: (data / "manifest.json").write_text("{}"), "is not the manifest"),
        (lambda data, _: (data / "manifest.json").write_text(json.dumps({"format": 2})), "has the format 2"),
        (lambda data, _: respell(data / "manifest.json"), "does not belong to"),
    ],
)
def test_a_backup_that_is_not_whole_is_refused(tmp_path: Path, spoil: Any, cause: str) -> None:
    data, keys = an_archive(tmp_path)
    Archive.open(data, keys)
    spoil(data, keys)
    with pytest.raises(Failed, match=cause):
        Archive.open(data, keys)


def respell(manifest: Path) -> None:
    manifest.write_text(json.dumps(json.loads(manifest.read_text())))


def test_keys_of_another_backup_are_refused(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    data, keys = an_archive(tmp_path)
    other = Archive.begin(tmp_path / "other" / "backup", tmp_path / "other" / "keys")
    other.manifest["point"] = "another"
    other.finish(tmp_path / "other" / "backup", tmp_path / "other" / "keys")
    with pytest.raises(Failed, match="does not belong to"):
        Archive.open(data, tmp_path / "other" / "keys")
    assert Archive.open(data, keys).data == data


def test_a_backup_never_takes_the_place_of_another(tmp_path: Path) -> None:
    data, keys = an_archive(tmp_path)
    with pytest.raises(Failed, match="is there already"):
        Archive.begin(data, keys)
    assert (data / "rows").read_text() == "rows"


def test_a_restore_that_is_refused_leaves_nothing_that_could_be_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost, new = Plan(root=tmp_path, data=tmp_path / "lost"), Plan(root=tmp_path, data=tmp_path / "new")
    Secrets.load_or_make(lost)
    (new.data / "notes").mkdir(parents=True)

    async def refuse(*_: object) -> None:
        assert new.restoring.exists()
        raise Failed("The broker holds messages of a suite.", "Let the restore replace them: --replace-topics")

    monkeypatch.setattr(restore, "opened", lambda *_: Archive(tmp_path, lost.data, {}))
    monkeypatch.setattr(restore, "_servers", lambda *_: nullcontext())
    monkeypatch.setattr(restore, "fill", refuse)
    with pytest.raises(Failed, match="The broker holds messages"):
        restore.restore_suite(new, restore.Source(tmp_path, lost.data, None), print)
    assert list(new.data.iterdir()) == [new.data / "notes"]
