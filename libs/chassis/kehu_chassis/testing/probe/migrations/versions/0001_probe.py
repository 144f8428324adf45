"""A service with nothing but effects to look at."""

import sqlalchemy as sa
from alembic import op

from kehu_chassis.migrations import create_chassis_tables, drop_chassis_tables
from kehu_chassis.scope import enable_scope

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    create_chassis_tables(op)
    op.create_table(
        "effects",
        sa.Column("effect_id", sa.BigInteger, sa.Identity(), primary_key=True),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Column("value", sa.Text, nullable=False),
    )
    op.create_table(
        "projection",
        sa.Column("subject", sa.Text, primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
        sa.Column("changes", sa.Integer, nullable=False),
    )
    op.create_table(
        "cases",
        sa.Column("case_id", sa.Uuid, primary_key=True, server_default=sa.text("uuidv7()")),
        sa.Column("unit_id", sa.Uuid),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("details", sa.dialects.postgresql.JSONB),
        sa.Column("amount", sa.Numeric(20, 4)),
        sa.Column("opened_at", sa.DateTime(timezone=True)),
    )
    op.create_index("cases_unit", "cases", ["unit_id", "case_id"])
    op.create_table(
        "members",
        sa.Column("customer_id", sa.Uuid, primary_key=True),
        sa.Column("since", sa.Date),
    )
    enable_scope(op, "cases", "unit_id")
    enable_scope(op, "members", "customer_id", by="subject")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for table in ("members", "cases", "projection", "effects"):
        op.drop_table(table)
    drop_chassis_tables(op)
