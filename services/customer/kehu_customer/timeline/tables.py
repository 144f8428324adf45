"""Tables of the timeline: the projection that is read, and the manual interactions, whose notes are sealed."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, LargeBinary, Table, Uuid
from sqlalchemy.dialects.postgresql import JSONB

from kehu_chassis.columns import Text, id_column, instant
from kehu_customer.metadata import metadata

__all__ = ["interactions", "timeline_entries"]

# Partitioned by year of `occurred_at`. The id of an entry follows from the fact that it tells, so that the same
# fact twice is one entry.
timeline_entries = Table(
    "timeline_entries",
    metadata,
    Column("customer_id", Uuid, primary_key=True),
    instant("occurred_at", primary_key=True),
    Column("entry_id", Uuid, primary_key=True),
    Column("type", Text, nullable=False),
    Column("channel", Text),
    # What the entry is about: the complaint, the campaign, the account.
    Column("reference_id", Uuid),
    Column("attributes", JSONB, nullable=False),
    postgresql_partition_by="RANGE (occurred_at)",
)
interactions = Table(
    "interactions",
    metadata,
    id_column("id"),
    Column("customer_id", Uuid, ForeignKey("customers.id"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("direction", Text, nullable=False),
    # What was said may name people: sealed under the customer's own key.
    Column("note_sealed", LargeBinary),
    Column("staff_id", Uuid),
    Column("actor", Text, nullable=False),
    instant("occurred_at"),
    instant("recorded_at"),
    Index("interactions_customer_id_idx", "customer_id"),
)
