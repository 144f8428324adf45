"""HTTP: the timeline of a customer, and contacts written down by hand."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Query

from kehu_chassis.database import Record
from kehu_chassis.http import Now, Tx, router
from kehu_chassis.paging import CursorQuery, Page, PageRows
from kehu_chassis.problems import problems
from kehu_contracts.codes import Channel
from kehu_customer.deps import CustomerReader, CustomerWriter, Safe
from kehu_customer.timeline import reading, service
from kehu_customer.timeline.schemas import EntryType, InteractionIn, InteractionOut, TimelineEntryOut
from kehu_customer.timeline.service import Contact

__all__ = ["routes"]

routes = router("/customers", tags=["timeline"])


@routes.get("/{customer_id}/timeline", response_model=Page[TimelineEntryOut], responses=problems(404))
async def read_timeline(  # noqa: PLR0913, PLR0917  a route names all that it takes
    customer_id: UUID,
    reader: CustomerReader,
    tx: Tx,
    vault: Safe,
    page: CursorQuery,
    types: Annotated[list[EntryType] | None, Query(alias="type", description="Only entries of these types")] = None,
    channels: Annotated[list[Channel] | None, Query(alias="channel", description="Only of these channels")] = None,
) -> PageRows:
    """Everything that happened around the customer in all services, newest first; merged customers show the union."""
    return await reading.read_timeline(
        tx, vault, customer_id, page, types=types or (), channels=channels or (), reader=reader
    )


@routes.post("/{customer_id}/interactions", response_model=InteractionOut, status_code=201, responses=problems(404))
async def record_interaction(  # noqa: PLR0913, PLR0917  a route names all that it takes
    customer_id: UUID, body: InteractionIn, actor: CustomerWriter, tx: Tx, now: Now, vault: Safe
) -> Record:
    """Write down a contact with the customer. Its note is encrypted where it lies and leaves on no topic."""
    contact = Contact(body.kind, body.channel, body.direction, body.occurred_at or now, body.note)
    return await service.record_interaction(tx, vault, customer_id, contact, actor=actor, at=now)
