"""Units and staff, ownership with history, and the keys and records of source systems.

Revision ID: 0003
Revises: 0002
"""

from __future__ import annotations

from alembic import op

from kehu_chassis.migrations import run_script
from kehu_chassis.scope import enable_scope

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    run_script(
        op,
        """
        CREATE TABLE units (
            id uuid PRIMARY KEY DEFAULT uuidv7(),
            code text NOT NULL UNIQUE,
            name text NOT NULL,
            kind text NOT NULL,
            parent_id uuid REFERENCES units,
            division_code text,
            active boolean NOT NULL,
            source text NOT NULL,
            source_sequence bigint NOT NULL,
            version bigint NOT NULL DEFAULT 1,
            stated_at timestamptz NOT NULL
        );
        CREATE INDEX units_parent_id_idx ON units (parent_id);

        CREATE TABLE staff (
            id uuid PRIMARY KEY DEFAULT uuidv7(),
            staff_number text NOT NULL UNIQUE,
            name text NOT NULL,
            unit_id uuid NOT NULL REFERENCES units,
            roles text[] NOT NULL,
            active boolean NOT NULL,
            source text NOT NULL,
            source_sequence bigint NOT NULL,
            version bigint NOT NULL DEFAULT 1,
            stated_at timestamptz NOT NULL
        );
        CREATE INDEX staff_unit_id_idx ON staff (unit_id);

        CREATE TABLE ownerships (
            id uuid PRIMARY KEY DEFAULT uuidv7(),
            customer_id uuid NOT NULL REFERENCES customers,
            unit_id uuid NOT NULL REFERENCES units,
            primary_rm_id uuid REFERENCES staff,
            valid_from timestamptz NOT NULL,
            valid_until timestamptz,
            reason text NOT NULL,
            actor text NOT NULL,
            recorded_at timestamptz NOT NULL,
            CONSTRAINT ownerships_interval_check CHECK (valid_until IS NULL OR valid_until > valid_from),
            CONSTRAINT ownerships_no_overlap
                EXCLUDE USING gist (customer_id WITH =, tstzrange(valid_from, valid_until) WITH &&)
        );
        CREATE UNIQUE INDEX ownerships_open_key ON ownerships (customer_id) WHERE valid_until IS NULL;

        CREATE TABLE source_keys (
            kind text NOT NULL,
            source text NOT NULL,
            source_id text NOT NULL,
            subject_id uuid,
            PRIMARY KEY (kind, source, source_id)
        );
        CREATE INDEX source_keys_subject_id_idx ON source_keys (subject_id);

        CREATE TABLE source_records (
            source text NOT NULL,
            source_id text NOT NULL,
            customer_id uuid NOT NULL REFERENCES customers,
            body text NOT NULL,
            unit_code text NOT NULL,
            rm_staff_number text,
            source_sequence bigint NOT NULL,
            stated_at timestamptz NOT NULL,
            received_at timestamptz NOT NULL,
            PRIMARY KEY (source, source_id)
        );
        CREATE INDEX source_records_customer_id_idx ON source_records (customer_id);
        """,
    )
    # A hand-over may give a customer to a unit out of the caller's reach.
    enable_scope(op, "ownerships", "customer_id", by="subject", check_writes=False)
    enable_scope(op, "source_records", "customer_id", by="subject")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("DROP TABLE source_records, source_keys, ownerships, staff, units")
