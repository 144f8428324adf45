"""HTTP: merges and their undoing."""

from __future__ import annotations

from uuid import UUID

from fastapi import Response, status

from kehu_chassis.database import Record
from kehu_chassis.http import Now, Tx, router
from kehu_chassis.problems import problems
from kehu_customer.deeds import Deed
from kehu_customer.deps import CustomerMerger, CustomerReader, Safe
from kehu_customer.merges import queries, service
from kehu_customer.merges.problems import MergeRefused, MergeUndone
from kehu_customer.merges.schemas import MergeIn, MergeOut, UndoIn

__all__ = ["routes"]

routes = router("/merges", tags=["merges"])


@routes.post("", response_model=MergeOut, status_code=status.HTTP_201_CREATED, responses=problems(404, MergeRefused))
async def merge_customers(  # noqa: PLR0913, PLR0917  a route names all that it takes
    body: MergeIn, actor: CustomerMerger, tx: Tx, safe: Safe, now: Now, response: Response
) -> Record:
    """Link a customer to the one that it turned out to be. Nothing is moved or deleted."""
    deed = Deed(safe, actor, now)
    merge = await service.merge_customers(tx, deed, body.customer_id, body.survivor_id, reason=body.reason)
    response.headers["Location"] = f"/api/v1/merges/{merge['id']}"
    return merge


@routes.get("/{merge_id}", response_model=MergeOut, responses=problems(404))
async def read_merge(merge_id: UUID, _reader: CustomerReader, tx: Tx) -> Record:
    """A merge, standing or undone."""
    return await queries.read_merge(tx, merge_id)


@routes.post("/{merge_id}/undo", response_model=MergeOut, responses=problems(404, MergeUndone))
async def undo_merge(  # noqa: PLR0913, PLR0917  a route names all that it takes
    merge_id: UUID, body: UndoIn, actor: CustomerMerger, tx: Tx, safe: Safe, now: Now
) -> Record:
    """Take a merge back: both customers stand for themselves again."""
    return await service.undo_merge(tx, Deed(safe, actor, now), merge_id, reason=body.reason)
