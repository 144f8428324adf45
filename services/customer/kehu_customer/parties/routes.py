"""HTTP: customers, their names and contact points, what is shown of them."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import Query, Response, status

from kehu_chassis.http import IfMatch, Now, Tx, etag, router
from kehu_chassis.paging import CursorQuery, Page, page_rows
from kehu_chassis.problems import problems
from kehu_contracts.codes import CustomerStatus, PartyKind
from kehu_customer.deeds import Deed, bank_date
from kehu_customer.deps import CustomerReader, CustomerRevealer, CustomerWriter, Safe
from kehu_customer.parties import profiles, queries, service
from kehu_customer.parties.problems import party_problem, value_problem
from kehu_customer.parties.queries import CustomerFilter
from kehu_customer.parties.rules import PartyRefused, ValueRefused, check_contact, check_draft, check_name
from kehu_customer.parties.schemas import (
    ContactPointChangeIn,
    ContactPointIn,
    ContactPointOut,
    CustomerChangeIn,
    CustomerIn,
    CustomerOut,
    CustomerSummary,
    NameIn,
    NameOut,
    ProfileOut,
    RevealIn,
    RevealOut,
)
from kehu_customer.parties.views import View
from kehu_customer.search.service import search_customers

__all__ = ["routes"]

routes = router("/customers", tags=["customers"])

Typed = Annotated[
    str | None, Query(max_length=100, description="A name in any writing, initials, or a customer number")
]


@routes.get("", response_model=Page[CustomerSummary])
async def list_customers(  # noqa: PLR0913, PLR0917  each is a filter
    reader: CustomerReader,
    tx: Tx,
    safe: Safe,
    page: CursorQuery,
    q: Typed = None,
    unit_id: UUID | None = None,
    mine: bool = False,  # noqa: FBT001, FBT002  a query parameter
    kind: PartyKind | None = None,
    customer_status: Annotated[CustomerStatus | None, Query(alias="status")] = None,
) -> dict[str, Any]:
    """Customers in the caller's reach, the newest first; with `q` the best fit first.

    `unit_id` stands for the unit and all below it; `mine` for customers whose primary manager the caller is.
    """
    if mine and reader.staff_id is None:
        return {"items": [], "next_cursor": None}
    manager = reader.staff_id if mine else None
    wanted = CustomerFilter(unit_id=unit_id, primary_rm_id=manager, kind=kind, status=customer_status)
    if q is not None and q.strip():
        found = await search_customers(tx, safe, q, wanted, page)
    else:
        found = page_rows(await queries.list_customers(tx, wanted, page), page, ("id",))
    view = View.of(safe, reader)
    return {"items": [view.summary(row) for row in found["items"]], "next_cursor": found["next_cursor"]}


@routes.post("", response_model=CustomerOut, status_code=status.HTTP_201_CREATED)
async def register_customer(  # noqa: PLR0913, PLR0917  a route names all that it takes
    body: CustomerIn, actor: CustomerWriter, tx: Tx, safe: Safe, now: Now, response: Response
) -> dict[str, Any]:
    """Register a party as a customer. Whether the bank knows it already is for a search before to tell."""
    try:
        draft = check_draft(body.draft(bank_date(now)), bank_date(now))
    except PartyRefused as refused:
        raise party_problem(refused) from None
    registered = await service.open_customer(tx, Deed(safe, actor, now), draft, actor)
    response.headers["ETag"] = etag(registered.version)
    response.headers["Location"] = f"/api/v1/customers/{registered.customer_id}"
    return View.of(safe, actor).registered(registered, draft, now)


@routes.get("/{customer_id}", response_model=CustomerOut, responses=problems(404))
async def read_customer(
    customer_id: UUID, reader: CustomerReader, tx: Tx, safe: Safe, response: Response
) -> dict[str, Any]:
    """One customer. A customer that is merged into another is still there, with its survivor's id."""
    row = await queries.read_customer(tx, customer_id)
    response.headers["ETag"] = etag(row["version"])
    return View.of(safe, reader).customer(row)


@routes.patch("/{customer_id}", response_model=CustomerOut, responses=problems(404))
async def change_customer(  # noqa: PLR0913, PLR0917  a route names all that it takes
    customer_id: UUID,
    body: CustomerChangeIn,
    expected: IfMatch,
    actor: CustomerWriter,
    tx: Tx,
    safe: Safe,
    now: Now,
    response: Response,
) -> dict[str, Any]:
    """Change attributes; a field that is not given stays as it is."""
    values = body.model_dump(exclude_unset=True)
    try:
        row = await service.change_customer(tx, Deed(safe, actor, now), customer_id, values, expected_version=expected)
    except PartyRefused as refused:
        raise party_problem(refused) from None
    response.headers["ETag"] = etag(row["version"])
    return View.of(safe, actor).customer(row)


@routes.get("/{customer_id}/profile", response_model=ProfileOut, responses=problems(404))
async def read_profile(customer_id: UUID, reader: CustomerReader, tx: Tx, safe: Safe, now: Now) -> dict[str, Any]:
    """The customer's section of the 360: who it is, how it is identified and reached, what it consented to."""
    return await profiles.read_profile(tx, View.of(safe, reader), customer_id, bank_date(now))


@routes.post("/{customer_id}/reveals", response_model=RevealOut, responses=problems(404))
async def reveal_customer(  # noqa: PLR0913, PLR0917  a route names all that it takes
    customer_id: UUID, body: RevealIn, actor: CustomerRevealer, tx: Tx, safe: Safe, now: Now
) -> dict[str, Any]:
    """Show fields in clear, for a reason; who saw what, when and why is audited."""
    return await profiles.reveal(tx, Deed(safe, actor, now), customer_id, body.fields, body.reason)


@routes.get("/{customer_id}/names", response_model=Page[NameOut], responses=problems(404))
async def list_names(customer_id: UUID, reader: CustomerReader, tx: Tx, safe: Safe) -> dict[str, Any]:
    """All names of a customer, former ones too."""
    row = await queries.read_customer(tx, customer_id)
    view = View.of(safe, reader)
    return {"items": [view.name(row, name) for name in await queries.list_names(tx, customer_id)], "next_cursor": None}


@routes.post(
    "/{customer_id}/names", response_model=NameOut, status_code=status.HTTP_201_CREATED, responses=problems(404)
)
async def add_name(  # noqa: PLR0913, PLR0917  a route names all that it takes
    customer_id: UUID, body: NameIn, actor: CustomerWriter, tx: Tx, safe: Safe, now: Now
) -> dict[str, Any]:
    """Add a name; a new primary name makes the old one a former name."""
    try:
        name = check_name(body.name)
    except ValueRefused as refused:
        raise value_problem(refused, "/name") from None
    row = await service.add_name(tx, Deed(safe, actor, now), customer_id, body.type, name)
    return {**row, "name": name}


@routes.get("/{customer_id}/contact-points", response_model=Page[ContactPointOut], responses=problems(404))
async def list_contact_points(customer_id: UUID, reader: CustomerReader, tx: Tx, safe: Safe) -> dict[str, Any]:
    """The contact points in use, masked."""
    row = await queries.read_customer(tx, customer_id)
    view = View.of(safe, reader)
    points = await queries.list_contact_points(tx, customer_id)
    return {"items": [view.contact_point(row, point) for point in points], "next_cursor": None}


@routes.post(
    "/{customer_id}/contact-points",
    response_model=ContactPointOut,
    status_code=status.HTTP_201_CREATED,
    responses=problems(404),
)
async def add_contact_point(  # noqa: PLR0913, PLR0917  a route names all that it takes
    customer_id: UUID, body: ContactPointIn, actor: CustomerWriter, tx: Tx, safe: Safe, now: Now, response: Response
) -> dict[str, Any]:
    """Add a contact point; one that the customer has already is given back as it is."""
    try:
        contact = check_contact(body.draft())
    except ValueRefused as refused:
        raise value_problem(refused, "/value") from None
    row = await service.add_contact_point(tx, Deed(safe, actor, now), customer_id, contact)
    response.headers["ETag"] = etag(row["version"])
    return View.of(safe, actor).masked_contact_point(row, contact.value)


@routes.patch(
    "/{customer_id}/contact-points/{contact_point_id}", response_model=ContactPointOut, responses=problems(404)
)
async def change_contact_point(  # noqa: PLR0913, PLR0917  a route names all that it takes
    customer_id: UUID,
    contact_point_id: UUID,
    body: ContactPointChangeIn,
    expected: IfMatch,
    actor: CustomerWriter,
    tx: Tx,
    safe: Safe,
    now: Now,
    response: Response,
) -> dict[str, Any]:
    """Make a contact point the primary one of its type, verify it, or end its use."""
    change = service.ContactPointChange(**body.model_dump())
    customer, row = await service.change_contact_point(
        tx, Deed(safe, actor, now), (customer_id, contact_point_id), change, expected_version=expected
    )
    response.headers["ETag"] = etag(row["version"])
    return View.of(safe, actor).contact_point(customer, row)
