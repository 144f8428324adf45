"""What workers report for operators to see: how far behind each is, and when the last message came on each topic."""

from __future__ import annotations

from alembic import op

from kehu_chassis.migrations import create_worker_reports, drop_worker_reports

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    create_worker_reports(op)


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    drop_worker_reports(op)
