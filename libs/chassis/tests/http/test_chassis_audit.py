"""Audit rows and keys: rows stand or fall with their deed, the chain tells tampering, wrong keys stop a start."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest

from kehu_chassis import audit
from kehu_chassis.crypto import BlindIndex, FileKeyWrapper, KeyFileError, KeyRing, check_keys, create_key_file
from kehu_chassis.database import Database

AT = datetime(2026, 3, 2, 1, tzinfo=UTC)


async def record(database: Database, action: str) -> None:
    async with database.begin() as tx:
        await audit.record(tx, actor="tester", action=action, resource=("note", "1"), at=AT, details={"n": 1})


async def verdict(database: Database) -> audit.Verdict:
    async with database.begin() as tx:
        return await audit.verify(tx)


async def run(database: Database, sql: str) -> None:
    async with database.begin() as tx:
        await tx.connection.execute(sql)


async def sealed(database: Database, rows: int, *, batch: int = 5000) -> list[int]:
    """Seal until so many rows are; tells how many each call did. Transactions of other tests on the server may delay it."""
    done: list[int] = []
    async with asyncio.timeout(30):
        while sum(done) < rows:
            if count := await audit.seal(database, batch=batch):
                done.append(count)
            await asyncio.sleep(0.01)
    return done


async def test_a_row_falls_with_its_transaction(database: Database) -> None:
    class Undone(Exception):
        pass

    async def undo() -> None:
        async with database.begin() as tx:
            await audit.record(tx, actor="tester", action="note.added", resource=("note", "1"), at=AT)
            raise Undone

    with pytest.raises(Undone):
        await undo()
    assert await audit.seal(database) == 0


async def test_rows_are_sealed_once_and_the_chain_holds(database: Database) -> None:
    for number in range(5):
        await record(database, f"note.{number}")
    done = await sealed(database, 5, batch=3)
    assert sum(done) == 5
    assert max(done) <= 3
    assert await audit.seal(database, batch=3) == 0
    assert await verdict(database) == audit.Verdict(checked=5, broken_at=None)


@pytest.mark.parametrize(
    ("tampering", "broken_at"),
    [
        ("UPDATE audit SET reason = 'other' WHERE action = 'note.1'", 2),
        ("DELETE FROM audit WHERE action = 'note.2'", 3),
        ("DELETE FROM audit_seals WHERE position = 1", 1),
        ("UPDATE audit_seals SET audit_id = uuidv7() WHERE position = 3", 3),
    ],
)
async def test_tampering_breaks_the_chain_where_it_happened(database: Database, tampering: str, broken_at: int) -> None:
    for number in range(3):
        await record(database, f"note.{number}")
    await sealed(database, 3)
    await run(database, tampering)
    assert (await verdict(database)).broken_at == broken_at


async def test_a_row_is_not_sealed_while_an_earlier_transaction_may_still_write(database: Database) -> None:
    async with database.begin() as slow:
        await slow.connection.execute("SELECT pg_current_xact_id()")
        await record(database, "note.fast")
        assert await audit.seal(database) == 0
        await audit.record(slow, actor="tester", action="note.slow", resource=("note", "1"), at=AT)
    assert sum(await sealed(database, 2)) == 2
    async with database.begin() as tx:
        rows = await tx.connection.fetch(
            "SELECT action FROM audit JOIN audit_seals USING (audit_id) ORDER BY audit_seals.position"
        )
    assert [row["action"] for row in rows] == ["note.slow", "note.fast"]


def ring(tmp_path: Path) -> KeyRing:
    path = tmp_path / "keys.json"
    create_key_file(path)
    return KeyRing.from_file(path)


async def test_the_first_start_remembers_its_keys_and_later_ones_agree(database: Database, tmp_path: Path) -> None:
    keys = ring(tmp_path)
    for _ in range(2):
        async with database.begin() as tx:
            await check_keys(tx, keys)


async def test_another_key_of_the_same_name_stops_the_start(database: Database, tmp_path: Path) -> None:
    keys = ring(tmp_path)
    async with database.begin() as tx:
        await check_keys(tx, keys)
    wrong = KeyRing(FileKeyWrapper({"kek-1": b"x" * 32}, "kek-1"), keys.index, {})
    with pytest.raises(KeyFileError, match=r"kek-1 .* is not the one"):
        async with database.begin() as tx:
            await check_keys(tx, wrong)


async def test_a_lost_key_stops_the_start_though_a_new_one_is_there(database: Database, tmp_path: Path) -> None:
    keys = ring(tmp_path)
    async with database.begin() as tx:
        await check_keys(tx, keys)
    rotated = KeyRing(keys.wrapper, BlindIndex({2: b"y" * 32}, 2), {})
    with pytest.raises(KeyFileError, match="index-1"):
        async with database.begin() as tx:
            await check_keys(tx, rotated)
    async with database.begin() as tx:
        await check_keys(tx, keys)
