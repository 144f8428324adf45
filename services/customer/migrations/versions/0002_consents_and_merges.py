"""The consent ledger, what stands by it, and merge links."""

from __future__ import annotations

from alembic import op

from kehu_chassis.migrations import run_script
from kehu_chassis.provision import role_name
from kehu_chassis.scope import enable_scope

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE consent_entries (
    id uuid PRIMARY KEY DEFAULT uuidv7(),
    customer_id uuid NOT NULL REFERENCES customers,
    purpose text NOT NULL,
    channel text NOT NULL,
    contact_point_id uuid REFERENCES contact_points,
    status text NOT NULL,
    lawful_basis text NOT NULL,
    notice_version text NOT NULL,
    proof text NOT NULL,
    actor text NOT NULL,
    effective_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL
);
CREATE INDEX consent_entries_customer_id_idx ON consent_entries (customer_id, id);

CREATE TABLE standing_consents (
    customer_id uuid NOT NULL REFERENCES customers,
    purpose text NOT NULL,
    channel text NOT NULL,
    target_id uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
    status text NOT NULL,
    entry_id uuid NOT NULL REFERENCES consent_entries,
    effective_at timestamptz NOT NULL,
    PRIMARY KEY (customer_id, purpose, channel, target_id)
);

CREATE TABLE merges (
    id uuid PRIMARY KEY DEFAULT uuidv7(),
    customer_id uuid NOT NULL REFERENCES customers,
    survivor_id uuid NOT NULL REFERENCES customers,
    reason text NOT NULL,
    merged_by text NOT NULL,
    merged_at timestamptz NOT NULL,
    undo_reason text,
    undone_by text,
    undone_at timestamptz,
    version bigint NOT NULL DEFAULT 1
);
CREATE UNIQUE INDEX merges_standing_key ON merges (customer_id) WHERE undone_at IS NULL;
CREATE INDEX merges_survivor_id_idx ON merges (survivor_id);
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    run_script(op, TABLES)
    for table in ("consent_entries", "standing_consents", "merges"):
        enable_scope(op, table, "customer_id", "subject")
    # The ledger only grows: what was consented to and withdrawn must be provable for ever.
    schema = op.get_bind().exec_driver_sql("SELECT current_schema()").scalar_one()
    writers = f"{role_name(schema, 'api')}, {role_name(schema, 'worker')}"
    op.execute(f"REVOKE UPDATE, DELETE, TRUNCATE ON consent_entries FROM {writers}")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    run_script(op, "DROP TABLE merges, standing_consents, consent_entries")
