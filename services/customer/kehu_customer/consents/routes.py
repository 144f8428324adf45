"""HTTP: the consent ledger, and the verdict on contacts."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from fastapi import status

from kehu_chassis.database import Record
from kehu_chassis.http import Now, Tx, router
from kehu_chassis.paging import CursorQuery, Page, PageRows
from kehu_chassis.problems import problems
from kehu_customer.consents import queries, service
from kehu_customer.consents.schemas import ConsentIn, ConsentOut, ContactResolutionIn, ContactResolutionsOut
from kehu_customer.deeds import Deed
from kehu_customer.deps import ConsentWriter, ContactResolver, CustomerReader, Safe
from kehu_customer.parties.queries import read_customer

__all__ = ["resolution_routes", "routes"]

routes = router("/customers", tags=["consents"])
resolution_routes = router("/contact-resolutions", tags=["consents"])


@routes.get("/{customer_id}/consents", response_model=Page[ConsentOut], responses=problems(404))
async def list_consents(customer_id: UUID, _reader: CustomerReader, tx: Tx, page: CursorQuery) -> PageRows:
    """The ledger of one customer, the newest entry first."""
    await read_customer(tx, customer_id)
    return await queries.list_entries(tx, customer_id, page)


@routes.post(
    "/{customer_id}/consents", response_model=ConsentOut, status_code=status.HTTP_201_CREATED, responses=problems(404)
)
async def record_consent(  # noqa: PLR0913, PLR0917  a route names all that it takes
    customer_id: UUID, body: ConsentIn, actor: ConsentWriter, tx: Tx, safe: Safe, now: Now
) -> Record:
    """Record that a consent was given or withdrawn; a withdrawal holds from its moment on."""
    return await service.record_consent(
        tx, Deed(safe, actor, now), customer_id, service.ConsentEntry(**body.model_dump())
    )


@resolution_routes.post("", response_model=ContactResolutionsOut)
async def resolve_contacts(
    body: ContactResolutionIn, actor: ContactResolver, tx: Tx, safe: Safe, now: Now
) -> dict[str, Any]:
    """Whether these customers may be contacted, and at which contact point. No answer means no contact."""
    deed = Deed(safe, actor, now)
    return {"items": await service.resolve_contacts(tx, deed, body.customer_ids, body.purpose, body.channel)}
