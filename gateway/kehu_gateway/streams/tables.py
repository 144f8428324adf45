"""The log that live streams are read from."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, LargeBinary, MetaData, Table

from kehu_chassis.columns import code, instant, reference, string

__all__ = ["live_events"]

live_events = Table(
    "live_events",
    MetaData(),
    Column("position", BigInteger, primary_key=True),
    reference("event_id"),
    code("type"),
    code("permission"),
    reference("scope_subject_id", nullable=True),
    string("subject"),
    Column("sequence", BigInteger, nullable=False),
    instant("at"),
    instant("kept_at"),
    Column("body", LargeBinary, nullable=False),
)
"""Positions are committed in their order. `scope_subject_id` NULL: whoever has the permission may see the event."""
