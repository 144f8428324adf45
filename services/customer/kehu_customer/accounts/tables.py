"""Tables of holdings. Every row names its source, and the sequence or the key by which a repetition is known."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Date, ForeignKey, Index, Integer, Table, Uuid, desc

from kehu_chassis.columns import Text, id_column, instant, money
from kehu_customer.metadata import metadata

__all__ = ["account_holders", "accounts", "holder_roles", "product_openings", "transaction_keys", "transactions"]

# Which roles count towards balances and sums: data of the bank, not code.
holder_roles = Table(
    "holder_roles",
    metadata,
    Column("role", Text, primary_key=True),
    Column("counts", Boolean, nullable=False),
)

accounts = Table(
    "accounts",
    metadata,
    id_column("id"),
    Column("source", Text, nullable=False),
    Column("source_id", Text, nullable=False),
    Column("product_class", Text, nullable=False),
    Column("product_code", Text, nullable=False),
    Column("currency", Text, nullable=False),
    # The account that a card, a loan or a standing order hangs on.
    Column("parent_account_id", Uuid, ForeignKey("accounts.id")),
    Column("unit_code", Text, nullable=False),
    Column("opened_on", Date, nullable=False),
    Column("closed_on", Date),
    money("amount", nullable=True),
    Column("term_months", Integer),
    Column("status_code", Text),
    Column("source_sequence", BigInteger, nullable=False),
    instant("stated_at"),
    # The end-of-day balance that the core stated last.
    money("stated_balance", nullable=True),
    Column("stated_balance_on", Date),
    Column("stated_balance_sequence", BigInteger),
    instant("stated_balance_at", nullable=True),
    # The balance after the last movement that gave one; last by business date, then by position within it.
    money("moved_balance", nullable=True),
    Column("moved_on", Date),
    Column("moved_position", Integer),
    instant("moved_at", nullable=True),
    Column("moved_source_id", Text),
    Index("accounts_source_key", "source", "source_id", unique=True),
    Index("accounts_parent_account_id_idx", "parent_account_id"),
)

account_holders = Table(
    "account_holders",
    metadata,
    Column("account_id", Uuid, ForeignKey("accounts.id"), primary_key=True),
    Column("customer_id", Uuid, ForeignKey("customers.id"), primary_key=True),
    Column("role", Text, ForeignKey("holder_roles.role"), nullable=False),
    Index("account_holders_customer_id_idx", "customer_id"),
)

product_openings = Table(
    "product_openings",
    metadata,
    id_column("id"),
    Column("source", Text, nullable=False),
    Column("source_id", Text, nullable=False),
    Column("customer_id", Uuid, ForeignKey("customers.id"), nullable=False),
    Column("account_id", Uuid, ForeignKey("accounts.id"), nullable=False),
    Column("product_class", Text, nullable=False),
    Column("product_code", Text, nullable=False),
    money("amount", nullable=True),
    Column("currency", Text, nullable=False),
    instant("opened_at"),
    Index("product_openings_source_key", "source", "source_id", unique=True),
    Index("product_openings_customer_id_idx", "customer_id"),
    Index("product_openings_account_id_idx", "account_id"),
)

# What must be unique across the partitions of `transactions`.
transaction_keys = Table(
    "transaction_keys",
    metadata,
    Column("source", Text, primary_key=True),
    Column("source_id", Text, primary_key=True),
    Column("transaction_id", Uuid, nullable=False),
)

# Partitioned by month of `business_date`. There is no foreign key to `accounts`: an account is never deleted, and
# the check would cost a look-up per movement of a row that the same statement has just joined.
transactions = Table(
    "transactions",
    metadata,
    Column("business_date", Date, primary_key=True),
    id_column("id"),
    Column("account_id", Uuid, nullable=False),
    Column("source", Text, nullable=False),
    Column("source_id", Text, nullable=False),
    Column("kind", Text, nullable=False),
    money("amount"),
    Column("currency", Text, nullable=False),
    money("balance_after", nullable=True),
    instant("booked_at"),
    Column("position", Integer, nullable=False),
    Column("purpose_code", Text),
    Column("counterparty_bank", Text),
    Column("source_sequence", BigInteger, nullable=False),
    instant("stated_at"),
    postgresql_partition_by="RANGE (business_date)",
)
Index(
    "transactions_account_idx",
    transactions.c.account_id,
    desc(transactions.c.business_date),
    desc(transactions.c.position),
    desc(transactions.c.id),
)

# In which months an account has movements; a trigger on `transactions` keeps it.
account_months = Table(
    "account_months",
    metadata,
    Column("account_id", Uuid, primary_key=True),
    Column("month", Date, primary_key=True),
)

# How long to keep what stands in partitions; NULL keeps everything. Set by the database's owner alone.
retention_rules = Table(
    "retention_rules",
    metadata,
    Column("what", Text, primary_key=True),
    Column("keep_months", Integer),
)
