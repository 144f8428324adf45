"""Facts about customers, projected from events. Nothing here identifies a person.

Facts keep the customer id that they came with; `customers.survivor_id` tells whom they count for now.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Date, Index, Integer, Table, Uuid

from kehu_chassis.columns import Text, code, day, instant, money, reference, string
from kehu_segmentation.metadata import metadata

__all__ = ["PROJECTION_OF_CUSTOMERS", "PROJECTION_OF_HOLDINGS", "account_days", "customers", "holdings", "posted"]

customers = Table(
    "customers",
    metadata,
    Column("customer_id", Uuid, primary_key=True),
    string("customer_number"),
    code("kind"),
    code("status"),
    code("gender"),
    Column("birth_year", Integer),
    reference("unit_id", nullable=True),
    reference("survivor_id"),
    day("customer_since"),
    # The ce_sequence of the state that the row was written from.
    Column("sequence", BigInteger, nullable=False),
    Index("customers_survivor_id_idx", "survivor_id"),
    Index("customers_customer_since_idx", "customer_since"),
)

holdings = Table(
    "holdings",
    metadata,
    Column("customer_id", Uuid, primary_key=True),
    Column("account_id", Uuid, primary_key=True),
    code("holder_role"),
    Column("counts", Boolean, nullable=False),
    code("product_class"),
    string("product_code"),
    # NULL until the account itself is stated: a balance may be read first.
    Column("currency", Text),
    Column("opened_on", Date),
    Column("closed_on", Date),
    Column("sequence", BigInteger, nullable=False),
    Index("holdings_account_id_idx", "account_id"),
    Index("holdings_opened_on_idx", "opened_on"),
)

Index("holdings_closed_on_idx", holdings.c.closed_on, postgresql_where=holdings.c.closed_on.is_not(None))

account_days = Table(
    "account_days",
    metadata,
    Column("customer_id", Uuid, primary_key=True),
    Column("account_id", Uuid, primary_key=True),
    Column("business_date", Date, primary_key=True),
    string("currency"),
    # What the core stated for the end of the day; it holds against the balance after the day's last movement.
    money("stated", nullable=True),
    Column("stated_sequence", BigInteger),
    money("moved", nullable=True),
    Column("moved_position", Integer),
    instant("moved_at", nullable=True),
    Column("moved_sequence", BigInteger),
    # Over the balances after each movement of the day. The stated one stays apart, since it may be restated.
    money("moved_highest", nullable=True),
    money("moved_lowest", nullable=True),
    Index("account_days_business_date_idx", "business_date"),
)

posted = Table(
    "posted",
    metadata,
    Column("customer_id", Uuid, primary_key=True),
    Column("business_date", Date, primary_key=True),
    Column("transaction_id", Uuid, primary_key=True),
    reference("account_id"),
    code("kind"),
    money("amount"),
    string("currency"),
    instant("booked_at"),
    Index("posted_business_date_idx", "business_date"),
)

PROJECTION_OF_CUSTOMERS = ("customers", "scope_subjects")
PROJECTION_OF_HOLDINGS = ("holdings", "account_days", "posted")
