"""Tables of messages on their way. Neither the address nor the text with the customer's name is kept here."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Table, UniqueConstraint, text

from kehu_campaigns.metadata import metadata
from kehu_chassis.columns import code, id_column, instant, reference, string

__all__ = ["messages", "simulated_sends", "simulated_steps"]

messages = Table(
    "messages",
    metadata,
    id_column("id"),
    reference("decision_id", ForeignKey("decisions.id")),
    reference("campaign_id", ForeignKey("campaigns.id")),
    reference("customer_id"),
    code("channel"),
    code("state"),
    string("failure", nullable=True),
    # Who was responsible for the customer when the message arrived: success is credited to them.
    reference("unit_id", nullable=True),
    reference("rm_id", nullable=True),
    instant("queued_at"),
    instant("sent_at", nullable=True),
    instant("delivered_at", nullable=True),
    instant("opened_at", nullable=True),
    instant("clicked_at", nullable=True),
    instant("failed_at", nullable=True),
    UniqueConstraint("decision_id", name="messages_decision_key"),
    Index("messages_campaign_idx", "campaign_id", "id"),
    Index("messages_customer_idx", "customer_id"),
    Index("messages_queued_idx", "campaign_id", "id", postgresql_where=text("state = 'queued'")),
)

# What a provider would keep at its side: which messages it took, and what it is going to report.
simulated_sends = Table(
    "simulated_sends",
    metadata,
    Column("message_id", ForeignKey("messages.id"), primary_key=True),
    instant("accepted_at"),
)

simulated_steps = Table(
    "simulated_steps",
    metadata,
    Column("message_id", ForeignKey("simulated_sends.message_id"), primary_key=True),
    code("state", primary_key=True),
    instant("at"),
    # What was handed in together is reported together.
    reference("batch_id"),
    Index("simulated_steps_batch_idx", "batch_id", "at"),
)
