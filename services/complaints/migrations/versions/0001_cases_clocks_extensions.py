"""Cases with their history, clocks and extensions."""

from __future__ import annotations

from alembic import op

from kehu_chassis.migrations import create_chassis_tables, drop_chassis_tables, run_script
from kehu_chassis.scope import enable_scope

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TABLES = """
CREATE SEQUENCE complaint_numbers MINVALUE 1 MAXVALUE 999999 CYCLE;

CREATE TABLE complaints (
    complaint_id uuid PRIMARY KEY DEFAULT uuidv7(),
    complaint_number text NOT NULL UNIQUE,
    kind text NOT NULL CHECK (kind IN ('complaint', 'enquiry', 'suggestion')),
    state text NOT NULL,
    channel text NOT NULL,
    category text NOT NULL,
    customer_id uuid,
    unit_id uuid NOT NULL,
    handler_id uuid,
    accused_staff_id uuid,
    outcome text,
    received_at timestamptz NOT NULL,
    open boolean NOT NULL,
    queue_at timestamptz NOT NULL,
    narrative bytea NOT NULL,
    key_id text NOT NULL,
    wrapped_key bytea NOT NULL,
    created_by text NOT NULL,
    created_at timestamptz NOT NULL,
    changed_at timestamptz NOT NULL,
    version bigint NOT NULL DEFAULT 1,
    -- The accused is kept from the case, whoever writes the row.
    CONSTRAINT complaints_recusal CHECK (handler_id <> accused_staff_id)
);
CREATE INDEX complaints_queue_idx ON complaints (queue_at, complaint_id);
CREATE INDEX complaints_unit_queue_idx ON complaints (unit_id, queue_at, complaint_id);
CREATE INDEX complaints_customer_idx ON complaints (customer_id, received_at) WHERE customer_id IS NOT NULL;
CREATE INDEX complaints_handler_idx ON complaints (handler_id, queue_at) WHERE handler_id IS NOT NULL;

CREATE TABLE complaint_history (
    complaint_id uuid NOT NULL REFERENCES complaints,
    position integer NOT NULL,
    event text NOT NULL,
    from_state text,
    to_state text,
    at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL,
    actor text NOT NULL,
    staff_id uuid,
    details jsonb NOT NULL,
    note bytea,
    PRIMARY KEY (complaint_id, position)
);

CREATE TABLE clock_entries (
    complaint_id uuid NOT NULL REFERENCES complaints,
    position integer NOT NULL CHECK (position > 0),
    kind text NOT NULL,
    at timestamptz NOT NULL,
    code text,
    recorded_at timestamptz NOT NULL,
    actor text NOT NULL,
    staff_id uuid,
    PRIMARY KEY (complaint_id, position)
);

CREATE TABLE complaint_clocks (
    complaint_id uuid NOT NULL REFERENCES complaints,
    clock text NOT NULL CHECK (clock IN ('statutory', 'internal')),
    pack_id text NOT NULL,
    pack_version integer NOT NULL,
    calendar_id text NOT NULL,
    calendar_version integer NOT NULL,
    rule_id text NOT NULL,
    status text NOT NULL CHECK (status IN ('running', 'paused', 'stopped')),
    due_at timestamptz NOT NULL,
    due_on date,
    provisional boolean NOT NULL,
    stopped_at timestamptz,
    overdue boolean NOT NULL,
    PRIMARY KEY (complaint_id, clock)
);
CREATE INDEX complaint_clocks_provisional_idx ON complaint_clocks (complaint_id) WHERE provisional;

CREATE TABLE extensions (
    extension_id uuid PRIMARY KEY DEFAULT uuidv7(),
    complaint_id uuid NOT NULL REFERENCES complaints,
    code text NOT NULL,
    state text NOT NULL CHECK (state IN ('requested', 'approved', 'refused', 'in_effect')),
    reason bytea NOT NULL,
    requested_at timestamptz NOT NULL,
    requested_by text NOT NULL,
    requested_staff_id uuid,
    decided_at timestamptz,
    decided_by text,
    decided_staff_id uuid,
    notified_at timestamptz,
    notice_channel text,
    CONSTRAINT extensions_second_person CHECK (decided_by <> requested_by)
);
CREATE INDEX extensions_complaint_idx ON extensions (complaint_id, requested_at);
CREATE UNIQUE INDEX extensions_pending_idx ON extensions (complaint_id, code) WHERE state IN ('requested', 'approved');

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'rows of % are never changed', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON clock_entries
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON complaint_history
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
"""

CHILDREN = ("complaint_history", "clock_entries", "complaint_clocks", "extensions")


def upgrade() -> None:
    """Create the tables; the rows that belong to a case are reached by whoever reaches the case."""
    op.execute("SET LOCAL lock_timeout = '5s'")
    create_chassis_tables(op)
    run_script(op, TABLES)
    enable_scope(op, "complaints", "unit_id")
    for table in CHILDREN:
        # The policy of complaints holds inside the subquery too.
        reached = f"EXISTS (SELECT 1 FROM complaints c WHERE c.complaint_id = {table}.complaint_id)"  # noqa: S608 - Our own names.
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY scope ON {table} TO kehu_complaints_api USING ({reached}) WITH CHECK ({reached})")
        op.execute(f"CREATE POLICY worker ON {table} TO kehu_complaints_worker USING (true) WITH CHECK (true)")
        op.execute(f"CREATE POLICY owner ON {table} TO kehu_complaints_owner USING (true) WITH CHECK (true)")


def downgrade() -> None:
    """Take it all back."""
    op.execute("SET LOCAL lock_timeout = '5s'")
    run_script(
        op,
        """
        DROP TABLE extensions, complaint_clocks, clock_entries, complaint_history, complaints;
        DROP FUNCTION refuse_change;
        DROP SEQUENCE complaint_numbers;
        """,
    )
    drop_chassis_tables(op)
