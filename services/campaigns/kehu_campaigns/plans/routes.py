"""HTTP: campaigns as they are planned and reviewed."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from fastapi import Response

from kehu_campaigns.audience.service import SegmentUnpublished
from kehu_campaigns.deps import Maker, Reader, Reviewer
from kehu_campaigns.plans import queries, service
from kehu_campaigns.plans.rules import CampaignState
from kehu_campaigns.plans.schemas import CampaignChangeIn, CampaignIn, CampaignOut, RejectionIn, ReviewIn
from kehu_campaigns.plans.service import CampaignInvalid, CodeTaken, MakerMayNotReview, TransitionRefused
from kehu_chassis.http import IfMatch, Now, Tx, etag, router
from kehu_chassis.paging import CursorQuery, Page, PageRows
from kehu_chassis.problems import problems

__all__ = ["routes"]

routes = router("/campaigns", tags=["campaigns"])


@routes.get("", response_model=Page[CampaignOut])
async def list_campaigns(
    _: Reader, tx: Tx, page: CursorQuery, state: CampaignState | None = None, unit_id: UUID | None = None
) -> PageRows:
    """List campaigns of the units in reach, the newest first."""
    return await queries.list_campaigns(tx, page, state=state, unit_id=unit_id)


@routes.post("", response_model=CampaignOut, status_code=201, responses=problems(CodeTaken, CampaignInvalid))
async def plan_campaign(body: CampaignIn, actor: Maker, tx: Tx, now: Now, response: Response) -> dict[str, Any]:
    """Write a campaign as a draft. Its text is checked against banned claims and what a template may contain."""
    campaign = await service.plan_campaign(tx, body, actor=actor, now=now)
    response.headers["Location"] = f"/api/v1/campaigns/{campaign['id']}"
    return _tagged(campaign, response)


@routes.get("/{campaign_id}", response_model=CampaignOut, responses=problems(404))
async def get_campaign(campaign_id: UUID, _: Reader, tx: Tx, response: Response) -> dict[str, Any]:
    """Read a campaign; the answer's ETag goes into `If-Match` of a change."""
    return _tagged(queries.shape(await queries.find_campaign(tx, campaign_id)), response)


@routes.patch("/{campaign_id}", response_model=CampaignOut, responses=problems(404, TransitionRefused, CampaignInvalid))
async def change_campaign(  # noqa: PLR0913, PLR0917  A route names all that it takes.
    campaign_id: UUID, body: CampaignChangeIn, expected: IfMatch, actor: Maker, tx: Tx, now: Now, response: Response
) -> dict[str, Any]:
    """Change a draft; what is not named stays."""
    changed = await service.change_campaign(tx, campaign_id, body, expected=expected, actor=actor, now=now)
    return _tagged(changed, response)


@routes.post(
    "/{campaign_id}/submissions",
    response_model=CampaignOut,
    status_code=201,
    responses=problems(404, TransitionRefused, SegmentUnpublished, CampaignInvalid),
)
async def submit_campaign(campaign_id: UUID, actor: Maker, tx: Tx, now: Now, response: Response) -> dict[str, Any]:
    """Hand a draft in for review by a second person."""
    return _tagged(await service.submit_campaign(tx, campaign_id, actor=actor, now=now), response)


@routes.post(
    "/{campaign_id}/approvals",
    response_model=CampaignOut,
    status_code=201,
    responses=problems(404, TransitionRefused, SegmentUnpublished, MakerMayNotReview),
)
async def approve_campaign(  # noqa: PLR0913, PLR0917  A route names all that it takes.
    campaign_id: UUID, actor: Reviewer, tx: Tx, now: Now, response: Response, body: ReviewIn | None = None
) -> dict[str, Any]:
    """Approve a campaign that others made. Its audience is frozen with the rule versions in force, and it runs."""
    note = None if body is None else body.note
    return _tagged(await service.approve_campaign(tx, campaign_id, note=note, actor=actor, now=now), response)


@routes.post(
    "/{campaign_id}/rejections",
    response_model=CampaignOut,
    status_code=201,
    responses=problems(404, TransitionRefused, MakerMayNotReview),
)
async def reject_campaign(  # noqa: PLR0913, PLR0917  A route names all that it takes.
    campaign_id: UUID, body: RejectionIn, actor: Reviewer, tx: Tx, now: Now, response: Response
) -> dict[str, Any]:
    """Send a campaign back to its makers with what has to be mended."""
    return _tagged(await service.reject_campaign(tx, campaign_id, note=body.note, actor=actor, now=now), response)


@routes.post(
    "/{campaign_id}/completions",
    response_model=CampaignOut,
    status_code=201,
    responses=problems(404, TransitionRefused),
)
async def complete_campaign(campaign_id: UUID, actor: Maker, tx: Tx, now: Now, response: Response) -> dict[str, Any]:
    """End a running campaign before its time; members without a decision get `campaign_finished`."""
    return _tagged(await service.complete_campaign(tx, campaign_id, actor=actor, now=now), response)


def _tagged(campaign: dict[str, Any], response: Response) -> dict[str, Any]:
    response.headers["ETag"] = etag(campaign["version"])
    return campaign
