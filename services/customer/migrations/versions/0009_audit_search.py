"""Indexes by which the audit is searched."""

from __future__ import annotations

from alembic import op

from kehu_chassis.migrations import create_audit_indexes, drop_audit_indexes

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    create_audit_indexes(op)


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    drop_audit_indexes(op)
