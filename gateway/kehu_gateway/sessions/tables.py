"""Console sessions."""

from __future__ import annotations

from sqlalchemy import Column, LargeBinary, MetaData, Table

from kehu_chassis.columns import instant, string

__all__ = ["sessions"]

sessions = Table(
    "sessions",
    MetaData(),
    Column("session_digest", LargeBinary, primary_key=True),
    string("subject"),
    string("name"),
    Column("tokens", LargeBinary, nullable=False),
    instant("token_expires_at"),
    instant("created_at"),
    instant("last_seen_at"),
    instant("expires_at"),
)
