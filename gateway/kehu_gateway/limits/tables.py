"""What the gateway processes tell each other of their callers' demand. Keys are digests: no address, no name."""

from __future__ import annotations

from sqlalchemy import Column, Integer, LargeBinary, MetaData, Table, Uuid

from kehu_chassis.columns import instant

__all__ = ["rate_demands"]

_metadata = MetaData()

rate_demands = Table(
    "rate_demands",
    _metadata,
    Column("caller_digest", LargeBinary, primary_key=True),
    Column("process_id", Uuid, primary_key=True),
    Column("demand", Integer, nullable=False),
    instant("leased_at"),
)
"""One row for each caller and process, renewed every second while the caller asks; an empty digest is the process."""
