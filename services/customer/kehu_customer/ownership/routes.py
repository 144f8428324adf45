"""HTTP: who owns a customer."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Response

from kehu_chassis.auth import Principal
from kehu_chassis.http import IfMatch, Now, Tx, etag, requires, router
from kehu_chassis.problems import problems
from kehu_contracts.access import Permission
from kehu_customer.ownership import queries, service
from kehu_customer.ownership.schemas import OwnershipIn, OwnershipOut
from kehu_customer.ownership.service import OwnerChange

__all__ = ["routes"]

routes = router("/customers", tags=["ownership"])

Reader = Annotated[Principal, requires(Permission.CUSTOMER_READ)]
Head = Annotated[Principal, requires(Permission.OWNERSHIP_WRITE)]


@routes.get("/{customer_id}/ownership", response_model=OwnershipOut, responses=problems(404))
async def read_ownership(customer_id: UUID, _reader: Reader, tx: Tx, response: Response) -> queries.Ownership:
    """The owning unit and the primary relationship manager, now and before. The ETag is the customer's."""
    found = await queries.ownership(tx, customer_id)
    response.headers["ETag"] = etag(found.version)
    return found


@routes.put("/{customer_id}/ownership", response_model=OwnershipOut, responses=problems(404))
async def change_ownership(  # noqa: PLR0913, PLR0917  a route names all that it takes
    customer_id: UUID, body: OwnershipIn, expected: IfMatch, actor: Head, tx: Tx, now: Now, response: Response
) -> queries.Ownership:
    """Hand the customer to another unit within the caller's reach, or to another manager; the history stays."""
    change = OwnerChange(customer_id, body.unit_id, body.primary_rm_id)
    changed = await service.change_owner(tx, change, expected_version=expected, reason=body.reason, actor=actor, at=now)
    response.headers["ETag"] = etag(changed.version)
    return changed
