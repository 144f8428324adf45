"""HTTP: erasures."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from fastapi import status

from kehu_chassis.http import Now, Tx, router
from kehu_chassis.problems import problems
from kehu_customer.deeds import Deed
from kehu_customer.deps import CustomerEraser, Safe
from kehu_customer.erasures import service
from kehu_customer.erasures.problems import ErasureRefused, MergedElsewhere
from kehu_customer.erasures.schemas import ErasureIn, ErasureOut

__all__ = ["routes"]

routes = router("/customers", tags=["erasures"])


@routes.post(
    "/{customer_id}/erasures",
    response_model=ErasureOut,
    status_code=status.HTTP_201_CREATED,
    responses=problems(404, ErasureRefused, MergedElsewhere),
)
async def erase_customer(  # noqa: PLR0913, PLR0917  a route names all that it takes
    customer_id: UUID, body: ErasureIn, actor: CustomerEraser, tx: Tx, safe: Safe, now: Now
) -> dict[str, Any]:
    """Destroy a customer's key and all that identifies the person. It cannot be undone, by no restore either."""
    erased = await service.erase_customer(tx, Deed(safe, actor, now), customer_id, reason=body.reason)
    return {"customer_ids": erased, "erased_at": now}
