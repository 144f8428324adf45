"""What gateway processes tell each other of their callers' demand; how often passwords were tried."""

from __future__ import annotations

from alembic import op

from kehu_chassis.migrations import run_script

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# Unlogged: a second's demand is worth nothing after a crash, and need not pass the write-ahead log.
TABLES = """
CREATE UNLOGGED TABLE rate_demands (
    caller_digest bytea NOT NULL,
    process_id uuid NOT NULL,
    demand int NOT NULL,
    leased_at timestamptz NOT NULL,
    PRIMARY KEY (caller_digest, process_id)
);

CREATE TABLE login_attempts (
    key_digest bytea PRIMARY KEY,
    failures int NOT NULL,
    not_before timestamptz NOT NULL,
    forget_at timestamptz NOT NULL
);
CREATE INDEX ix_login_attempts_forget_at ON login_attempts (forget_at);
COMMENT ON COLUMN login_attempts.key_digest IS 'SHA-256 of an address, or of a user name and an address.';
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    run_script(op, TABLES)


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    run_script(op, "DROP TABLE login_attempts, rate_demands")
