"""Which rows a caller reaches, enforced twice: in the query by `within_scope`, and by row-level security below it.

Each service keeps three small projections in its schema: `scope_units` (the organisation tree), `scope_staff` (who works
where) and `scope_subjects` (which unit a subject belongs to, and which subject it was merged into); `scope_facts` writes
them. `Database.begin`
states reach and staff id in the round trip that begins the transaction; the SQL function `enter_scope` works out the
units in reach once, so that statements compare against a constant array and can use an index on the unit.

A row without a unit is reached by `Reach.ALL` only. The worker's role reaches every row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal
from uuid import UUID

from sqlalchemy import Boolean, Column, ColumnElement, MetaData, Table, Uuid
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from kehu_chassis.columns import LtreePath, reference
from kehu_contracts.access import Reach

if TYPE_CHECKING:
    from sqlalchemy.sql.compiler import SQLCompiler

__all__ = [
    "EVERYTHING",
    "UNSCOPED",
    "Reach",
    "Scope",
    "drop_scope",
    "enable_scope",
    "restate_scope",
    "restate_scope_through",
    "scope_staff",
    "scope_subjects",
    "scope_units",
    "within_scope",
    "within_scope_subject",
]


@dataclass(frozen=True, slots=True)
class Scope:
    """What a caller reaches: `Reach.ALL`, the subtree of a member of staff's unit, or no row that belongs to a unit."""

    kind: Reach
    staff_id: UUID | None = None


UNSCOPED: Final = Scope(Reach.NONE)
"""Reaches no row: the first lock lets none through, and row-level security none to the api's role."""

EVERYTHING: Final = Scope(Reach.ALL)
"""Reaches every row: the scope of consumers and timers, which work for nobody in particular."""

_metadata = MetaData()

scope_units = Table(
    "scope_units",
    _metadata,
    Column("unit_id", Uuid, primary_key=True),
    Column("path", LtreePath, nullable=True),
    reference("parent_id", nullable=True),
    Column("active", Boolean, nullable=False),
)
"""The organisation tree; `path` is the chain of unit ids (hex) from the root, NULL while a unit above is unknown."""

scope_staff = Table(
    "scope_staff",
    _metadata,
    Column("staff_id", Uuid, primary_key=True),
    reference("unit_id"),
    Column("active", Boolean, nullable=False),
)

scope_subjects = Table(
    "scope_subjects",
    _metadata,
    Column("subject_id", Uuid, primary_key=True),
    reference("survivor_id"),
    reference("unit_id", nullable=True),
    reference("manager_id", nullable=True),
)
"""`survivor_id` is the subject itself unless it was merged; reach is decided by the survivor's unit."""


class within_scope(FunctionElement[bool]):  # noqa: N801  reads as the SQL function that it stands for
    """The first lock: only rows whose unit (the argument) is in the caller's reach. Every query of scoped rows states it.

    It is compiled once per reach, so that a statement of `ALL` bears no condition and one of `SUBTREE` can use an index.
    """

    inherit_cache = True
    type = Boolean()
    by: Literal["unit", "subject"] = "unit"

    def __init__(self, column: ColumnElement[Any]) -> None:
        super().__init__(column)


class within_scope_subject(within_scope):  # noqa: N801  the same
    """The first lock for rows that know only their subject (the argument): its survivor's unit must be in reach."""

    inherit_cache = True
    by: Literal["unit", "subject"] = "subject"


@compiles(within_scope)
def _compile_within_scope(element: within_scope, compiler: SQLCompiler, **options: Any) -> str:
    reach: Reach = getattr(compiler.dialect, "reach", Reach.NONE)
    if reach is Reach.ALL:
        return "true"
    if reach is Reach.NONE:
        return "false"
    return _condition(element.by, compiler.process(element.clauses, **options))


def _condition(by: Literal["unit", "subject"], column: str, ending: str = "") -> str:
    in_reach = "ANY ((SELECT scope_units_in_reach())::uuid[])"
    if by == "unit":
        return f"{column} = {in_reach}"
    return (
        "EXISTS (SELECT 1 FROM scope_subjects AS scoped JOIN scope_subjects AS standing"  # noqa: S608  no value enters
        " ON standing.subject_id = scoped.survivor_id"
        f" WHERE scoped.subject_id = {column} AND standing.unit_id = {in_reach}{ending})"
    )


_ROW_BY_ROW: Final = " OFFSET 0"
"""At the end of a policy's subquery: PostgreSQL looks each row up by the index. Without it a plan may collect all that the
caller reaches first, which one made while a table was small goes on doing for a single row of a table that has grown."""


def enable_scope(
    op: Any, table: str, column: str, by: Literal["unit", "subject"] = "unit", *, check_writes: bool = True
) -> None:
    """Force row-level security on a table (the second lock), in a migration.

    The api's role reaches rows by `column` (a unit's id, or with `by="subject"` a subject's id); the worker's role
    reaches all. With `check_writes` the api may write only rows that it would reach; without, it may move a row out of
    its own reach, as a hand-over to another branch does.
    """
    schema = _schema(op)
    visible = _visible(table, column, by)
    written = visible if check_writes else "true"
    op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY scope ON {table} TO kehu_{schema}_api USING ({visible}) WITH CHECK ({written})")
    op.execute(f"CREATE POLICY worker ON {table} TO kehu_{schema}_worker USING (true) WITH CHECK (true)")
    # Forced security holds for the owner too, who must be able to move data in a later migration.
    op.execute(f"CREATE POLICY owner ON {table} TO kehu_{schema}_owner USING (true) WITH CHECK (true)")


def restate_scope(
    op: Any, table: str, column: str, by: Literal["unit", "subject"] = "unit", *, check_writes: bool = True
) -> None:
    """Give a table that `enable_scope` was called for the policy that it would get now."""
    _restate(op, table, _visible(table, column, by), check_writes=check_writes)


def restate_scope_through(op: Any, table: str, column: str, parent: str, key: str) -> None:
    """Let the api reach a row by `column` where it reaches a row of `parent` with that `key`: the parent's policy holds."""
    found = f"SELECT FROM {parent} AS parent WHERE parent.{key} = {table}.{column}{_ROW_BY_ROW}"
    _restate(op, table, f"(SELECT scope_all()) OR EXISTS ({found})", check_writes=True)


def _visible(table: str, column: str, by: Literal["unit", "subject"]) -> str:
    return f"(SELECT scope_all()) OR {_condition(by, f'{table}.{column}', _ROW_BY_ROW)}"


def _restate(op: Any, table: str, visible: str, *, check_writes: bool) -> None:
    op.execute(f"ALTER POLICY scope ON {table} USING ({visible}) WITH CHECK ({visible if check_writes else 'true'})")


def drop_scope(op: Any, table: str) -> None:
    """Take back `enable_scope`, in a downgrade that keeps the table."""
    for policy in ("scope", "worker", "owner"):
        op.execute(f"DROP POLICY {policy} ON {table}")
    op.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
    op.execute(f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY")


def _schema(op: Any) -> str:
    schema = op.get_bind().exec_driver_sql("SELECT current_schema()").scalar_one()
    assert isinstance(schema, str)
    return schema
