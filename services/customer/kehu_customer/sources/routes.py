"""HTTP: the cross-reference from source systems."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query

from kehu_chassis.http import Tx, router
from kehu_customer.deps import CustomerReader
from kehu_customer.sources import queries
from kehu_customer.sources.schemas import SourceRecordsOut

__all__ = ["routes"]

routes = router("/source-records", tags=["sources"])


@routes.get("", response_model=SourceRecordsOut)
async def list_source_records(
    _reader: CustomerReader,
    tx: Tx,
    source: Annotated[str, Query(pattern=r"^[a-z][a-z0-9-]{1,30}$")],
    source_id: Annotated[str, Query(min_length=1, max_length=64)],
) -> dict[str, Any]:
    """The customer or account that a source system calls by its own key."""
    return {"items": await queries.records_of(tx, source, source_id), "next_cursor": None}
