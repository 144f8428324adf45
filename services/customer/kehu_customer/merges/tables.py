"""Table of merge links. A link is never deleted; undoing it is written beside it."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Table, Uuid, text

from kehu_chassis.columns import Text, id_column, instant, version
from kehu_customer.metadata import metadata

__all__ = ["merges"]

merges = Table(
    "merges",
    metadata,
    id_column("id"),
    Column("customer_id", Uuid, ForeignKey("customers.id"), nullable=False),
    Column("survivor_id", Uuid, ForeignKey("customers.id"), nullable=False),
    Column("reason", Text, nullable=False),
    Column("merged_by", Text, nullable=False),
    instant("merged_at"),
    Column("undo_reason", Text),
    Column("undone_by", Text),
    instant("undone_at", nullable=True),
    version(),
    # A customer is merged into one other at a time.
    Index("merges_standing_key", "customer_id", unique=True, postgresql_where=text("undone_at IS NULL")),
    Index("merges_survivor_id_idx", "survivor_id"),
)
