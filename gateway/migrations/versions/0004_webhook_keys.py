"""Secrets of webhooks under a key of their own.

`secret` and `previous_secret`, sealed under the session key, are still written beside: the version before reads them. What
it writes takes effect here too, for the new columns are emptied then and the old ones read.
"""

from __future__ import annotations

from alembic import op

from kehu_chassis.migrations import run_script

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

COLUMNS = """
ALTER TABLE webhooks
    ADD COLUMN key_id text,
    ADD COLUMN wrapped_key bytea,
    ADD COLUMN own_secret bytea,
    ADD COLUMN own_previous_secret bytea;
COMMENT ON COLUMN webhooks.wrapped_key IS 'The data key of own_secret and own_previous_secret, wrapped by key_id.';
"""

FOLLOW = """
CREATE FUNCTION webhooks_follow_the_version_before() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.key_id := NULL;
    NEW.wrapped_key := NULL;
    NEW.own_secret := NULL;
    NEW.own_previous_secret := NULL;
    RETURN NEW;
END
$$
"""

WHEN = """
CREATE TRIGGER webhooks_follow_the_version_before BEFORE UPDATE OF secret ON webhooks FOR EACH ROW
    WHEN (NEW.secret IS DISTINCT FROM OLD.secret AND NEW.own_secret IS NOT DISTINCT FROM OLD.own_secret)
    EXECUTE FUNCTION webhooks_follow_the_version_before()
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    run_script(op, COLUMNS)
    op.execute(FOLLOW)
    op.execute(WHEN)


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    run_script(
        op,
        """
        DROP TRIGGER webhooks_follow_the_version_before ON webhooks;
        DROP FUNCTION webhooks_follow_the_version_before();
        ALTER TABLE webhooks
            DROP COLUMN key_id, DROP COLUMN wrapped_key, DROP COLUMN own_secret, DROP COLUMN own_previous_secret
        """,
    )
