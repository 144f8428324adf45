"""The one `MetaData` that all tables of this service hang on; its schema is set by the connection's search path."""

from __future__ import annotations

from sqlalchemy import MetaData

__all__ = ["metadata"]

metadata = MetaData()
