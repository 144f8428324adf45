"""Memberships as intervals: a row is closed, never rewritten."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, Integer, Table, Uuid

from kehu_chassis.columns import code, id_column, instant, reference
from kehu_segmentation.metadata import metadata

__all__ = ["memberships"]

memberships = Table(
    "memberships",
    metadata,
    id_column("membership_id"),
    Column("segment_id", Uuid, ForeignKey("segments.segment_id"), nullable=False),
    reference("customer_id"),
    instant("valid_from"),
    instant("valid_to", nullable=True),
    code("entered_cause"),
    Column("entered_version", Integer, nullable=False),
    reference("entered_event_id", nullable=True),
    code("left_cause", nullable=True),
    Column("left_version", Integer),
    reference("left_event_id", nullable=True),
    CheckConstraint("valid_to >= valid_from", name="memberships_interval_check"),
    CheckConstraint("entered_cause IN ('event', 'timer', 'publication')", name="memberships_entered_cause_check"),
    CheckConstraint("left_cause IN ('event', 'timer', 'publication')", name="memberships_left_cause_check"),
    Index("memberships_customer_id_idx", "customer_id"),
    Index("memberships_segment_id_idx", "segment_id", "customer_id"),
)
Index(
    "memberships_standing_key",
    memberships.c.segment_id,
    memberships.c.customer_id,
    unique=True,
    postgresql_where=memberships.c.valid_to.is_(None),
)
