"""HTTP surface of cases."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import Query, Response

from kehu_chassis.auth import Principal
from kehu_chassis.http import IfMatch, Now, Tx, etag, requires, router
from kehu_chassis.paging import CursorQuery, Page
from kehu_chassis.problems import NotFound, problems
from kehu_complaints.cases import queries, service
from kehu_complaints.cases.data import categories
from kehu_complaints.cases.schemas import (
    AcceptanceIn,
    CategoryListOut,
    ComplaintChangeIn,
    ComplaintIn,
    ComplaintOut,
    ComplaintSummaryOut,
    CustomerComplaintsOut,
    DecisionIn,
    HistoryEntryOut,
    NotificationIn,
    PauseIn,
    ReopeningIn,
    ReviewConclusionIn,
    ReviewRequestIn,
    StepIn,
)
from kehu_complaints.cases.service import Act
from kehu_complaints.cases.views import case_view, history_view, summaries
from kehu_complaints.deps import AtDesk, Desk, Handler, Reader
from kehu_complaints.problems import Recused, ReviewTooLate, TransitionImpossible
from kehu_contracts.access import Permission
from kehu_contracts.codes import ComplaintAction, ComplaintState

__all__ = ["case_routes", "category_routes", "customer_routes"]

case_routes = router("/complaints", tags=["complaints"])
customer_routes = router("/customers", tags=["complaints"])
category_routes = router("/complaint-categories", tags=["complaints"])

STEP = problems(404, Recused, TransitionImpossible)


@case_routes.get("", response_model=Page[ComplaintSummaryOut])
async def list_complaints(  # noqa: PLR0913, PLR0917 - One parameter per filter.
    actor: Reader,
    tx: Tx,
    now: Now,
    page: CursorQuery,
    state: ComplaintState | None = None,
    unit_id: UUID | None = None,
    customer_id: UUID | None = None,
    mine: Annotated[bool, Query(description="Only cases that the caller handles")] = False,  # noqa: FBT002 - A query parameter.
    overdue: Annotated[bool | None, Query(description="Whether the statutory clock has run out")] = None,
    open: Annotated[bool | None, Query(description="Whether it stops marketing")] = None,  # noqa: A002 - Its name in the API.
) -> dict[str, Any]:
    """The queue: cases by their next statutory deadline; those whose clock has stopped come last."""
    if mine and actor.staff_id is None:
        return {"items": [], "next_cursor": None}
    customers = None
    if customer_id is not None:
        customer = await queries.customer_unit(tx, customer_id)
        customers = [] if customer is None else await queries.customers_merged_with(tx, customer["subject_id"])
    wanted = queries.QueueFilter(
        state=state,
        unit_id=unit_id,
        handler_id=actor.staff_id if mine else None,
        overdue=overdue,
        open=open,
        customer_ids=customers,
    )
    return summaries(await queries.list_queue(tx, wanted, page, now), now)


@case_routes.post("", response_model=ComplaintOut, status_code=201)
async def receive_complaint(body: ComplaintIn, actor: Handler, desk: AtDesk, response: Response) -> dict[str, Any]:
    """Take in a complaint, enquiry or suggestion. A complaint's clocks start and stop marketing to the customer."""
    complaint_id = await service.receive(desk, body, Act(actor, body.received_at or desk.now))
    response.headers["Location"] = f"/api/v1/complaints/{complaint_id}"
    return await _answer(desk, complaint_id, actor, response)


@case_routes.get("/{complaint_id}", response_model=ComplaintOut, responses=problems(404))
async def read_complaint(complaint_id: UUID, actor: Reader, desk: AtDesk, response: Response) -> dict[str, Any]:
    """One case with what was said in it; that is withheld from the person complained about."""
    return await _answer(desk, complaint_id, actor, response)


@case_routes.patch("/{complaint_id}", response_model=ComplaintOut, responses=problems(404, Recused))
async def change_complaint(  # noqa: PLR0913, PLR0917 - One parameter per part of the request.
    complaint_id: UUID,
    body: ComplaintChangeIn,
    expected: IfMatch,
    actor: Handler,
    desk: AtDesk,
    response: Response,
) -> dict[str, Any]:
    """Correct category, handler or the person complained about."""
    await service.change_case(desk, complaint_id, body, expected, Act(actor, desk.now))
    return await _answer(desk, complaint_id, actor, response)


@case_routes.get("/{complaint_id}/history", response_model=Page[HistoryEntryOut], responses=problems(404))
async def read_history(complaint_id: UUID, actor: Reader, desk: AtDesk, page: CursorQuery) -> dict[str, Any]:
    """All that was done to a case, oldest first."""
    case = await queries.find_case(desk.tx, complaint_id)
    if case is None:
        raise NotFound
    return history_view(desk.office, case, await queries.history_of(desk.tx, complaint_id, page), actor)


@case_routes.post("/{complaint_id}/acceptances", response_model=ComplaintOut, status_code=201, responses=STEP)
async def accept_complaint(
    complaint_id: UUID, body: AcceptanceIn, actor: Handler, desk: AtDesk, response: Response
) -> dict[str, Any]:
    """Take a complaint on; says who handles it."""
    await service.accept(desk, complaint_id, body.handler_id, _act(actor, desk, body))
    return await _answer(desk, complaint_id, actor, response)


@case_routes.post("/{complaint_id}/rejections", response_model=ComplaintOut, status_code=201, responses=STEP)
async def reject_complaint(
    complaint_id: UUID, body: StepIn, actor: Handler, desk: AtDesk, response: Response
) -> dict[str, Any]:
    """Find that this is no complaint; its clocks stop."""
    await service.move(desk, complaint_id, ComplaintAction.REJECT, _act(actor, desk, body))
    return await _answer(desk, complaint_id, actor, response)


@case_routes.post("/{complaint_id}/investigations", response_model=ComplaintOut, status_code=201, responses=STEP)
async def investigate_complaint(
    complaint_id: UUID, body: StepIn, actor: Handler, desk: AtDesk, response: Response
) -> dict[str, Any]:
    """Begin to investigate an accepted complaint."""
    await service.move(desk, complaint_id, ComplaintAction.INVESTIGATE, _act(actor, desk, body))
    return await _answer(desk, complaint_id, actor, response)


@case_routes.post("/{complaint_id}/pauses", response_model=ComplaintOut, status_code=201, responses=STEP)
async def pause_complaint(
    complaint_id: UUID, body: PauseIn, actor: Handler, desk: AtDesk, response: Response
) -> dict[str, Any]:
    """Let the clock stand still on a lawful ground, such as an external appraisal."""
    await service.pause(desk, complaint_id, body.basis, _act(actor, desk, body))
    return await _answer(desk, complaint_id, actor, response)


@case_routes.post("/{complaint_id}/resumptions", response_model=ComplaintOut, status_code=201, responses=STEP)
async def resume_complaint(
    complaint_id: UUID, body: StepIn, actor: Handler, desk: AtDesk, response: Response
) -> dict[str, Any]:
    """Go on with a paused case; its clock runs again."""
    await service.move(desk, complaint_id, ComplaintAction.RESUME, _act(actor, desk, body))
    return await _answer(desk, complaint_id, actor, response)


@case_routes.post("/{complaint_id}/decisions", response_model=ComplaintOut, status_code=201, responses=STEP)
async def decide_complaint(
    complaint_id: UUID, body: DecisionIn, actor: Handler, desk: AtDesk, response: Response
) -> dict[str, Any]:
    """Decide a complaint; the complainant has still to be told, and until then the clock runs."""
    outcome = {"outcome": body.outcome}
    act = _act(actor, desk, body)
    await service.move(desk, complaint_id, ComplaintAction.DECIDE, act, changes=outcome, details=outcome)
    return await _answer(desk, complaint_id, actor, response)


@case_routes.post("/{complaint_id}/notifications", response_model=ComplaintOut, status_code=201, responses=STEP)
async def notify_complainant(
    complaint_id: UUID, body: NotificationIn, actor: Handler, desk: AtDesk, response: Response
) -> dict[str, Any]:
    """Record that the complainant was told the decision: the statutory clock stops at that moment."""
    act, told = _act(actor, desk, body), {"channel": body.channel}
    await service.move(desk, complaint_id, ComplaintAction.NOTIFY, act, details=told)
    return await _answer(desk, complaint_id, actor, response)


@case_routes.post(
    "/{complaint_id}/review-requests",
    response_model=ComplaintOut,
    status_code=201,
    responses=problems(404, Recused, TransitionImpossible, ReviewTooLate),
)
async def request_review(
    complaint_id: UUID, body: ReviewRequestIn, actor: Handler, desk: AtDesk, response: Response
) -> dict[str, Any]:
    """Record that the complainant asks the superior institution for a review, which has a clock of its own."""
    await service.request_review(desk, complaint_id, _act(actor, desk, body))
    return await _answer(desk, complaint_id, actor, response)


@case_routes.post("/{complaint_id}/review-conclusions", response_model=ComplaintOut, status_code=201, responses=STEP)
async def conclude_review(
    complaint_id: UUID, body: ReviewConclusionIn, actor: Handler, desk: AtDesk, response: Response
) -> dict[str, Any]:
    """Record what the review found; the case closes."""
    act, found = _act(actor, desk, body), {"review": body.outcome}
    await service.move(desk, complaint_id, ComplaintAction.CONCLUDE_REVIEW, act, details=found)
    return await _answer(desk, complaint_id, actor, response)


@case_routes.post("/{complaint_id}/closures", response_model=ComplaintOut, status_code=201, responses=STEP)
async def close_complaint(
    complaint_id: UUID, body: StepIn, actor: Handler, desk: AtDesk, response: Response
) -> dict[str, Any]:
    """Close a case whose complainant was told; marketing to the customer may resume."""
    await service.move(desk, complaint_id, ComplaintAction.CLOSE, _act(actor, desk, body))
    return await _answer(desk, complaint_id, actor, response)


@case_routes.post("/{complaint_id}/withdrawals", response_model=ComplaintOut, status_code=201, responses=STEP)
async def withdraw_complaint(
    complaint_id: UUID, body: StepIn, actor: Handler, desk: AtDesk, response: Response
) -> dict[str, Any]:
    """Record that the complainant withdrew; the case ends that day."""
    await service.move(desk, complaint_id, ComplaintAction.WITHDRAW, _act(actor, desk, body))
    return await _answer(desk, complaint_id, actor, response)


@case_routes.post("/{complaint_id}/reopenings", response_model=ComplaintOut, status_code=201, responses=STEP)
async def reopen_complaint(
    complaint_id: UUID, body: ReopeningIn, actor: Handler, desk: AtDesk, response: Response
) -> dict[str, Any]:
    """Investigate a case again because of new facts; its clock runs as the pack says."""
    act = _act(actor, desk, body)
    await service.move(desk, complaint_id, ComplaintAction.REOPEN, act, changes={"outcome": None})
    return await _answer(desk, complaint_id, actor, response)


@customer_routes.get("/{customer_id}/complaints", response_model=CustomerComplaintsOut, responses=problems(404))
async def list_customer_complaints(
    customer_id: UUID, _actor: Reader, tx: Tx, now: Now, page: CursorQuery
) -> dict[str, Any]:
    """A customer's cases, newest first, with those of the records merged into it: the section of the 360."""
    customer = await queries.customer_unit(tx, customer_id)
    if customer is None:
        raise NotFound
    customers = await queries.customers_merged_with(tx, customer["subject_id"])
    found = await queries.list_customer_cases(tx, customers, page)
    return {**summaries(found, now), "open_count": await queries.open_count(tx, customers)}


@category_routes.get("", response_model=CategoryListOut)
async def list_categories(_actor: Annotated[Principal, requires(Permission.COMPLAINT_READ)]) -> dict[str, Any]:
    """What a complaint may be about."""
    return {"items": list(categories().values()), "next_cursor": None}


def _act(actor: Principal, desk: Desk, body: StepIn) -> Act:
    return Act(actor, body.occurred_at or desk.now, body.note)


async def _answer(desk: Desk, complaint_id: UUID, actor: Principal, response: Response) -> dict[str, Any]:
    view = await case_view(desk, complaint_id, actor)
    response.headers["ETag"] = etag(view["version"])
    return view
