"""Table of ownership: intervals that do not overlap, the last of them open. What stands today is also on `customers`."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, Table, Uuid, func, text
from sqlalchemy.dialects.postgresql import ExcludeConstraint

from kehu_chassis.columns import Text, id_column, instant
from kehu_customer.metadata import metadata

__all__ = ["ownerships"]

ownerships = Table(
    "ownerships",
    metadata,
    id_column("id"),
    Column("customer_id", Uuid, ForeignKey("customers.id"), nullable=False),
    Column("unit_id", Uuid, ForeignKey("units.id"), nullable=False),
    # Empty while the customer belongs to the branch pool.
    Column("primary_rm_id", Uuid, ForeignKey("staff.id")),
    instant("valid_from"),
    instant("valid_until", nullable=True),
    Column("reason", Text, nullable=False),
    Column("actor", Text, nullable=False),
    instant("recorded_at"),
    CheckConstraint("valid_until IS NULL OR valid_until > valid_from", name="ownerships_interval_check"),
    Index("ownerships_open_key", "customer_id", unique=True, postgresql_where=text("valid_until IS NULL")),
)

# Two owners at one moment cannot be written, whoever writes.
ownerships.append_constraint(
    ExcludeConstraint(
        (ownerships.c.customer_id, "="),
        (func.tstzrange(ownerships.c.valid_from, ownerships.c.valid_until), "&&"),
        name="ownerships_no_overlap",
        using="gist",
    )
)
