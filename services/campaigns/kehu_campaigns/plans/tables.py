"""Tables of campaigns as they are planned."""

from __future__ import annotations

from sqlalchemy import ARRAY, CheckConstraint, Column, Index, Integer, Table, Uuid

from kehu_campaigns.metadata import metadata
from kehu_chassis.columns import code, document, id_column, instant, money, reference, string, texts, version

__all__ = ["campaigns"]


campaigns = Table(
    "campaigns",
    metadata,
    id_column("id"),
    # Given by the maker, printed on reports, never reused.
    string("code", unique=True),
    string("name"),
    string("objective"),
    code("state"),
    reference("unit_id"),
    code("purpose"),
    code("channel"),
    string("product_code"),
    string("message"),
    Column("segments_any", ARRAY(Uuid), nullable=False),
    Column("segments_all", ARRAY(Uuid), nullable=False),
    Column("segments_none", ARRAY(Uuid), nullable=False),
    # Only customers of this unit and the units below it.
    reference("customers_of_unit_id", nullable=True),
    Column("holdout_basis_points", Integer, nullable=False),
    # What the holdout is drawn with. It never changes, so neither does a customer's side.
    string("salt"),
    instant("starts_at"),
    instant("ends_at"),
    Column("conversion_window_days", Integer, nullable=False),
    Column("target_conversions", Integer),
    money("target_amount", nullable=True),
    # Everybody who created, edited or submitted it: none of them may approve it.
    texts("makers"),
    string("reviewer", nullable=True),
    string("review_note", nullable=True),
    # Segment id -> rule version in force when the audience was frozen.
    document("rule_versions", nullable=True),
    Column("audience_size", Integer),
    instant("created_at"),
    instant("submitted_at", nullable=True),
    instant("reviewed_at", nullable=True),
    instant("finished_at", nullable=True),
    version(),
    CheckConstraint("holdout_basis_points BETWEEN 0 AND 10000", name="campaigns_holdout_check"),
    CheckConstraint("ends_at > starts_at", name="campaigns_period_check"),
    Index("campaigns_created_at_idx", "created_at", "id"),
)
