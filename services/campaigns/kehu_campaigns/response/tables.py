"""Tables of response: products that customers opened, and which of them a campaign may count."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Table, UniqueConstraint

from kehu_campaigns.metadata import metadata
from kehu_chassis.columns import code, id_column, instant, money, reference, string

__all__ = ["conversions", "openings"]

openings = Table(
    "openings",
    metadata,
    reference("opening_id", primary_key=True),
    reference("customer_id"),
    string("product_code"),
    money("amount", nullable=True),
    string("currency"),
    instant("opened_at"),
    Index("openings_customer_id_idx", "customer_id", "opened_at"),
)

conversions = Table(
    "conversions",
    metadata,
    id_column("id"),
    reference("campaign_id", ForeignKey("campaigns.id")),
    reference("opening_id"),
    # The member of the audience, which may have been merged with the customer who opened the product.
    reference("customer_id"),
    # `contacted` or `holdout`: the control group is counted apart.
    code("arm"),
    string("product_code"),
    money("amount", nullable=True),
    string("currency"),
    reference("unit_id", nullable=True),
    reference("rm_id", nullable=True),
    instant("converted_at"),
    Column("decision_id", ForeignKey("decisions.id"), nullable=False),
    UniqueConstraint("campaign_id", "opening_id", name="conversions_opening_key"),
    Index("conversions_customer_id_idx", "customer_id"),
)
