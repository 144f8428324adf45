"""HTTP: decisions that were made, and the gate asked without consequence."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from kehu_campaigns.deps import CustomerReader, Reader, Resources
from kehu_campaigns.gate import queries, service
from kehu_campaigns.gate.rules import Reason
from kehu_campaigns.gate.schemas import ContactDecisionIn, ContactDecisionOut, DecisionOut
from kehu_campaigns.gate.service import Ask
from kehu_campaigns.plans.queries import find_campaign
from kehu_chassis.http import Now, Tx, router
from kehu_chassis.paging import CursorQuery, Page, PageRows
from kehu_chassis.problems import ValidationProblem, problems
from kehu_contracts.codes import Purpose

__all__ = ["campaign_routes", "contact_routes"]

campaign_routes = router("/campaigns", tags=["campaigns"])
contact_routes = router("/contact-decisions", tags=["campaigns"])


@campaign_routes.get("/{campaign_id}/decisions", response_model=Page[DecisionOut], responses=problems(404))
async def list_campaign_decisions(
    campaign_id: UUID, _: Reader, tx: Tx, page: CursorQuery, reason: Reason | None = None
) -> PageRows:
    """List the decisions about customers in reach, the newest first."""
    await find_campaign(tx, campaign_id)
    return await queries.list_decisions(tx, campaign_id, page, reason=reason)


@contact_routes.post("", response_model=ContactDecisionOut, responses=problems(404))
async def check_contact(
    body: ContactDecisionIn, _: CustomerReader, resources: Resources, tx: Tx, now: Now
) -> dict[str, Any]:
    """Ask the gate whether a customer may be contacted now, and if not, why. Nothing is written or sent.

    Consent is what was last heard of it; whether there is an address is only known when sending.
    """
    ask = await _ask(tx, body)
    verdict = await service.check_contact(tx, ask, body.customer_id, policy=resources.policy, now=now)
    return {
        "customer_id": body.customer_id,
        "campaign_id": body.campaign_id,
        "purpose": ask.purpose,
        "channel": ask.channel,
        "outcome": verdict.outcome,
        "reason": verdict.reason,
        "not_before": verdict.not_before,
        "decided_at": now,
        "persisted": False,
    }


async def _ask(tx: Tx, body: ContactDecisionIn) -> Ask:
    if body.campaign_id is not None:
        ask = Ask.of_campaign(await find_campaign(tx, body.campaign_id))
        return service.with_contact(ask, purpose=body.purpose, channel=body.channel)
    if body.channel is None:
        raise ValidationProblem(
            errors=[
                {
                    "pointer": "/channel",
                    "code": "required",
                    "detail": "A channel is required where no campaign gives one",
                    "detail_zh": "未指定营销活动时必须给出渠道",
                }
            ]
        )
    return Ask(purpose=body.purpose or Purpose.MARKETING, channel=body.channel)
