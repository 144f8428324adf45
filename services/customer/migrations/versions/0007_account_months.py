"""In which months each account has movements, so that a page of them opens those partitions alone; and their retention."""

from __future__ import annotations

from alembic import op

from kehu_chassis.migrations import run_script
from kehu_chassis.provision import role_name

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    schema = str(op.get_bind().exec_driver_sql("SELECT current_schema()").scalar_one())
    api, worker, owner = (role_name(schema, role) for role in ("api", "worker", "owner"))
    # A trigger writes the months, not the service: its version before this one posts movements too while both run.
    # Rows are inserted in one order, so that two batches cannot wait for one another.
    run_script(
        op,
        f"""
        CREATE TABLE account_months (
            account_id uuid NOT NULL,
            month date NOT NULL,
            PRIMARY KEY (account_id, month)
        );
        ALTER TABLE account_months ENABLE ROW LEVEL SECURITY;
        ALTER TABLE account_months FORCE ROW LEVEL SECURITY;
        CREATE POLICY scope ON account_months TO {api} USING ((SELECT scope_all()) OR EXISTS (
            SELECT FROM account_holders AS holder WHERE holder.account_id = account_months.account_id));
        CREATE POLICY worker ON account_months TO {worker} USING (true) WITH CHECK (true);
        CREATE POLICY owner ON account_months TO {owner} USING (true) WITH CHECK (true);

        CREATE FUNCTION note_account_months() RETURNS trigger
        LANGUAGE plpgsql SET search_path = {schema}, pg_temp AS $$
        BEGIN
            INSERT INTO account_months (account_id, month)
            SELECT DISTINCT account_id, date_trunc('month', business_date)::date FROM added ORDER BY 1, 2
            ON CONFLICT DO NOTHING;
            RETURN NULL;
        END $$;
        CREATE TRIGGER note_account_months AFTER INSERT ON transactions
            REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION note_account_months();
        INSERT INTO account_months (account_id, month)
        SELECT DISTINCT account_id, date_trunc('month', business_date)::date FROM transactions;
        """,  # noqa: S608  names of roles and of the schema
    )
    _create_retention(schema, api, worker)


def _create_retention(schema: str, api: str, worker: str) -> None:
    # How long to keep is the bank's to say, and no service's to change. A row without a number keeps everything.
    # Dropping a partition needs the parent for a moment, and must not make everybody queue behind it.
    run_script(
        op,
        f"""
        CREATE TABLE retention_rules (
            what text PRIMARY KEY,
            keep_months integer CHECK (keep_months BETWEEN 1 AND 1200)
        );
        INSERT INTO retention_rules VALUES ('transactions', NULL);
        REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON retention_rules FROM {api}, {worker};

        CREATE FUNCTION drop_oldest_transaction_month(before date) RETURNS text
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = {schema}, pg_temp SET lock_timeout = '2s' AS $$
        DECLARE
            keep integer := (SELECT keep_months FROM retention_rules WHERE what = 'transactions');
            first_kept date := date_trunc('month', before) - make_interval(months => keep);
            found text;
        BEGIN
            SELECT relname INTO found FROM pg_class JOIN pg_inherits ON inhrelid = pg_class.oid
            WHERE inhparent = 'transactions'::regclass AND to_date(right(relname, 7), 'YYYY_MM') < first_kept
            ORDER BY relname LIMIT 1;
            IF found IS NOT NULL THEN
                EXECUTE format('ALTER TABLE transactions DETACH PARTITION %I', found);
                EXECUTE format('DROP TABLE %I', found);
                DELETE FROM account_months WHERE month = to_date(right(found, 7), 'YYYY_MM');
            END IF;
            RETURN found;
        END $$;
        REVOKE ALL ON FUNCTION drop_oldest_transaction_month FROM PUBLIC;
        GRANT EXECUTE ON FUNCTION drop_oldest_transaction_month TO {worker};
        """,  # noqa: S608  the same
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    run_script(
        op,
        """
        DROP FUNCTION drop_oldest_transaction_month;
        DROP TABLE retention_rules;
        DROP TRIGGER note_account_months ON transactions;
        DROP FUNCTION note_account_months;
        DROP TABLE account_months;
        """,
    )
