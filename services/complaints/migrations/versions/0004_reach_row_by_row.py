"""Rows are reached one by one: no plan collects first all that the caller reaches, whatever the tables' sizes were."""

from __future__ import annotations

from alembic import op

from kehu_chassis.migrations import each_apart
from kehu_chassis.scope import restate_scope_through

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

CHILDREN = ("complaint_history", "clock_entries", "complaint_clocks", "extensions")


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    with each_apart(op):
        for table in CHILDREN:
            restate_scope_through(op, table, "complaint_id", "complaints", "complaint_id")


def downgrade() -> None:
    # Nothing is put back: the policies let the same rows through as before.
    op.execute("SET LOCAL lock_timeout = '5s'")
