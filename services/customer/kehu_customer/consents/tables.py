"""Tables of consent: the ledger, which only grows, and what stands by it."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Table, Uuid, text

from kehu_chassis.columns import Text, id_column, instant
from kehu_customer.metadata import metadata

__all__ = ["consent_entries", "standing_consents"]

consent_entries = Table(
    "consent_entries",
    metadata,
    id_column("id"),
    Column("customer_id", Uuid, ForeignKey("customers.id"), nullable=False),
    Column("purpose", Text, nullable=False),
    Column("channel", Text, nullable=False),
    # Empty when the consent covers the whole channel.
    # No foreign key: what was consented to must be provable when the contact point was erased.
    Column("contact_point_id", Uuid),
    Column("status", Text, nullable=False),
    Column("lawful_basis", Text, nullable=False),
    Column("notice_version", Text, nullable=False),
    # Where the proof lies: the number of a signed form, of a recording, of a log line.
    Column("proof", Text, nullable=False),
    Column("actor", Text, nullable=False),
    instant("effective_at"),
    instant("recorded_at"),
    Index("consent_entries_customer_id_idx", "customer_id", "id"),
)

standing_consents = Table(
    "standing_consents",
    metadata,
    Column("customer_id", Uuid, ForeignKey("customers.id"), primary_key=True),
    Column("purpose", Text, primary_key=True),
    Column("channel", Text, primary_key=True),
    # The nil UUID stands for the whole channel: a key column cannot be empty.
    Column("target_id", Uuid, primary_key=True, server_default=text("'00000000-0000-0000-0000-000000000000'")),
    Column("status", Text, nullable=False),
    Column("entry_id", Uuid, ForeignKey("consent_entries.id"), nullable=False),
    instant("effective_at"),
)
