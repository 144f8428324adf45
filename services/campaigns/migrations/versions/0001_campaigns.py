"""The chassis's tables; campaigns with audience, decisions, messages, conversions; projections of other services."""

from __future__ import annotations

from alembic import op

from kehu_chassis.migrations import create_chassis_tables, drop_chassis_tables, run_script
from kehu_chassis.scope import enable_scope

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE campaigns (
    id uuid DEFAULT uuidv7() NOT NULL,
    code text NOT NULL,
    name text NOT NULL,
    objective text NOT NULL,
    state text NOT NULL,
    unit_id uuid NOT NULL,
    purpose text NOT NULL,
    channel text NOT NULL,
    product_code text NOT NULL,
    message text NOT NULL,
    segments_any uuid[] NOT NULL,
    segments_all uuid[] NOT NULL,
    segments_none uuid[] NOT NULL,
    customers_of_unit_id uuid,
    holdout_basis_points integer NOT NULL,
    salt text NOT NULL,
    starts_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL,
    conversion_window_days integer NOT NULL,
    target_conversions integer,
    target_amount numeric(20, 4),
    makers text[] NOT NULL,
    reviewer text,
    review_note text,
    rule_versions jsonb,
    audience_size integer,
    created_at timestamptz NOT NULL,
    submitted_at timestamptz,
    reviewed_at timestamptz,
    finished_at timestamptz,
    version bigint DEFAULT 1 NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT campaigns_holdout_check CHECK (holdout_basis_points BETWEEN 0 AND 10000),
    CONSTRAINT campaigns_period_check CHECK (ends_at > starts_at),
    UNIQUE (code)
);
CREATE INDEX campaigns_created_at_idx ON campaigns (created_at, id);

CREATE TABLE complaints (
    complaint_id uuid NOT NULL,
    customer_id uuid NOT NULL,
    open boolean NOT NULL,
    changed_at timestamptz NOT NULL,
    sequence bigint NOT NULL,
    PRIMARY KEY (complaint_id)
);
CREATE INDEX complaints_customer_id_idx ON complaints (customer_id);

CREATE TABLE contact_locks (
    customer_id uuid NOT NULL,
    PRIMARY KEY (customer_id)
);

CREATE TABLE customers (
    customer_id uuid NOT NULL,
    customer_number text NOT NULL,
    kind text NOT NULL,
    status text NOT NULL,
    birth_year integer,
    granted text[] NOT NULL,
    withdrawn text[] NOT NULL,
    sequence bigint NOT NULL,
    PRIMARY KEY (customer_id)
);

CREATE TABLE memberships (
    segment_id uuid NOT NULL,
    customer_id uuid NOT NULL,
    PRIMARY KEY (segment_id, customer_id)
);
CREATE INDEX memberships_customer_id_idx ON memberships (customer_id);

CREATE TABLE openings (
    opening_id uuid NOT NULL,
    customer_id uuid NOT NULL,
    product_code text NOT NULL,
    amount numeric(20, 4),
    currency text NOT NULL,
    opened_at timestamptz NOT NULL,
    PRIMARY KEY (opening_id)
);
CREATE INDEX openings_customer_id_idx ON openings (customer_id, opened_at);

CREATE TABLE segments (
    segment_id uuid NOT NULL,
    code text NOT NULL,
    rule_version integer NOT NULL,
    published_at timestamptz NOT NULL,
    PRIMARY KEY (segment_id)
);

CREATE TABLE members (
    campaign_id uuid NOT NULL,
    customer_id uuid NOT NULL,
    frozen_at timestamptz NOT NULL,
    deferred_until timestamptz,
    decided boolean DEFAULT false NOT NULL,
    PRIMARY KEY (campaign_id, customer_id),
    FOREIGN KEY(campaign_id) REFERENCES campaigns (id)
);
CREATE INDEX members_customer_id_idx ON members (customer_id);
CREATE INDEX members_undecided_idx ON members (campaign_id, deferred_until NULLS FIRST, customer_id) WHERE NOT decided;

CREATE TABLE decisions (
    id uuid DEFAULT uuidv7() NOT NULL,
    campaign_id uuid NOT NULL,
    customer_id uuid NOT NULL,
    survivor_id uuid NOT NULL,
    purpose text NOT NULL,
    channel text NOT NULL,
    outcome text NOT NULL,
    reason text NOT NULL,
    decided_at timestamptz NOT NULL,
    PRIMARY KEY (id),
    FOREIGN KEY(campaign_id, customer_id) REFERENCES members (campaign_id, customer_id),
    CONSTRAINT decisions_member_key UNIQUE (campaign_id, customer_id),
    FOREIGN KEY(campaign_id) REFERENCES campaigns (id)
);
CREATE INDEX decisions_campaign_idx ON decisions (campaign_id, id);
CREATE INDEX decisions_contacts_idx ON decisions (customer_id, decided_at) WHERE outcome = 'allowed' AND purpose = 'marketing';
CREATE INDEX decisions_customer_idx ON decisions (customer_id);

CREATE TABLE conversions (
    id uuid DEFAULT uuidv7() NOT NULL,
    campaign_id uuid NOT NULL,
    opening_id uuid NOT NULL,
    customer_id uuid NOT NULL,
    arm text NOT NULL,
    product_code text NOT NULL,
    amount numeric(20, 4),
    currency text NOT NULL,
    unit_id uuid,
    rm_id uuid,
    converted_at timestamptz NOT NULL,
    decision_id uuid NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT conversions_opening_key UNIQUE (campaign_id, opening_id),
    FOREIGN KEY(campaign_id) REFERENCES campaigns (id),
    FOREIGN KEY(decision_id) REFERENCES decisions (id)
);
CREATE INDEX conversions_customer_id_idx ON conversions (customer_id);

CREATE TABLE messages (
    id uuid DEFAULT uuidv7() NOT NULL,
    decision_id uuid NOT NULL,
    campaign_id uuid NOT NULL,
    customer_id uuid NOT NULL,
    channel text NOT NULL,
    state text NOT NULL,
    failure text,
    unit_id uuid,
    rm_id uuid,
    queued_at timestamptz NOT NULL,
    sent_at timestamptz,
    delivered_at timestamptz,
    opened_at timestamptz,
    clicked_at timestamptz,
    failed_at timestamptz,
    PRIMARY KEY (id),
    CONSTRAINT messages_decision_key UNIQUE (decision_id),
    FOREIGN KEY(decision_id) REFERENCES decisions (id),
    FOREIGN KEY(campaign_id) REFERENCES campaigns (id)
);
CREATE INDEX messages_campaign_idx ON messages (campaign_id, id);
CREATE INDEX messages_customer_idx ON messages (customer_id);
CREATE INDEX messages_queued_idx ON messages (campaign_id, id) WHERE state = 'queued';

CREATE TABLE simulated_sends (
    message_id uuid NOT NULL,
    accepted_at timestamptz NOT NULL,
    PRIMARY KEY (message_id),
    FOREIGN KEY(message_id) REFERENCES messages (id)
);

CREATE TABLE simulated_steps (
    message_id uuid NOT NULL,
    state text NOT NULL,
    at timestamptz NOT NULL,
    batch_id uuid NOT NULL,
    PRIMARY KEY (message_id, state),
    FOREIGN KEY(message_id) REFERENCES simulated_sends (message_id)
);
CREATE INDEX simulated_steps_batch_idx ON simulated_steps (batch_id, at);
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    create_chassis_tables(op)
    run_script(op, TABLES)
    enable_scope(op, "campaigns", "unit_id")
    # An approval freezes the whole audience, whoever approves.
    enable_scope(op, "members", "customer_id", by="subject", check_writes=False)
    for table in ("customers", "complaints", "openings", "decisions", "messages", "conversions"):
        enable_scope(op, table, "customer_id", by="subject")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute(
        "DROP TABLE simulated_steps, simulated_sends, messages, conversions, decisions, members, segments, openings, memberships, customers, contact_locks, complaints, campaigns"
    )
    drop_chassis_tables(op)
