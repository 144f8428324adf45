"""Table of identity documents; numbers are sealed under the party's key and found by blind index."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Date, ForeignKey, Index, LargeBinary, SmallInteger, Table, Uuid

from kehu_chassis.columns import Text, id_column, instant, version
from kehu_customer.metadata import metadata

__all__ = ["documents"]

documents = Table(
    "documents",
    metadata,
    id_column("id"),
    Column("customer_id", Uuid, ForeignKey("customers.id"), nullable=False),
    Column("type", Text, nullable=False),
    Column("number_sealed", LargeBinary, nullable=False),
    Column("number_index", LargeBinary, nullable=False),
    Column("index_version", SmallInteger, nullable=False),
    Column("issuer", Text),
    Column("valid_from", Date),
    Column("valid_until", Date),
    # 长期: the document does not expire.
    Column("long_term", Boolean, nullable=False),
    instant("verified_at", nullable=True),
    Column("verified_by", Text),
    version(),
    instant("created_at"),
    Index("documents_customer_number_key", "customer_id", "type", "number_index", unique=True),
    Index("documents_number_index_idx", "number_index"),
)
