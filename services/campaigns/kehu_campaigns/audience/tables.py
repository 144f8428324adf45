"""Tables of audiences: segments as the segmentation service tells them, and members as they were frozen."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, Table, false, text

from kehu_campaigns.metadata import metadata
from kehu_chassis.columns import instant, reference, string

__all__ = ["members", "memberships", "segments"]

segments = Table(
    "segments",
    metadata,
    reference("segment_id", primary_key=True),
    string("code"),
    Column("rule_version", Integer, nullable=False),
    instant("published_at"),
)

memberships = Table(
    "memberships",
    metadata,
    reference("segment_id", primary_key=True),
    reference("customer_id", primary_key=True),
    Index("memberships_customer_id_idx", "customer_id"),
)

# The frozen audience 目标客群. A row never goes; `decided` follows the decision in the same transaction.
members = Table(
    "members",
    metadata,
    reference("campaign_id", ForeignKey("campaigns.id"), primary_key=True),
    reference("customer_id", primary_key=True),
    instant("frozen_at"),
    # Set while quiet hours hold the decision back.
    instant("deferred_until", nullable=True),
    Column("decided", Boolean, nullable=False, server_default=false()),
    Index("members_customer_id_idx", "customer_id"),
    # In the order in which they are taken, so that a slice costs the same however large the audience is.
    Index(
        "members_undecided_idx",
        "campaign_id",
        text("deferred_until NULLS FIRST"),
        "customer_id",
        postgresql_where=text("NOT decided"),
    ),
)
