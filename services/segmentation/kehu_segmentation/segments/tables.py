"""Segments and the versions of their rules."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, Integer, Table, Uuid

from kehu_chassis.columns import code, document, id_column, instant, string, version
from kehu_segmentation.metadata import metadata

__all__ = ["segment_versions", "segments"]

segments = Table(
    "segments",
    metadata,
    id_column("segment_id"),
    string("code"),
    string("name"),
    string("description"),
    # The rule as it is being edited; what members are judged by stands in `segment_versions`.
    document("draft"),
    # The version that members are judged by; NULL before the first publication.
    Column("rule_version", Integer),
    string("created_by"),
    instant("created_at"),
    instant("updated_at"),
    version(),
    Index("segments_code_key", "code", unique=True),
)

segment_versions = Table(
    "segment_versions",
    metadata,
    Column("segment_id", Uuid, ForeignKey("segments.segment_id"), primary_key=True),
    Column("rule_version", Integer, primary_key=True),
    document("rule"),
    code("state"),
    string("requested_by"),
    instant("requested_at"),
    instant("published_at", nullable=True),
    CheckConstraint("state IN ('publishing', 'in_force', 'superseded')", name="segment_versions_state_check"),
)
Index(
    "segment_versions_publishing_key",
    segment_versions.c.segment_id,
    unique=True,
    postgresql_where=segment_versions.c.state == "publishing",
)
