"""Tables of clocks: the ledger, which only grows, and what the engine makes of it."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, Table, Uuid, text

from kehu_chassis.columns import code, day, instant, reference, string
from kehu_complaints.metadata import metadata

__all__ = ["clock_entries", "complaint_clocks"]

clock_entries = Table(
    "clock_entries",
    metadata,
    Column("complaint_id", Uuid, ForeignKey("complaints.complaint_id"), primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    code("kind"),
    instant("at"),
    # Which extension, or on which basis a pause.
    code("code", nullable=True),
    instant("recorded_at"),
    string("actor"),
    reference("staff_id", nullable=True),
)

complaint_clocks = Table(
    "complaint_clocks",
    metadata,
    Column("complaint_id", Uuid, ForeignKey("complaints.complaint_id"), primary_key=True),
    Column("clock", clock_entries.c.kind.type, primary_key=True),
    # The version of the rules at receipt: an open case stays on it.
    code("pack_id"),
    Column("pack_version", Integer, nullable=False),
    code("calendar_id"),
    Column("calendar_version", Integer, nullable=False),
    code("rule_id"),
    code("status"),
    instant("due_at"),
    day("due_on", nullable=True),
    Column("provisional", Boolean, nullable=False),
    instant("stopped_at", nullable=True),
    Column("overdue", Boolean, nullable=False),
    Index("complaint_clocks_provisional_idx", "complaint_id", postgresql_where=text("provisional")),
)
