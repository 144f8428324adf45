"""Audit rows: they stand or fall with their deed, and the chain tells what was done to them. Wrong keys stop a start."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest

from kehu_chassis import audit, audit_chain
from kehu_chassis.audit_chain import Break, Verdict
from kehu_chassis.crypto import (
    BlindIndex,
    FileKeyWrapper,
    KeyFileError,
    KeyRing,
    MessageKeys,
    check_keys,
    create_key_file,
)
from kehu_chassis.database import Database
from kehu_chassis.ledger import Ledger, LedgerDamaged
from kehu_chassis.testing.databases import lock_waits
from kehu_chassis.testing.plugin import Eventually

AT = datetime(2026, 3, 2, 1, tzinfo=UTC)


async def record(database: Database, action: str) -> None:
    async with database.begin() as tx:
        await audit.record(tx, actor="tester", action=action, resource=("note", "1"), at=AT, details={"n": 1})


async def verdict(database: Database, ledger: Ledger | None = None, *, batch: int = 5000) -> Verdict:
    held = audit_chain.anchors(ledger) if ledger else ()
    async with database.begin() as tx:
        return await audit_chain.verify(tx, held, batch=batch)


async def run(database: Database, sql: str) -> None:
    async with database.begin() as tx:
        await tx.connection.execute(sql)


async def anchored(database: Database, ledger: Ledger) -> int:
    async with database.begin() as tx:
        return await audit_chain.anchor(tx, ledger)


async def sealed(database: Database, rows: int, *, batch: int = 5000) -> list[int]:
    """Seal until so many rows are; tells how many each call did. Transactions of other tests on the server may delay it."""
    done: list[int] = []
    async with asyncio.timeout(30):
        while sum(done) < rows:
            if count := await audit_chain.seal(database, batch=batch):
                done.append(count)
            await asyncio.sleep(0.01)
    return done


async def chain(database: Database, rows: int) -> None:
    """Notes 0, 1, 2 … sealed at positions 1, 2, 3 …"""
    for number in range(rows):
        await record(database, f"note.{number}")
    await sealed(database, rows)


async def test_a_row_falls_with_its_transaction(database: Database) -> None:
    class Undone(Exception):
        pass

    async def undo() -> None:
        async with database.begin() as tx:
            await audit.record(tx, actor="tester", action="note.added", resource=("note", "1"), at=AT)
            raise Undone

    with pytest.raises(Undone):
        await undo()
    assert await audit_chain.seal(database) == 0


async def test_rows_are_sealed_once_and_the_chain_holds(database: Database) -> None:
    for number in range(5):
        await record(database, f"note.{number}")
    done = await sealed(database, 5, batch=3)
    assert sum(done) == 5
    assert max(done) <= 3
    assert await audit_chain.seal(database, batch=3) == 0
    assert await verdict(database, batch=2) == Verdict(checked=5, anchored=0, broken=None)


SWAP_SEALS = """
UPDATE audit_seals SET position = -position WHERE position IN (2, 3);
UPDATE audit_seals SET position = 5 + position WHERE position < 0
"""
SWAP_ROWS = """
CREATE TEMPORARY TABLE two AS SELECT 5 - position AS place, audit_id FROM audit_seals WHERE position IN (2, 3);
UPDATE audit_seals SET audit_id = uuidv7() WHERE position IN (2, 3);
UPDATE audit_seals SET audit_id = two.audit_id FROM two WHERE position = place
"""
PUT_IN = """
INSERT INTO audit SELECT (r).* FROM (
    SELECT jsonb_populate_record(a, jsonb_build_object('audit_id', uuidv7(), 'action', 'note.forged')) AS r
    FROM audit a WHERE action = 'note.0') forged
"""


@pytest.mark.parametrize(
    ("tampering", "position", "what", "action"),
    [
        ("UPDATE audit SET reason = 'other' WHERE action = 'note.1'", 2, "changed", "note.1"),
        ("UPDATE audit SET at = at + interval '1 day' WHERE action = 'note.3'", 4, "changed", "note.3"),
        ("UPDATE audit SET actor = 'other' WHERE action = 'note.3'", 4, "changed", "note.3"),
        ("UPDATE audit SET details = '{}' WHERE action = 'note.3'", 4, "changed", "note.3"),
        ("DELETE FROM audit WHERE action = 'note.2'", 3, "removed", None),
        ("DELETE FROM audit_seals WHERE position = 1", 1, "removed", None),
        ("UPDATE audit_seals SET audit_id = uuidv7() WHERE position = 3", 3, "removed", None),
        (SWAP_SEALS, 2, "reordered", "note.2"),
        (SWAP_ROWS, 2, "reordered", "note.2"),
        (PUT_IN, 5, "put_in", "note.forged"),
    ],
)
async def test_tampering_is_named_where_it_happened(
    database: Database, tampering: str, position: int, what: str, action: str | None
) -> None:
    await chain(database, 4)
    await run(database, tampering)
    # The worker that seals on as if nothing had been does not cover it up.
    assert await audit_chain.seal(database) == 0
    broken = (await verdict(database)).broken
    assert broken is not None
    assert (broken.position, broken.what, broken.action) == (position, what, action)


async def test_an_anchor_tells_that_the_end_was_cut_off(database: Database, tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, "notes")
    await chain(database, 3)
    assert await anchored(database, ledger) == 3
    assert await verdict(database, ledger) == Verdict(3, 1, None)
    await run(database, "DELETE FROM audit WHERE action = 'note.2'; DELETE FROM audit_seals WHERE position = 3")
    assert await verdict(database) == Verdict(2, 0, None)
    assert await verdict(database, ledger) == Verdict(2, 0, Break(3, "cut_off"))


async def test_an_anchor_tells_that_all_seals_were_made_anew(database: Database, tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, "notes")
    await chain(database, 3)
    await anchored(database, ledger)
    await run(database, "UPDATE audit SET reason = 'other' WHERE action = 'note.1'; DELETE FROM audit_seals")
    await sealed(database, 3)
    assert (await verdict(database)).broken is None
    broken = (await verdict(database, ledger)).broken
    assert broken is not None
    assert (broken.position, broken.what) == (3, "replaced")


async def test_an_anchor_is_noted_only_when_the_chain_has_grown(database: Database, tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, "notes")
    assert await anchored(database, ledger) == 0
    await chain(database, 2)
    async with database.begin() as tx:
        assert await audit_chain.anchor(tx, ledger, since=2) == 2
    assert audit_chain.anchors(ledger) == []


async def test_a_restore_voids_what_was_anchored_after_the_point_and_nothing_before(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, "notes")
    for position in (10, 20, 30):
        ledger.note(audit_chain.ANCHORED, position=position, hash=f"old {position}")
    ledger.note(audit_chain.RESTORED, kept=20, position=22, hash="new 22")
    ledger.note(audit_chain.ANCHORED, position=31, hash="new 31")
    assert [(each.position, each.hash) for each in audit_chain.anchors(ledger)] == [
        (10, "old 10"),
        (20, "old 20"),
        (22, "new 22"),
        (31, "new 31"),
    ]


async def test_a_damaged_ledger_is_not_read_over(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, "notes")
    ledger.note(audit_chain.ANCHORED, position=1, hash="h")
    assert ledger.path is not None
    with ledger.path.open("a") as file:
        file.write('{"kind": "audit.anch')
    with pytest.raises(LedgerDamaged, match=r"notes\.jsonl:2"):
        audit_chain.anchors(ledger)


async def test_a_restored_database_that_counts_transactions_anew_goes_on_with_its_chain(database: Database) -> None:
    await chain(database, 3)
    # What came from the old server: sealed or not, its transactions have numbers that the new one will not reach soon.
    await run(database, "UPDATE audit_seals SET transaction_id = transaction_id + 1000000000000")
    await record(database, "note.unsealed")
    await run(database, "UPDATE audit SET transaction_id = 1000000000000 WHERE action = 'note.unsealed'")
    await record(database, "suite.restored")
    assert await audit_chain.seal(database, at_rest=True) == 2
    await record(database, "note.new")
    await sealed(database, 1)
    assert await verdict(database) == Verdict(6, 0, None)


async def test_a_row_is_not_sealed_while_an_earlier_transaction_may_still_write(database: Database) -> None:
    async with database.begin() as slow:
        await slow.connection.execute("SELECT pg_current_xact_id()")
        await record(database, "note.fast")
        assert await audit_chain.seal(database) == 0
        await audit.record(slow, actor="tester", action="note.slow", resource=("note", "1"), at=AT)
    assert sum(await sealed(database, 2)) == 2
    async with database.begin() as tx:
        rows = await tx.connection.fetch(
            "SELECT action FROM audit JOIN audit_seals USING (audit_id) ORDER BY audit_seals.position"
        )
    assert [row["action"] for row in rows] == ["note.slow", "note.fast"]


async def test_a_chain_is_sealed_by_one_at_a_time(database: Database, eventually: Eventually) -> None:
    await record(database, "note.0")

    async def waits_or_is_done() -> bool:
        async with database.begin() as tx:
            return sealing.done() or await lock_waits(tx.connection) > 0

    async with database.begin() as other:
        await other.connection.execute(audit_chain._LOCK)
        sealing = asyncio.create_task(audit_chain.seal(database))
        await eventually(waits_or_is_done)
        assert not sealing.done()
    await sealing


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
    wrong = KeyRing(FileKeyWrapper({"kek-1": b"x" * 32}, "kek-1"), keys.index, keys.message_keys)
    with pytest.raises(KeyFileError, match=r"kek-1 .* is not the one"):
        async with database.begin() as tx:
            await check_keys(tx, wrong)


async def test_a_lost_key_stops_the_start_though_a_new_one_is_there(database: Database, tmp_path: Path) -> None:
    keys = ring(tmp_path)
    async with database.begin() as tx:
        await check_keys(tx, keys)
    rotated = KeyRing(keys.wrapper, BlindIndex({2: b"y" * 32}, 2), keys.message_keys)
    with pytest.raises(KeyFileError, match="index-1"):
        async with database.begin() as tx:
            await check_keys(tx, rotated)
    async with database.begin() as tx:
        await check_keys(tx, keys)


async def test_a_lost_message_key_stops_the_start(database: Database, tmp_path: Path) -> None:
    keys = ring(tmp_path)
    async with database.begin() as tx:
        await check_keys(tx, keys)
    lost = KeyRing(keys.wrapper, keys.index, MessageKeys({"bank-2": b"z" * 32}, "bank-2"))
    with pytest.raises(KeyFileError, match="bank-1"):
        async with database.begin() as tx:
            await check_keys(tx, lost)
