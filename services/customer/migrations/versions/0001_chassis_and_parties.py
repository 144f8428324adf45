"""The chassis's tables; customers with their names, contact points and documents."""

from __future__ import annotations

from alembic import op

from kehu_chassis.migrations import create_chassis_tables, drop_chassis_tables, run_script
from kehu_chassis.scope import enable_scope

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TABLES = """
-- C, ten digits and a check digit by ISO 7064 MOD 11,10; rules.number_check_digit says the same in Python.
CREATE SEQUENCE customer_numbers MAXVALUE 9999999999;

CREATE FUNCTION customer_number_text(serial bigint) RETURNS text LANGUAGE plpgsql IMMUTABLE STRICT AS $$
DECLARE
    digits text := lpad(serial::text, 10, '0');
    product int := 10;
    total int;
BEGIN
    FOR place IN 1..10 LOOP
        total := (product + substr(digits, place, 1)::int) % 10;
        IF total = 0 THEN
            total := 10;
        END IF;
        product := total * 2 % 11;
    END LOOP;
    RETURN 'C' || digits || ((11 - product) % 10)::text;
END
$$;

CREATE FUNCTION next_customer_number() RETURNS text LANGUAGE sql VOLATILE
RETURN customer_number_text(nextval('customer_numbers'::regclass));

CREATE TABLE customers (
    id uuid PRIMARY KEY DEFAULT uuidv7(),
    customer_number text NOT NULL UNIQUE DEFAULT next_customer_number(),
    kind text NOT NULL,
    status text NOT NULL,
    gender text NOT NULL,
    birth_year smallint,
    nationality text,
    industry text,
    occupation text,
    language text NOT NULL,
    unit_id uuid,
    primary_rm_id uuid,
    survivor_id uuid NOT NULL REFERENCES customers,
    customer_since date NOT NULL,
    key_id text NOT NULL,
    wrapped_key bytea NOT NULL,
    name_sealed bytea NOT NULL,
    birth_date_sealed bytea,
    employer_sealed bytea,
    version bigint NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);
CREATE INDEX customers_unit_id_idx ON customers (unit_id, id);
CREATE INDEX customers_primary_rm_id_idx ON customers (primary_rm_id, id);
CREATE INDEX customers_merged_idx ON customers (survivor_id) WHERE survivor_id <> id;

CREATE TABLE party_names (
    id uuid PRIMARY KEY DEFAULT uuidv7(),
    customer_id uuid NOT NULL REFERENCES customers,
    type text NOT NULL,
    name_sealed bytea NOT NULL,
    tokens integer[] NOT NULL,
    index_version smallint NOT NULL,
    created_at timestamptz NOT NULL,
    ended_at timestamptz
);
CREATE INDEX party_names_customer_id_idx ON party_names (customer_id);
CREATE INDEX party_names_tokens_idx ON party_names USING gin (tokens);

CREATE TABLE contact_points (
    id uuid PRIMARY KEY DEFAULT uuidv7(),
    customer_id uuid NOT NULL REFERENCES customers,
    type text NOT NULL,
    value_sealed bytea NOT NULL,
    value_index bytea NOT NULL,
    index_version smallint NOT NULL,
    division_code text,
    is_primary boolean NOT NULL,
    verified_at timestamptz,
    version bigint NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL,
    ended_at timestamptz
);
CREATE INDEX contact_points_customer_id_idx ON contact_points (customer_id);
CREATE INDEX contact_points_value_index_idx ON contact_points (value_index);

CREATE TABLE documents (
    id uuid PRIMARY KEY DEFAULT uuidv7(),
    customer_id uuid NOT NULL REFERENCES customers,
    type text NOT NULL,
    number_sealed bytea NOT NULL,
    number_index bytea NOT NULL,
    index_version smallint NOT NULL,
    issuer text,
    valid_from date,
    valid_until date,
    long_term boolean NOT NULL,
    verified_at timestamptz,
    verified_by text,
    version bigint NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL
);
CREATE UNIQUE INDEX documents_customer_number_key ON documents (customer_id, type, number_index);
CREATE INDEX documents_number_index_idx ON documents (number_index);
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    create_chassis_tables(op)
    run_script(op, TABLES)
    # By the subject and not by the unit: a customer that is merged is reached by whoever reaches its survivor.
    enable_scope(op, "customers", "id", "subject")
    for table in ("party_names", "contact_points", "documents"):
        enable_scope(op, table, "customer_id", "subject")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    run_script(
        op,
        """
        DROP TABLE documents, contact_points, party_names, customers;
        DROP FUNCTION next_customer_number, customer_number_text;
        DROP SEQUENCE customer_numbers;
        """,
    )
    drop_chassis_tables(op)
