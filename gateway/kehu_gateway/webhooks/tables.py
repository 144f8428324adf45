"""Registered endpoints, and what each has still to be sent."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Integer, LargeBinary, MetaData, Table

from kehu_chassis.columns import code, id_column, instant, reference, string, texts, version

__all__ = ["webhook_deliveries", "webhooks"]

_metadata = MetaData()

webhooks = Table(
    "webhooks",
    _metadata,
    id_column("webhook_id"),
    string("name"),
    string("url"),
    texts("event_types"),
    Column("active", Boolean, nullable=False),
    Column("secret", LargeBinary, nullable=False),
    Column("previous_secret", LargeBinary),
    code("key_id", nullable=True),
    Column("wrapped_key", LargeBinary),
    Column("own_secret", LargeBinary),
    Column("own_previous_secret", LargeBinary),
    instant("previous_until", nullable=True),
    instant("created_at"),
    instant("changed_at"),
    version(),
)
"""`own_secret` and `own_previous_secret` are sealed under the endpoint's data key; `secret` and `previous_secret` hold the same
under the session key, for the version before."""

webhook_deliveries = Table(
    "webhook_deliveries",
    _metadata,
    id_column("delivery_id"),
    reference("webhook_id"),
    reference("event_id"),
    code("type"),
    string("subject"),
    Column("sequence", BigInteger, nullable=False),
    instant("at"),
    Column("body", LargeBinary),
    code("state"),
    Column("attempts", Integer, nullable=False),
    instant("added_at"),
    instant("next_attempt_at", nullable=True),
    instant("settled_at", nullable=True),
    Column("last_status", Integer),
    code("last_error", nullable=True),
)
"""`body` is dropped once it was delivered. Times are technical, but for `at`, which is the event's."""
