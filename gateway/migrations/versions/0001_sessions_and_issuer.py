"""The chassis's tables; console sessions; what the built-in issuer has handed out."""

from __future__ import annotations

from alembic import op

from kehu_chassis.migrations import create_chassis_tables, drop_chassis_tables, run_script

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE sessions (
    session_digest bytea PRIMARY KEY,
    subject text NOT NULL,
    name text NOT NULL,
    tokens bytea NOT NULL,
    token_expires_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL,
    last_seen_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL
);
CREATE INDEX ix_sessions_expires_at ON sessions (expires_at);
COMMENT ON COLUMN sessions.session_digest IS 'SHA-256 of the id in the cookie; the id itself is stored nowhere.';
COMMENT ON COLUMN sessions.tokens IS 'Sealed under the session key together with the id.';

CREATE TABLE authorization_codes (
    code_digest bytea PRIMARY KEY,
    client_id text NOT NULL,
    redirect_uri text NOT NULL,
    subject text NOT NULL,
    code_challenge text NOT NULL,
    nonce text,
    expires_at timestamptz NOT NULL
);
CREATE INDEX ix_authorization_codes_expires_at ON authorization_codes (expires_at);

CREATE TABLE refresh_tokens (
    token_digest bytea PRIMARY KEY,
    client_id text NOT NULL,
    subject text NOT NULL,
    expires_at timestamptz NOT NULL
);
CREATE INDEX ix_refresh_tokens_expires_at ON refresh_tokens (expires_at);
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    create_chassis_tables(op)
    run_script(op, TABLES)


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    run_script(op, "DROP TABLE refresh_tokens, authorization_codes, sessions")
    drop_chassis_tables(op)
