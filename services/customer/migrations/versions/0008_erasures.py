"""The list of erasures; consents outlive the contact points that they were given for."""

from __future__ import annotations

from alembic import op

from kehu_chassis.migrations import run_script
from kehu_chassis.provision import role_name

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    schema = op.get_bind().exec_driver_sql("SELECT current_schema()").scalar_one()
    writers = f"{role_name(schema, 'api')}, {role_name(schema, 'worker')}"
    run_script(
        op,
        f"""
        CREATE TABLE erasures (
            customer_id uuid PRIMARY KEY REFERENCES customers,
            erased_by text NOT NULL,
            erased_at timestamptz NOT NULL
        );
        REVOKE UPDATE, DELETE, TRUNCATE ON erasures FROM {writers};
        ALTER TABLE consent_entries DROP CONSTRAINT consent_entries_contact_point_id_fkey;
        """,
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    # Consents for contact points that were erased meanwhile stay: what is new is held to the rule again.
    run_script(
        op,
        """
        ALTER TABLE consent_entries ADD CONSTRAINT consent_entries_contact_point_id_fkey
            FOREIGN KEY (contact_point_id) REFERENCES contact_points NOT VALID;
        DROP TABLE erasures;
        """,
    )
