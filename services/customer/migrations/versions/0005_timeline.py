"""The timeline, partitioned by year, and interactions written down by hand.

Revision ID: 0005
Revises: 0004
"""

from __future__ import annotations

from alembic import op

from kehu_chassis.migrations import run_script
from kehu_chassis.provision import role_name
from kehu_chassis.scope import enable_scope

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    schema = str(op.get_bind().exec_driver_sql("SELECT current_schema()").scalar_one())
    api, worker = role_name(schema, "api"), role_name(schema, "worker")
    run_script(
        op,
        f"""
        CREATE TABLE timeline_entries (
            customer_id uuid NOT NULL,
            occurred_at timestamptz NOT NULL,
            entry_id uuid NOT NULL,
            type text NOT NULL,
            channel text,
            reference_id uuid,
            attributes jsonb NOT NULL,
            PRIMARY KEY (customer_id, occurred_at, entry_id)
        ) PARTITION BY RANGE (occurred_at);

        CREATE TABLE interactions (
            id uuid PRIMARY KEY DEFAULT uuidv7(),
            customer_id uuid NOT NULL REFERENCES customers,
            kind text NOT NULL,
            channel text NOT NULL,
            direction text NOT NULL,
            note_sealed bytea,
            staff_id uuid,
            actor text NOT NULL,
            occurred_at timestamptz NOT NULL,
            recorded_at timestamptz NOT NULL
        );
        CREATE INDEX interactions_customer_id_idx ON interactions (customer_id);

        CREATE FUNCTION ensure_timeline_years(years date[]) RETURNS void
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = {schema}, pg_temp AS $$
        DECLARE
            year date;
            name text;
        BEGIN
            FOREACH year IN ARRAY years LOOP
                name := 'timeline_entries_' || to_char(year, 'YYYY');
                CONTINUE WHEN to_regclass(name) IS NOT NULL;
                PERFORM pg_advisory_xact_lock(hashtextextended('{schema}/' || name, 0));
                CONTINUE WHEN to_regclass(name) IS NOT NULL;
                EXECUTE format('CREATE TABLE %I (LIKE timeline_entries INCLUDING DEFAULTS)', name);
                EXECUTE format('REVOKE ALL ON %I FROM {api}, {worker}', name);
                EXECUTE format('ALTER TABLE timeline_entries ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
                               name, to_char(year, 'YYYY') || '-01-01Z',
                               to_char(year + interval '1 year', 'YYYY') || '-01-01Z');
            END LOOP;
        END $$;
        REVOKE ALL ON FUNCTION ensure_timeline_years FROM PUBLIC;
        GRANT EXECUTE ON FUNCTION ensure_timeline_years TO {api}, {worker};
        """,
    )
    enable_scope(op, "timeline_entries", "customer_id", by="subject")
    enable_scope(op, "interactions", "customer_id", by="subject")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("DROP FUNCTION ensure_timeline_years")
    op.execute("DROP TABLE interactions, timeline_entries")
