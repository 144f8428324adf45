"""The tier scheme as data, where each customer stands in it, and every change."""

from __future__ import annotations

from sqlalchemy import Column, Date, Index, Integer, Table, Time, Uuid

from kehu_chassis.columns import code, document, id_column, instant, money, reference, string
from kehu_segmentation.metadata import metadata

__all__ = ["customer_tiers", "tier_changes", "tier_schemes"]

tier_schemes = Table(
    "tier_schemes",
    metadata,
    Column("scheme_version", Integer, primary_key=True),
    Column("effective_from", Date, nullable=False),
    string("currency"),
    # In Asia/Shanghai: by then the balances of the day before have arrived.
    Column("assessed_at", Time, nullable=False),
    # A list from the lowest tier to the highest: tier, from (monthly average), months_below before it is lost.
    document("tiers"),
)

customer_tiers = Table(
    "customer_tiers",
    metadata,
    Column("customer_id", Uuid, primary_key=True),
    code("tier"),
    instant("since"),
    # Consecutive months with an average below the tier; above 0 the customer is on watch.
    Column("months_below", Integer, nullable=False),
    # The month last assessed, and what it gave.
    Column("month", Date, nullable=False),
    money("average"),
    Column("scheme_version", Integer, nullable=False),
)

tier_changes = Table(
    "tier_changes",
    metadata,
    id_column("change_id"),
    reference("customer_id"),
    code("from_tier", nullable=True),
    code("to_tier"),
    instant("changed_at"),
    Column("month", Date, nullable=False),
    money("average"),
    Column("scheme_version", Integer, nullable=False),
    Index("tier_changes_customer_id_idx", "customer_id", "changed_at"),
)
