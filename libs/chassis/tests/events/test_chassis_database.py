"""Transactions, statements and scope on a real PostgreSQL."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID, uuid4

import asyncpg
import pytest
from sqlalchemy import ARRAY, Column, MetaData, Table, bindparam, delete, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from kehu_chassis.columns import ControlCharacter, Text, document, id_column, instant, money, reference, string
from kehu_chassis.database import Database, MissingParameter, NoRow, RolledBack
from kehu_chassis.scope import EVERYTHING, Reach, Scope, within_scope, within_scope_subject
from kehu_chassis.scope_facts import ScopeStaff, ScopeSubject, ScopeUnit, put_staff, put_subjects, put_units

metadata = MetaData()
cases = Table(
    "cases",
    metadata,
    id_column("case_id"),
    reference("unit_id", nullable=True),
    string("text"),
    document("details", nullable=True),
    money("amount", nullable=True),
    instant("opened_at", nullable=True),
)
members = Table("members", metadata, reference("customer_id"), Column("since"))

AT = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)


async def texts(database: Database, scope: Scope = EVERYTHING) -> list[str]:
    async with database.begin(scope=scope, read_only=True) as tx:
        rows = await tx.all(select(cases.c.text).where(within_scope(cases.c.unit_id)).order_by(cases.c.text))
        return [row["text"] for row in rows]


async def test_values_keep_their_types_on_the_way_there_and_back(worker_database: Database) -> None:
    row = {"text": "王伟", "details": {"a": [1, None]}, "amount": Decimal("12.3400"), "opened_at": AT}
    async with worker_database.begin() as tx:
        kept = await tx.one(insert(cases).values(**row).returning(cases))
        nothing = await tx.one(
            insert(cases).values(text="b", details=None).returning(cases.c.details.is_(None).label("is_null"))
        )
    assert {name: kept[name] for name in row} == row
    assert isinstance(kept["case_id"], UUID)
    assert kept["case_id"].version == 7
    assert nothing["is_null"] is True


async def test_a_statement_at_module_level_takes_its_parameters_anew(worker_database: Database) -> None:
    statement = select(cases.c.text).where(cases.c.text == bindparam("wanted"))
    async with worker_database.begin() as tx:
        await tx.execute_many(insert(cases), [{"text": "one"}, {"text": "two"}])
        assert await tx.scalar(statement, {"wanted": "one"}) == "one"
        assert await tx.scalar(statement, {"wanted": "two"}) == "two"
        assert await tx.first(statement, {"wanted": "three"}) is None
        with pytest.raises(MissingParameter):
            await tx.scalar(statement)


async def test_statements_of_one_shape_with_other_values_do_not_get_each_others_values(
    worker_database: Database,
) -> None:
    async with worker_database.begin() as tx:
        for text in ("a", "b", "c"):
            await tx.execute(insert(cases).values(text=text, details={"of": text}))
        for text in ("a", "b"):
            row = await tx.one(select(cases).where(cases.c.text == text, cases.c.details["of"].astext == text))
            assert row["text"] == text
            assert await tx.execute(update(cases).where(cases.c.text == text).values(text=text * 2)) == 1
        assert await tx.execute(delete(cases).where(cases.c.text.in_(["aa", "bb"]))) == 2
        await tx.execute(upsert(cases).values(text="d").on_conflict_do_nothing())
        remaining = await tx.all(select(cases.c.text).order_by(cases.c.text))
    assert [row["text"] for row in remaining] == ["c", "d"]


@pytest.mark.parametrize(("values", "found"), [([], []), (["a"], ["a"]), (["a", "b", "x"], ["a", "b"])])
async def test_membership_in_a_list_of_any_length(
    worker_database: Database, values: list[str], found: list[str]
) -> None:
    async with worker_database.begin() as tx:
        await tx.execute_many(insert(cases), [{"text": text} for text in "abc"])
        inside = await tx.all(select(cases.c.text).where(cases.c.text.in_(values)).order_by(cases.c.text))
        outside = await tx.scalar(select(func.count()).select_from(cases).where(cases.c.text.not_in(values)))
    assert [row["text"] for row in inside] == found
    assert outside == 3 - len(found)


async def test_copy_loads_rows(worker_database: Database) -> None:
    async with worker_database.begin() as tx:
        await tx.copy(cases, ["text", "amount"], [("a", Decimal(1)), ("b", Decimal(2))])
        assert await tx.scalar(select(func.sum(cases.c.amount))) == Decimal(3)


async def test_one_row_means_one(worker_database: Database) -> None:
    async with worker_database.begin() as tx:
        with pytest.raises(NoRow):
            await tx.one(select(cases))
        await tx.execute_many(insert(cases), [{"text": "a"}, {"text": "b"}])
        with pytest.raises(LookupError, match="several"):
            await tx.one(select(cases))


@pytest.mark.parametrize("text", ["a\x00b", "a\x1bb", "a\x85b", "\ud800"])
async def test_control_characters_are_refused_before_postgresql_sees_them(worker_database: Database, text: str) -> None:
    with pytest.raises(ControlCharacter):
        async with worker_database.begin() as tx:
            await tx.execute(insert(cases).values(text=text))
    assert await texts(worker_database) == []


async def test_control_characters_are_refused_among_the_texts_of_an_array(worker_database: Database) -> None:
    found = select(bindparam("texts", type_=ARRAY(Text)))
    async with worker_database.begin() as tx:
        for taken in (["a", None, "王", ""], [], None, [["a", "b"], ["c", "d"]], ("a", "b")):
            assert await tx.scalar(found, {"texts": taken}) == (list(taken) if isinstance(taken, tuple) else taken)
        for refused in (["ok", "a\x1bb"], [["ok"], ["a\x1bb"]], ["a\x1bb", None]):
            with pytest.raises(ControlCharacter, match=r"U\+001B at position 1$"):
                await tx.scalar(found, {"texts": refused})


async def test_an_error_rolls_back_and_goes_on(worker_database: Database) -> None:
    called: list[str] = []

    async def fail_half_way() -> None:
        async with worker_database.begin() as tx:
            tx.on_commit(lambda: called.append("committed"))
            await tx.execute(insert(cases).values(text="a"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail_half_way()
    assert await texts(worker_database) == []
    assert called == []


async def test_callbacks_run_after_the_commit(worker_database: Database) -> None:
    called: list[str] = []
    async with worker_database.begin() as tx:
        tx.on_commit(lambda: called.append("committed"))
        await tx.execute(insert(cases).values(text="a"))
        assert called == []
    assert called == ["committed"]


async def test_a_swallowed_failure_is_no_silent_rollback(worker_database: Database) -> None:
    async def swallow() -> None:
        async with worker_database.begin() as tx:
            await tx.execute(insert(cases).values(text="a"))
            with contextlib.suppress(asyncpg.PostgresError):
                await tx.connection.execute("SELECT 1/0")

    with pytest.raises(RolledBack):
        await swallow()
    assert await texts(worker_database) == []


async def test_a_savepoint_undoes_what_failed_inside_alone(worker_database: Database) -> None:
    async with worker_database.begin() as tx:
        await tx.execute(insert(cases).values(text="kept"))
        with contextlib.suppress(asyncpg.PostgresError):
            async with tx.savepoint():
                await tx.execute(insert(cases).values(text="undone"))
                await tx.connection.execute("SELECT 1/0")
        async with tx.savepoint():
            await tx.execute(insert(cases).values(text="too"))
    assert await texts(worker_database) == ["kept", "too"]


async def test_a_read_only_transaction_refuses_writes(worker_database: Database) -> None:
    with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
        async with worker_database.begin(read_only=True) as tx:
            await tx.execute(insert(cases).values(text="a"))


async def test_connections_that_were_cut_are_replaced(postgres: str, worker_database: Database) -> None:
    assert await texts(worker_database) == []
    admin = await asyncpg.connect(postgres)
    try:
        await admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'kehu_probe_worker'"
            " AND datname = $1",
            worker_database_name(worker_database),
        )
    finally:
        await admin.close()
    assert await texts(worker_database) == []


def worker_database_name(database: Database) -> str:
    return database._dsn.rpartition("/")[2]


class Tree:
    """Head office, two branches, a sub-branch below the first; a member of staff in each."""

    def __init__(self) -> None:
        self.head, self.first, self.second, self.below = uuid4(), uuid4(), uuid4(), uuid4()
        self.staff = {unit: uuid4() for unit in (self.head, self.first, self.second, self.below)}

    async def put(self, database: Database) -> None:
        async with database.begin() as tx:
            # The sub-branch comes before its branch: order of arrival does not matter.
            await put_units(tx, [ScopeUnit(self.below, self.first, active=True)])
            await put_units(
                tx,
                [
                    ScopeUnit(self.first, self.head, active=True),
                    ScopeUnit(self.second, self.head, active=True),
                    ScopeUnit(self.head, None, active=True),
                ],
            )
            await put_staff(tx, [ScopeStaff(staff, unit, active=True) for unit, staff in self.staff.items()])

    def scope(self, unit: UUID) -> Scope:
        return Scope(Reach.SUBTREE, self.staff[unit])


@pytest.fixture
async def tree(worker_database: Database) -> Tree:
    planted = Tree()
    await planted.put(worker_database)
    units = {"1 first": planted.first, "2 below": planted.below, "3 second": planted.second, "4 none": None}
    async with worker_database.begin() as tx:
        await tx.execute_many(insert(cases), [{"text": text, "unit_id": unit} for text, unit in units.items()])
    return planted


@pytest.mark.parametrize("lock", ["both locks", "row-level security alone"])
async def test_each_reaches_the_own_unit_and_those_below(database: Database, tree: Tree, lock: str) -> None:
    if lock == "row-level security alone":
        database.without_first_lock()
    assert await texts(database, tree.scope(tree.head)) == ["1 first", "2 below", "3 second"]
    assert await texts(database, tree.scope(tree.first)) == ["1 first", "2 below"]
    assert await texts(database, tree.scope(tree.below)) == ["2 below"]
    assert await texts(database, Scope(Reach.ALL)) == ["1 first", "2 below", "3 second", "4 none"]
    assert await texts(database, Scope(Reach.NONE)) == []
    assert await texts(database, Scope(Reach.SUBTREE, uuid4())) == []
    assert await texts(database, Scope(Reach.SUBTREE)) == []


async def test_the_first_lock_alone_holds_where_row_level_security_would_not(
    worker_database: Database, tree: Tree
) -> None:
    assert await texts(worker_database, tree.scope(tree.first)) == ["1 first", "2 below"]
    assert await texts(worker_database, Scope(Reach.NONE)) == []


async def test_a_scope_ends_with_its_transaction(database: Database, tree: Tree) -> None:
    database.without_first_lock()
    for _ in range(20):
        assert len(await texts(database, tree.scope(tree.head))) == 3
        assert await texts(database, Scope(Reach.NONE)) == []
        assert len(await texts(database, Scope(Reach.ALL))) == 4
        assert await texts(database, Scope(Reach.NONE)) == []


async def test_rows_outside_the_reach_can_be_neither_written_nor_changed(database: Database, tree: Tree) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with database.begin(scope=tree.scope(tree.first)) as tx:
            await tx.execute(insert(cases).values(text="x", unit_id=tree.second))
    async with database.begin(scope=tree.scope(tree.first)) as tx:
        assert await tx.execute(update(cases).where(cases.c.text == "3 second").values(text="taken")) == 0
        assert await tx.execute(delete(cases).where(cases.c.text == "3 second")) == 0
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with database.begin(scope=tree.scope(tree.first)) as tx:
            await tx.execute(update(cases).where(cases.c.text == "1 first").values(unit_id=tree.second))


async def test_a_moved_branch_and_a_member_who_leaves_take_effect_at_once(
    database: Database, worker_database: Database, tree: Tree
) -> None:
    async with worker_database.begin() as tx:
        await put_units(tx, [ScopeUnit(tree.below, tree.second, active=True)])
        await put_staff(tx, [ScopeStaff(tree.staff[tree.first], tree.first, active=False)])
    assert await texts(database, tree.scope(tree.second)) == ["2 below", "3 second"]
    assert await texts(database, tree.scope(tree.first)) == []


async def test_units_in_a_circle_are_in_nobodys_subtree(
    database: Database, worker_database: Database, tree: Tree
) -> None:
    async with worker_database.begin() as tx:
        await put_units(tx, [ScopeUnit(tree.first, tree.below, active=True)])
    assert await texts(database, tree.scope(tree.head)) == ["3 second"]
    assert await texts(database, tree.scope(tree.below)) == []


@pytest.mark.parametrize("lock", ["both locks", "row-level security alone"])
async def test_rows_of_a_subject_follow_the_unit_of_its_survivor(
    database: Database, worker_database: Database, tree: Tree, lock: str
) -> None:
    if lock == "row-level security alone":
        database.without_first_lock()
    kept, merged, foreign, unknown = (uuid4() for _ in range(4))

    async def seen(scope: Scope) -> set[UUID]:
        statement = select(members.c.customer_id).where(within_scope_subject(members.c.customer_id))
        async with database.begin(scope=scope, read_only=True) as tx:
            return {row["customer_id"] for row in await tx.all(statement)}

    async with worker_database.begin() as tx:
        await put_subjects(
            tx,
            [
                ScopeSubject(kept, kept, tree.first),
                ScopeSubject(merged, kept, tree.second),
                ScopeSubject(foreign, foreign, tree.second),
            ],
        )
        await tx.execute_many(insert(members), [{"customer_id": one} for one in (kept, merged, foreign, unknown)])
    assert await seen(tree.scope(tree.first)) == {kept, merged}
    assert await seen(tree.scope(tree.second)) == {foreign}
    assert await seen(Scope(Reach.ALL)) == {kept, merged, foreign, unknown}
    async with worker_database.begin() as tx:
        await put_subjects(tx, [ScopeSubject(merged, merged, tree.second)])
    assert await seen(tree.scope(tree.second)) == {foreign, merged}


async def test_the_first_lock_uses_the_index_of_the_unit(
    database: Database, worker_database: Database, tree: Tree
) -> None:
    async with worker_database.begin() as tx:
        await tx.connection.execute(
            "INSERT INTO cases (text, unit_id) SELECT 'many', gen_random_uuid() FROM generate_series(1, 20000)"
        )
        await tx.connection.execute("ANALYZE cases")
    async with database.begin(scope=tree.scope(tree.first), read_only=True) as tx:
        sql, values = tx._statements.render(select(cases.c.text).where(within_scope(cases.c.unit_id)))
        plan = "\n".join(row[0] for row in await tx.connection.fetch(f"EXPLAIN {sql}", *values))
    assert "cases_unit" in plan
    assert "Seq Scan on cases" not in plan


@pytest.mark.parametrize(
    "statement",
    ["CREATE TABLE stray (a int)", "ALTER TABLE cases DISABLE ROW LEVEL SECURITY", "SET ROLE kehu_probe_owner"],
)
async def test_a_service_role_cannot_lift_its_limits(worker_database: Database, statement: str) -> None:
    async def attempt() -> None:
        async with worker_database.begin() as tx:
            await tx.connection.execute(statement)

    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await attempt()
