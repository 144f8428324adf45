"""Tables of the cross-reference from the keys of source systems to Kehu's ids."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Table, Uuid

from kehu_chassis.columns import Text, instant
from kehu_customer.metadata import metadata

__all__ = ["source_keys", "source_records"]

# One row per key of a source system. A key that somebody waits for and that has not arrived has no subject: who waits
# and who brings it both lock the row, so that neither can miss the other.
source_keys = Table(
    "source_keys",
    metadata,
    # party, account, unit or staff; the codes of units and staff are the bank's own and have an empty source.
    Column("kind", Text, primary_key=True),
    Column("source", Text, primary_key=True),
    Column("source_id", Text, primary_key=True),
    Column("subject_id", Uuid),
    Index("source_keys_subject_id_idx", "subject_id"),
)

# What a source last said of a party, as it came: the identity stays the JWE string that the source sent.
source_records = Table(
    "source_records",
    metadata,
    Column("source", Text, primary_key=True),
    Column("source_id", Text, primary_key=True),
    Column("customer_id", Uuid, ForeignKey("customers.id"), nullable=False),
    Column("body", Text, nullable=False),
    # The owner that the source states, to tell a new one from a repetition.
    Column("unit_code", Text, nullable=False),
    Column("rm_staff_number", Text),
    Column("source_sequence", BigInteger, nullable=False),
    instant("stated_at"),
    instant("received_at"),
    Index("source_records_customer_id_idx", "customer_id"),
)
