"""HTTP: identity documents."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from fastapi import status

from kehu_chassis.http import Now, Tx, router
from kehu_chassis.paging import Page
from kehu_chassis.problems import problems
from kehu_customer.deeds import Deed, bank_date
from kehu_customer.deps import CustomerReader, CustomerWriter, Safe
from kehu_customer.identity import queries, service
from kehu_customer.identity.problems import DocumentKnown
from kehu_customer.identity.rules import DocumentRefused
from kehu_customer.parties.problems import document_problem
from kehu_customer.parties.queries import read_customer
from kehu_customer.parties.rules import check_document
from kehu_customer.parties.schemas import DocumentIn, DocumentOut
from kehu_customer.parties.views import View

__all__ = ["routes"]

routes = router("/customers", tags=["documents"])


@routes.get("/{customer_id}/documents", response_model=Page[DocumentOut], responses=problems(404))
async def list_documents(customer_id: UUID, reader: CustomerReader, tx: Tx, safe: Safe, now: Now) -> dict[str, Any]:
    """The identity documents of a customer, their numbers masked."""
    row = await read_customer(tx, customer_id)
    view = View.of(safe, reader)
    papers = await queries.list_documents(tx, customer_id)
    return {"items": [view.document(row, paper, bank_date(now)) for paper in papers], "next_cursor": None}


@routes.post(
    "/{customer_id}/documents",
    response_model=DocumentOut,
    status_code=status.HTTP_201_CREATED,
    responses=problems(404, DocumentKnown),
)
async def add_document(  # noqa: PLR0913, PLR0917  a route names all that it takes
    customer_id: UUID, body: DocumentIn, actor: CustomerWriter, tx: Tx, safe: Safe, now: Now
) -> dict[str, Any]:
    """Add an identity document; its number is checked as GB 11643 or GB 32100 demands."""
    deed = Deed(safe, actor, now)
    try:
        document = check_document(body.draft(), deed.on)
        row = await service.add_document(tx, deed, customer_id, document)
    except DocumentRefused as refused:
        raise document_problem(refused) from None
    return View.of(safe, actor).masked_document(row, document.number, deed.on)
