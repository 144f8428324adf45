"""The service holds the keys that wrap, and asks no more for those that index or open messages.

It used to be given the whole key file and remembered every key in it. A key that is asked for no more keeps its row, so
that a process of the version before, which still has the whole file, does not remember it anew.
"""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("UPDATE encryption_keys SET check_value = '' WHERE key_id NOT LIKE 'kek-%'")


def downgrade() -> None:
    # Nothing is put back: the version before does not ask for what it does not remember.
    op.execute("SET LOCAL lock_timeout = '5s'")
