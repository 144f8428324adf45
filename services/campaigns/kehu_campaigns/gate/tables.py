"""Tables of the gate: what it must know about customers, and what it decided."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    Table,
    UniqueConstraint,
    text,
)

from kehu_campaigns.metadata import metadata
from kehu_chassis.columns import code, id_column, instant, reference, string, texts

__all__ = ["complaints", "contact_locks", "customers", "decisions"]

# Customers as the customer service tells them: nothing in it identifies a person.
customers = Table(
    "customers",
    metadata,
    reference("customer_id", primary_key=True),
    string("customer_number"),
    code("kind"),
    code("status"),
    Column("birth_year", Integer),
    # Consents in force as `purpose:channel`. The answer at send time is the authoritative one.
    texts("granted"),
    texts("withdrawn"),
    Column("sequence", BigInteger, nullable=False),
)

complaints = Table(
    "complaints",
    metadata,
    reference("complaint_id", primary_key=True),
    reference("customer_id"),
    Column("open", Boolean, nullable=False),
    instant("changed_at"),
    Column("sequence", BigInteger, nullable=False),
    Index("complaints_customer_id_idx", "customer_id"),
)

# One row per party that was ever decided about. Holding its lock makes counting and reserving one step.
contact_locks = Table(
    "contact_locks",
    metadata,
    reference("customer_id", primary_key=True),
)

decisions = Table(
    "decisions",
    metadata,
    id_column("id"),
    reference("campaign_id", ForeignKey("campaigns.id")),
    reference("customer_id"),
    # Whom the customer was merged into when it was decided.
    reference("survivor_id"),
    code("purpose"),
    code("channel"),
    code("outcome"),
    code("reason"),
    instant("decided_at"),
    ForeignKeyConstraint(["campaign_id", "customer_id"], ["members.campaign_id", "members.customer_id"]),
    UniqueConstraint("campaign_id", "customer_id", name="decisions_member_key"),
    Index("decisions_campaign_idx", "campaign_id", "id"),
    Index(
        "decisions_contacts_idx",
        "customer_id",
        "decided_at",
        postgresql_where=text("outcome = 'allowed' AND purpose = 'marketing'"),
    ),
    Index("decisions_customer_idx", "customer_id"),
)
