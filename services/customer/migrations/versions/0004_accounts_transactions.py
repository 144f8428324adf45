"""Accounts, their holders, product openings, and transactions partitioned by month.

Revision ID: 0004
Revises: 0003
"""

from __future__ import annotations

from alembic import op

from kehu_chassis.migrations import run_script
from kehu_chassis.provision import role_name
from kehu_chassis.scope import enable_scope

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    run_script(
        op,
        """
        CREATE TABLE holder_roles (role text PRIMARY KEY, counts boolean NOT NULL);
        INSERT INTO holder_roles (role, counts)
        VALUES ('owner', true), ('joint_owner', false), ('disponent', false), ('guarantor', false);

        CREATE TABLE accounts (
            id uuid PRIMARY KEY DEFAULT uuidv7(),
            source text NOT NULL,
            source_id text NOT NULL,
            product_class text NOT NULL,
            product_code text NOT NULL,
            currency text NOT NULL,
            parent_account_id uuid REFERENCES accounts,
            unit_code text NOT NULL,
            opened_on date NOT NULL,
            closed_on date,
            amount numeric(20, 4),
            term_months integer,
            status_code text,
            source_sequence bigint NOT NULL,
            stated_at timestamptz NOT NULL,
            stated_balance numeric(20, 4),
            stated_balance_on date,
            stated_balance_sequence bigint,
            stated_balance_at timestamptz,
            moved_balance numeric(20, 4),
            moved_on date,
            moved_position integer,
            moved_at timestamptz,
            moved_source_id text
        ) WITH (fillfactor = 80);
        CREATE UNIQUE INDEX accounts_source_key ON accounts (source, source_id);
        CREATE INDEX accounts_parent_account_id_idx ON accounts (parent_account_id);

        CREATE TABLE account_holders (
            account_id uuid NOT NULL REFERENCES accounts,
            customer_id uuid NOT NULL REFERENCES customers,
            role text NOT NULL REFERENCES holder_roles,
            PRIMARY KEY (account_id, customer_id)
        );
        CREATE INDEX account_holders_customer_id_idx ON account_holders (customer_id);

        CREATE TABLE product_openings (
            id uuid PRIMARY KEY DEFAULT uuidv7(),
            source text NOT NULL,
            source_id text NOT NULL,
            customer_id uuid NOT NULL REFERENCES customers,
            account_id uuid NOT NULL REFERENCES accounts,
            product_class text NOT NULL,
            product_code text NOT NULL,
            amount numeric(20, 4),
            currency text NOT NULL,
            opened_at timestamptz NOT NULL
        );
        CREATE UNIQUE INDEX product_openings_source_key ON product_openings (source, source_id);
        CREATE INDEX product_openings_customer_id_idx ON product_openings (customer_id);
        CREATE INDEX product_openings_account_id_idx ON product_openings (account_id);

        CREATE TABLE transaction_keys (
            source text NOT NULL,
            source_id text NOT NULL,
            transaction_id uuid NOT NULL,
            PRIMARY KEY (source, source_id)
        );

        CREATE TABLE transactions (
            business_date date NOT NULL,
            id uuid NOT NULL DEFAULT uuidv7(),
            account_id uuid NOT NULL,
            source text NOT NULL,
            source_id text NOT NULL,
            kind text NOT NULL,
            amount numeric(20, 4) NOT NULL,
            currency text NOT NULL,
            balance_after numeric(20, 4),
            booked_at timestamptz NOT NULL,
            position integer NOT NULL,
            purpose_code text,
            counterparty_bank text,
            source_sequence bigint NOT NULL,
            stated_at timestamptz NOT NULL,
            PRIMARY KEY (business_date, id)
        ) PARTITION BY RANGE (business_date);
        CREATE INDEX transactions_account_idx
            ON transactions (account_id, business_date DESC, position DESC, id DESC);
        """,
    )
    enable_scope(op, "account_holders", "customer_id", by="subject")
    enable_scope(op, "product_openings", "customer_id", by="subject")
    _enable_scope_by_holder("accounts", "id")
    _enable_scope_by_holder("transactions", "account_id")
    _create_partition_function()


def _enable_scope_by_holder(table: str, column: str) -> None:
    # The look-up of holders is itself under row-level security: a holder out of reach is not seen here either.
    schema = _schema()
    held = f"EXISTS (SELECT FROM account_holders AS holder WHERE holder.account_id = {table}.{column})"
    op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY scope ON {table} TO {role_name(schema, 'api')} USING ((SELECT scope_all()) OR {held})")
    for role in ("worker", "owner"):
        op.execute(f"CREATE POLICY {role} ON {table} TO {role_name(schema, role)} USING (true) WITH CHECK (true)")


def _create_partition_function() -> None:
    schema = _schema()
    api, worker = role_name(schema, "api"), role_name(schema, "worker")
    # Attaching takes a lock that neither reads nor writes wait for; creating a partition in place would stop both. The
    # rights on a partition are taken back: rows are reached through the parent, whose policies hold.
    run_script(
        op,
        f"""
        CREATE FUNCTION ensure_transaction_months(months date[]) RETURNS void
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = {schema}, pg_temp AS $$
        DECLARE
            month date;
            name text;
        BEGIN
            FOREACH month IN ARRAY months LOOP
                name := 'transactions_' || to_char(month, 'YYYY_MM');
                CONTINUE WHEN to_regclass(name) IS NOT NULL;
                PERFORM pg_advisory_xact_lock(hashtextextended('{schema}/' || name, 0));
                CONTINUE WHEN to_regclass(name) IS NOT NULL;
                EXECUTE format('CREATE TABLE %I (LIKE transactions INCLUDING DEFAULTS)', name);
                EXECUTE format('REVOKE ALL ON %I FROM {api}, {worker}', name);
                EXECUTE format('ALTER TABLE transactions ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
                               name, date_trunc('month', month)::date,
                               (date_trunc('month', month) + interval '1 month')::date);
            END LOOP;
        END $$;
        REVOKE ALL ON FUNCTION ensure_transaction_months FROM PUBLIC;
        GRANT EXECUTE ON FUNCTION ensure_transaction_months TO {worker};
        """,
    )


def _schema() -> str:
    return str(op.get_bind().exec_driver_sql("SELECT current_schema()").scalar_one())


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("DROP FUNCTION ensure_transaction_months")
    op.execute("DROP TABLE transactions, transaction_keys, product_openings, account_holders, accounts, holder_roles")
