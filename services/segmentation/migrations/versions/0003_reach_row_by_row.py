"""Rows are reached one by one: no plan collects first all that the caller reaches, whatever the tables' sizes were."""

from __future__ import annotations

from alembic import op

from kehu_chassis.migrations import each_apart
from kehu_chassis.scope import restate_scope

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

SCOPED = ("customers", "holdings", "account_days", "posted", "memberships", "customer_tiers", "tier_changes")


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    with each_apart(op):
        for table in SCOPED:
            restate_scope(op, table, "customer_id", by="subject")


def downgrade() -> None:
    # Nothing is put back: the policies let the same rows through as before.
    op.execute("SET LOCAL lock_timeout = '5s'")
