"""The chassis's tables; facts about customers, segments with their members, tiers."""

from __future__ import annotations

from alembic import op

from kehu_chassis.migrations import create_chassis_tables, drop_chassis_tables, run_script
from kehu_chassis.scope import enable_scope

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE customers (
    customer_id uuid PRIMARY KEY,
    customer_number text NOT NULL,
    kind text NOT NULL,
    status text NOT NULL,
    gender text NOT NULL,
    birth_year integer,
    unit_id uuid,
    survivor_id uuid NOT NULL,
    customer_since date NOT NULL,
    sequence bigint NOT NULL
);
CREATE INDEX customers_survivor_id_idx ON customers (survivor_id);
CREATE INDEX customers_customer_since_idx ON customers (customer_since);

CREATE TABLE holdings (
    customer_id uuid,
    account_id uuid,
    holder_role text NOT NULL,
    counts boolean NOT NULL,
    product_class text NOT NULL,
    product_code text NOT NULL,
    currency text,
    opened_on date,
    closed_on date,
    sequence bigint NOT NULL,
    PRIMARY KEY (customer_id, account_id)
);
CREATE INDEX holdings_account_id_idx ON holdings (account_id);
CREATE INDEX holdings_opened_on_idx ON holdings (opened_on);
CREATE INDEX holdings_closed_on_idx ON holdings (closed_on) WHERE closed_on IS NOT NULL;

CREATE TABLE account_days (
    customer_id uuid,
    account_id uuid,
    business_date date,
    currency text NOT NULL,
    stated numeric(20, 4),
    stated_sequence bigint,
    moved numeric(20, 4),
    moved_position integer,
    moved_at timestamptz,
    moved_sequence bigint,
    moved_highest numeric(20, 4),
    moved_lowest numeric(20, 4),
    PRIMARY KEY (customer_id, account_id, business_date)
);
CREATE INDEX account_days_business_date_idx ON account_days (business_date);

CREATE TABLE posted (
    customer_id uuid,
    business_date date,
    transaction_id uuid,
    account_id uuid NOT NULL,
    kind text NOT NULL,
    amount numeric(20, 4) NOT NULL,
    currency text NOT NULL,
    booked_at timestamptz NOT NULL,
    PRIMARY KEY (customer_id, business_date, transaction_id)
);
CREATE INDEX posted_business_date_idx ON posted (business_date);

CREATE TABLE segments (
    segment_id uuid PRIMARY KEY DEFAULT uuidv7(),
    code text NOT NULL,
    name text NOT NULL,
    description text NOT NULL,
    draft jsonb NOT NULL,
    rule_version integer,
    created_by text NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    version bigint NOT NULL DEFAULT 1
);
CREATE UNIQUE INDEX segments_code_key ON segments (code);

CREATE TABLE segment_versions (
    segment_id uuid REFERENCES segments,
    rule_version integer,
    rule jsonb NOT NULL,
    state text NOT NULL,
    requested_by text NOT NULL,
    requested_at timestamptz NOT NULL,
    published_at timestamptz,
    PRIMARY KEY (segment_id, rule_version),
    CONSTRAINT segment_versions_state_check CHECK (state IN ('publishing', 'in_force', 'superseded'))
);
CREATE UNIQUE INDEX segment_versions_publishing_key ON segment_versions (segment_id) WHERE state = 'publishing';

CREATE TABLE memberships (
    membership_id uuid PRIMARY KEY DEFAULT uuidv7(),
    segment_id uuid NOT NULL REFERENCES segments,
    customer_id uuid NOT NULL,
    valid_from timestamptz NOT NULL,
    valid_to timestamptz,
    entered_cause text NOT NULL,
    entered_version integer NOT NULL,
    entered_event_id uuid,
    left_cause text,
    left_version integer,
    left_event_id uuid,
    CONSTRAINT memberships_interval_check CHECK (valid_to >= valid_from),
    CONSTRAINT memberships_entered_cause_check CHECK (entered_cause IN ('event', 'timer', 'publication')),
    CONSTRAINT memberships_left_cause_check CHECK (left_cause IN ('event', 'timer', 'publication')),
    CONSTRAINT memberships_left_check CHECK ((valid_to IS NULL) = (left_cause IS NULL))
);
CREATE INDEX memberships_customer_id_idx ON memberships (customer_id);
CREATE INDEX memberships_segment_id_idx ON memberships (segment_id, customer_id);
CREATE UNIQUE INDEX memberships_standing_key ON memberships (segment_id, customer_id) WHERE valid_to IS NULL;

CREATE TABLE tier_schemes (
    scheme_version integer PRIMARY KEY,
    effective_from date NOT NULL,
    currency text NOT NULL,
    assessed_at time NOT NULL,
    tiers jsonb NOT NULL
);

CREATE TABLE customer_tiers (
    customer_id uuid PRIMARY KEY,
    tier text NOT NULL,
    since timestamptz NOT NULL,
    months_below integer NOT NULL,
    month date NOT NULL,
    average numeric(20, 4) NOT NULL,
    scheme_version integer NOT NULL REFERENCES tier_schemes
);

CREATE TABLE tier_changes (
    change_id uuid PRIMARY KEY DEFAULT uuidv7(),
    customer_id uuid NOT NULL,
    from_tier text,
    to_tier text NOT NULL,
    changed_at timestamptz NOT NULL,
    month date NOT NULL,
    average numeric(20, 4) NOT NULL,
    scheme_version integer NOT NULL REFERENCES tier_schemes
);
CREATE INDEX tier_changes_customer_id_idx ON tier_changes (customer_id, changed_at);

INSERT INTO tier_schemes (scheme_version, effective_from, currency, assessed_at, tiers) VALUES (1, '1900-01-01', 'CNY', '06:00', '[
    {"tier": "ordinary", "from": "0", "months_below": null},
    {"tier": "preferred", "from": "50000", "months_below": 3},
    {"tier": "vip", "from": "500000", "months_below": 3},
    {"tier": "private", "from": "6000000", "months_below": 6}
]');
"""

SCOPED = ("customers", "holdings", "account_days", "posted", "memberships", "customer_tiers", "tier_changes")


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    create_chassis_tables(op)
    run_script(op, TABLES)
    for table in SCOPED:
        enable_scope(op, table, "customer_id", by="subject")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    run_script(
        op,
        """
        DROP TABLE tier_changes, customer_tiers, tier_schemes, memberships, segment_versions, segments, posted,
                   account_days, holdings, customers;
        """,
    )
    drop_chassis_tables(op)
