"""Search by name through a function, since row-level security keeps PostgreSQL from using the index of tokens."""

from __future__ import annotations

from alembic import op

from kehu_chassis.migrations import run_script
from kehu_chassis.provision import role_name

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

# A condition whose operator might tell of rows by its errors is checked after the policies, row by row: with the array
# operators a search would read every name. The function runs as the owner, for whom no policy filters, and states the
# caller's scope itself; it tells sealed names alone, and what is shown of them is read again under the policies.
FUNCTION = """
CREATE FUNCTION name_candidates(
    wanted integer[], all_of boolean, most integer,
    kind_wanted text, status_wanted text, manager_wanted uuid, units_wanted uuid[]
) RETURNS TABLE (id uuid, name_sealed bytea, customer_id uuid, survivor_id uuid, key_id text, wrapped_key bytea)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = {schema}, public, pg_temp
SET plan_cache_mode = force_custom_plan
AS $$
DECLARE
    everything boolean := scope_all();
    reached uuid[] := scope_units_in_reach();
BEGIN
    IF all_of THEN
        RETURN QUERY
        SELECT n.id, n.name_sealed, c.id, s.id, c.key_id, c.wrapped_key
        FROM party_names n JOIN customers c ON c.id = n.customer_id JOIN customers s ON s.id = c.survivor_id
        WHERE n.tokens @> wanted AND {conditions}
        LIMIT most;
    ELSE
        RETURN QUERY
        SELECT n.id, n.name_sealed, c.id, s.id, c.key_id, c.wrapped_key
        FROM party_names n JOIN customers c ON c.id = n.customer_id JOIN customers s ON s.id = c.survivor_id
        WHERE n.tokens && wanted AND {conditions}
        LIMIT most;
    END IF;
END
$$;
REVOKE ALL ON FUNCTION name_candidates FROM PUBLIC;
GRANT EXECUTE ON FUNCTION name_candidates TO {api}, {worker};
"""

CONDITIONS = """n.ended_at IS NULL
          AND (everything OR s.unit_id = ANY (reached))
          AND (kind_wanted IS NULL OR s.kind = kind_wanted)
          AND (status_wanted IS NULL OR s.status = status_wanted)
          AND (manager_wanted IS NULL OR s.primary_rm_id = manager_wanted)
          AND (units_wanted IS NULL OR s.unit_id = ANY (units_wanted))"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    schema = op.get_bind().exec_driver_sql("SELECT current_schema()").scalar_one()
    script = FUNCTION.format(
        schema=schema, conditions=CONDITIONS, api=role_name(schema, "api"), worker=role_name(schema, "worker")
    )
    run_script(op, script)


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("DROP FUNCTION name_candidates")
