"""Tables of the organisation. The chassis's scope tables are fed from these in the same transaction."""

from __future__ import annotations

from sqlalchemy import ARRAY, BigInteger, Boolean, Column, ForeignKey, Index, Table, Uuid

from kehu_chassis.columns import Text, id_column, instant, version
from kehu_customer.metadata import metadata

__all__ = ["staff", "units"]

units = Table(
    "units",
    metadata,
    id_column("id"),
    Column("code", Text, nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("parent_id", Uuid, ForeignKey("units.id")),
    Column("division_code", Text),
    Column("active", Boolean, nullable=False),
    # The system that states the unit, and the sequence of its last statement: an older one is ignored.
    Column("source", Text, nullable=False),
    Column("source_sequence", BigInteger, nullable=False),
    version(),
    instant("stated_at"),
    Index("units_parent_id_idx", "parent_id"),
)

staff = Table(
    "staff",
    metadata,
    id_column("id"),
    Column("staff_number", Text, nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("unit_id", Uuid, ForeignKey("units.id"), nullable=False),
    Column("roles", ARRAY(Text), nullable=False),
    Column("active", Boolean, nullable=False),
    Column("source", Text, nullable=False),
    Column("source_sequence", BigInteger, nullable=False),
    version(),
    instant("stated_at"),
    Index("staff_unit_id_idx", "unit_id"),
)
