"""The table of extensions that were asked for."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, LargeBinary, Table, Uuid, text

from kehu_chassis.columns import code, id_column, instant, reference, string
from kehu_complaints.metadata import metadata

__all__ = ["extensions"]

extensions = Table(
    "extensions",
    metadata,
    id_column("extension_id"),
    Column("complaint_id", Uuid, ForeignKey("complaints.complaint_id"), nullable=False),
    code("code"),
    code("state"),
    # Under the case's key.
    Column("reason", LargeBinary, nullable=False),
    instant("requested_at"),
    string("requested_by"),
    reference("requested_staff_id", nullable=True),
    instant("decided_at", nullable=True),
    string("decided_by", nullable=True),
    reference("decided_staff_id", nullable=True),
    instant("notified_at", nullable=True),
    code("notice_channel", nullable=True),
    Index("extensions_complaint_idx", "complaint_id", "requested_at"),
    # One at a time of each kind.
    Index(
        "extensions_pending_idx",
        "complaint_id",
        "code",
        unique=True,
        postgresql_where=text("state IN ('requested', 'approved')"),
    ),
)
