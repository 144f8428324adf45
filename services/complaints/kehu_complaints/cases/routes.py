"""HTTP surface of cases."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import Annotated, Any, TypeVar
from uuid import UUID

from fastapi import Depends, Query, Response

from kehu_chassis.auth import Principal
from kehu_chassis.http import IfMatch, Now, Tx, etag, requires, router
from kehu_chassis.paging import CursorQuery, Page
from kehu_chassis.problems import NotFound, Problem, problems
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

Body = TypeVar("Body", bound=StepIn)


@dataclass(frozen=True, slots=True)
class Case:
    """A case in the hands of somebody who takes a step in it."""

    desk: Desk
    complaint_id: UUID
    actor: Principal
    response: Response

    def act(self, body: StepIn) -> Act:
        """What the caller did, and when."""
        return Act(self.actor, body.occurred_at or self.desk.now, body.note)

    async def move(self, action: ComplaintAction, body: StepIn, **told: Mapping[str, Any]) -> None:
        """Do an action that needs no more than the state's permission."""
        await service.move(self.desk, self.complaint_id, action, self.act(body), **told)


async def _in_hand(complaint_id: UUID, actor: Handler, desk: AtDesk, response: Response) -> Case:
    return Case(desk, complaint_id, actor, response)


CaseInHand = Annotated[Case, Depends(_in_hand)]
Step = Callable[[Case, Body], Awaitable[None]]


def case_step(noun: str, *refusals: type[Problem]) -> Callable[[Step[Body]], Step[Body]]:
    """Make a step in the handling of a case a route; whatever the step is, the answer is the case as it then stands."""

    def register(step: Step[Body]) -> Step[Body]:
        @case_routes.post(
            f"/{{complaint_id}}/{noun}",
            response_model=ComplaintOut,
            status_code=201,
            responses=problems(404, Recused, TransitionImpossible, *refusals),
        )
        @wraps(step)
        async def take(case: Case, body: Body) -> dict[str, Any]:
            await step(case, body)
            return await _answer(case.desk, case.complaint_id, case.actor, case.response)

        return step

    return register


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


@case_step("acceptances")
async def accept_complaint(case: CaseInHand, body: AcceptanceIn) -> None:
    """Take a complaint on; says who handles it."""
    await service.accept(case.desk, case.complaint_id, body.handler_id, case.act(body))


@case_step("rejections")
async def reject_complaint(case: CaseInHand, body: StepIn) -> None:
    """Find that this is no complaint; its clocks stop."""
    await case.move(ComplaintAction.REJECT, body)


@case_step("investigations")
async def investigate_complaint(case: CaseInHand, body: StepIn) -> None:
    """Begin to investigate an accepted complaint."""
    await case.move(ComplaintAction.INVESTIGATE, body)


@case_step("pauses")
async def pause_complaint(case: CaseInHand, body: PauseIn) -> None:
    """Let the clock stand still on a lawful ground, such as an external appraisal."""
    await service.pause(case.desk, case.complaint_id, body.basis, case.act(body))


@case_step("resumptions")
async def resume_complaint(case: CaseInHand, body: StepIn) -> None:
    """Go on with a paused case; its clock runs again."""
    await case.move(ComplaintAction.RESUME, body)


@case_step("decisions")
async def decide_complaint(case: CaseInHand, body: DecisionIn) -> None:
    """Decide a complaint; the complainant has still to be told, and until then the clock runs."""
    outcome = {"outcome": body.outcome}
    await case.move(ComplaintAction.DECIDE, body, changes=outcome, details=outcome)


@case_step("notifications")
async def notify_complainant(case: CaseInHand, body: NotificationIn) -> None:
    """Record that the complainant was told the decision: the statutory clock stops at that moment."""
    await case.move(ComplaintAction.NOTIFY, body, details={"channel": body.channel})


@case_step("review-requests", ReviewTooLate)
async def request_review(case: CaseInHand, body: ReviewRequestIn) -> None:
    """Record that the complainant asks the superior institution for a review, which has a clock of its own."""
    await service.request_review(case.desk, case.complaint_id, case.act(body))


@case_step("review-conclusions")
async def conclude_review(case: CaseInHand, body: ReviewConclusionIn) -> None:
    """Record what the review found; the case closes."""
    await case.move(ComplaintAction.CONCLUDE_REVIEW, body, details={"review": body.outcome})


@case_step("closures")
async def close_complaint(case: CaseInHand, body: StepIn) -> None:
    """Close a case whose complainant was told; marketing to the customer may resume."""
    await case.move(ComplaintAction.CLOSE, body)


@case_step("withdrawals")
async def withdraw_complaint(case: CaseInHand, body: StepIn) -> None:
    """Record that the complainant withdrew; the case ends that day."""
    await case.move(ComplaintAction.WITHDRAW, body)


@case_step("reopenings")
async def reopen_complaint(case: CaseInHand, body: ReopeningIn) -> None:
    """Investigate a case again because of new facts; its clock runs as the pack says."""
    await case.move(ComplaintAction.REOPEN, body, changes={"outcome": None})


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


async def _answer(desk: Desk, complaint_id: UUID, actor: Principal, response: Response) -> dict[str, Any]:
    view = await case_view(desk, complaint_id, actor)
    response.headers["ETag"] = etag(view["version"])
    return view
