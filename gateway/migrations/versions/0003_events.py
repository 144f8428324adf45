"""The log of live events; endpoints of partner systems and what they are sent."""

from __future__ import annotations

from alembic import op

from kehu_chassis.migrations import run_script
from kehu_chassis.scope import enable_scope

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE live_events (
    position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_id uuid NOT NULL,
    type text NOT NULL,
    permission text NOT NULL,
    scope_subject_id uuid,
    subject text NOT NULL,
    sequence bigint NOT NULL,
    at timestamptz NOT NULL,
    kept_at timestamptz NOT NULL,
    body bytea NOT NULL
);
CREATE INDEX ix_live_events_kept_at ON live_events (kept_at);
COMMENT ON COLUMN live_events.scope_subject_id IS 'NULL: whoever has the permission may see the event.';

CREATE TABLE webhooks (
    webhook_id uuid PRIMARY KEY DEFAULT uuidv7(),
    name text NOT NULL,
    url text NOT NULL,
    event_types text[] NOT NULL,
    active boolean NOT NULL,
    secret bytea NOT NULL,
    previous_secret bytea,
    previous_until timestamptz,
    created_at timestamptz NOT NULL,
    changed_at timestamptz NOT NULL,
    version bigint NOT NULL DEFAULT 1
);
COMMENT ON COLUMN webhooks.secret IS 'Sealed under the session key together with the id.';

CREATE TABLE webhook_deliveries (
    delivery_id uuid PRIMARY KEY DEFAULT uuidv7(),
    webhook_id uuid NOT NULL REFERENCES webhooks ON DELETE CASCADE,
    event_id uuid NOT NULL,
    type text NOT NULL,
    subject text NOT NULL,
    sequence bigint NOT NULL,
    at timestamptz NOT NULL,
    body bytea,
    state text NOT NULL CHECK (state IN ('pending', 'delivered', 'dead')),
    attempts integer NOT NULL,
    added_at timestamptz NOT NULL,
    next_attempt_at timestamptz,
    settled_at timestamptz,
    last_status integer,
    last_error text
);
CREATE INDEX ix_webhook_deliveries_due ON webhook_deliveries (webhook_id, next_attempt_at, delivery_id)
    WHERE state = 'pending';
CREATE INDEX ix_webhook_deliveries_dead ON webhook_deliveries (webhook_id) WHERE state = 'dead';
CREATE INDEX ix_webhook_deliveries_added_at ON webhook_deliveries (added_at) WHERE state = 'pending';
CREATE INDEX ix_webhook_deliveries_log ON webhook_deliveries (webhook_id, delivery_id);
CREATE INDEX ix_webhook_deliveries_settled_at ON webhook_deliveries (settled_at) WHERE state <> 'pending';
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    run_script(op, TABLES)
    enable_scope(op, "live_events", "scope_subject_id", by="subject")
    # What belongs to no unit is for whoever has the permission.
    op.execute("CREATE POLICY open ON live_events TO kehu_gateway_api USING (scope_subject_id IS NULL)")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    run_script(op, "DROP TABLE webhook_deliveries, webhooks, live_events")
