"""Rows are reached one by one: no plan collects first all that the caller reaches, whatever the tables' sizes were."""

from __future__ import annotations

from alembic import op

from kehu_chassis.migrations import each_apart
from kehu_chassis.scope import restate_scope, restate_scope_through

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

BY_CUSTOMER = (
    "party_names",
    "contact_points",
    "documents",
    "consent_entries",
    "standing_consents",
    "merges",
    "source_records",
    "account_holders",
    "product_openings",
    "timeline_entries",
    "interactions",
)
BY_HOLDER = {"accounts": "id", "transactions": "account_id", "account_months": "account_id"}


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    with each_apart(op):
        restate_scope(op, "customers", "id", by="subject")
        restate_scope(op, "ownerships", "customer_id", by="subject", check_writes=False)
        for table in BY_CUSTOMER:
            restate_scope(op, table, "customer_id", by="subject")
        for table, column in BY_HOLDER.items():
            restate_scope_through(op, table, column, "account_holders", "account_id")


def downgrade() -> None:
    # Nothing is put back: the policies let the same rows through as before.
    op.execute("SET LOCAL lock_timeout = '5s'")
