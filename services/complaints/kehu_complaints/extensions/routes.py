"""HTTP surface of extensions."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from kehu_chassis.auth import Principal
from kehu_chassis.database import Record
from kehu_chassis.http import router
from kehu_chassis.problems import NotFound, problems
from kehu_complaints.cases.queries import find_case
from kehu_complaints.cases.service import Act
from kehu_complaints.deps import ApproverOfExtensions, AtDesk, Desk, Handler, Reader
from kehu_complaints.extensions import queries, service
from kehu_complaints.extensions.schemas import (
    ApprovalIn,
    ExtensionIn,
    ExtensionListOut,
    ExtensionOut,
    NoticeIn,
    RefusalIn,
)
from kehu_complaints.problems import ExtensionOwnRequest, ExtensionUnavailable, Recused

__all__ = ["extension_routes"]

extension_routes = router("/complaints", tags=["extensions"])


@extension_routes.get("/{complaint_id}/extensions", response_model=ExtensionListOut, responses=problems(404))
async def list_extensions(complaint_id: UUID, actor: Reader, desk: AtDesk) -> dict[str, Any]:
    """All extensions that were asked for in a case."""
    case = await find_case(desk.tx, complaint_id)
    if case is None:
        raise NotFound
    rows = await queries.extensions_of(desk.tx, complaint_id)
    return {"items": [service.view(desk.office, case, row, actor) for row in rows], "next_cursor": None}


@extension_routes.post(
    "/{complaint_id}/extensions",
    response_model=ExtensionOut,
    status_code=201,
    responses=problems(404, Recused, ExtensionUnavailable),
)
async def request_extension(complaint_id: UUID, body: ExtensionIn, actor: Handler, desk: AtDesk) -> dict[str, Any]:
    """Ask for more time. A complex case gets it at once; an exceptional one waits for approval and notice."""
    row = await service.request(desk, complaint_id, body.code, body.reason, Act(actor, desk.now))
    return await _answer(desk, complaint_id, row, actor)


@extension_routes.post(
    "/{complaint_id}/extensions/{extension_id}/approvals",
    response_model=ExtensionOut,
    status_code=201,
    responses=problems(404, Recused, ExtensionOwnRequest, ExtensionUnavailable),
)
async def approve_extension(
    complaint_id: UUID,
    extension_id: UUID,
    body: ApprovalIn,
    actor: ApproverOfExtensions,
    desk: AtDesk,
) -> dict[str, Any]:
    """Approve an extension as senior management of the head office; whoever asked for it may not."""
    row = await service.approve(desk, complaint_id, extension_id, body.notice, Act(actor, desk.now))
    return await _answer(desk, complaint_id, row, actor)


@extension_routes.post(
    "/{complaint_id}/extensions/{extension_id}/refusals",
    response_model=ExtensionOut,
    status_code=201,
    responses=problems(404, Recused, ExtensionOwnRequest, ExtensionUnavailable),
)
async def refuse_extension(
    complaint_id: UUID,
    extension_id: UUID,
    body: RefusalIn,
    actor: ApproverOfExtensions,
    desk: AtDesk,
) -> dict[str, Any]:
    """Refuse an extension; the due date stays."""
    row = await service.refuse(desk, complaint_id, extension_id, Act(actor, desk.now, note=body.reason))
    return await _answer(desk, complaint_id, row, actor)


@extension_routes.post(
    "/{complaint_id}/extensions/{extension_id}/notices",
    response_model=ExtensionOut,
    status_code=201,
    responses=problems(404, Recused, ExtensionUnavailable),
)
async def give_notice_of_extension(
    complaint_id: UUID,
    extension_id: UUID,
    body: NoticeIn,
    actor: Handler,
    desk: AtDesk,
) -> dict[str, Any]:
    """Record that the complainant was told of an approved extension: with that the due date moves."""
    row = await service.give_notice(desk, complaint_id, extension_id, body, Act(actor, desk.now))
    return await _answer(desk, complaint_id, row, actor)


async def _answer(desk: Desk, complaint_id: UUID, row: Record, actor: Principal) -> dict[str, Any]:
    case = await find_case(desk.tx, complaint_id)
    assert case is not None  # It was locked a moment ago.
    return service.view(desk.office, case, row, actor)
