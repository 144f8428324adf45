"""The gate asked about one contact, by somebody who thinks of it. Nothing is written."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from kehu_campaigns.gate import queries, service
from kehu_campaigns.gate.policy import GatePolicy
from kehu_campaigns.gate.schemas import ContactDecisionIn
from kehu_campaigns.gate.service import Ask
from kehu_chassis.database import Database, Transaction
from kehu_chassis.problems import NotFound, ValidationProblem
from kehu_chassis.scope import EVERYTHING, Scope
from kehu_contracts.codes import Purpose

__all__ = ["check_contact"]


async def check_contact(
    database: Database, scope: Scope, wanted: ContactDecisionIn, *, policy: GatePolicy, now: datetime
) -> dict[str, Any]:
    """What the gate would say now.

    The caller must reach the customer; a campaign that he names must be his to see, or have the customer in its audience:
    who looks after a customer may ask about head office's campaign, too.

    Raises:
        NotFound: he does not reach one of them, or there is none.
        ValidationProblem: neither campaign nor channel is named.
    """
    async with database.begin(scope=scope, read_only=True) as tx:
        await queries.require_customer(tx, wanted.customer_id)
        if wanted.campaign_id is not None and not await queries.concerns(tx, wanted.campaign_id, wanted.customer_id):
            raise NotFound
    async with database.begin(scope=EVERYTHING, read_only=True) as tx:
        ask = await _ask(tx, wanted)
        assessed = await service.assess(tx, ask, [wanted.customer_id], policy=policy, now=now)
    _, verdict = assessed[wanted.customer_id]
    return {
        "customer_id": wanted.customer_id,
        "campaign_id": wanted.campaign_id,
        "purpose": ask.purpose,
        "channel": ask.channel,
        "outcome": verdict.outcome,
        "reason": verdict.reason,
        "not_before": verdict.not_before,
        "decided_at": now,
        "persisted": False,
    }


async def _ask(tx: Transaction, wanted: ContactDecisionIn) -> Ask:
    if wanted.campaign_id is not None:
        ask = Ask.of_campaign(await queries.campaign_to_ask_about(tx, wanted.campaign_id))
        return service.with_contact(ask, purpose=wanted.purpose, channel=wanted.channel)
    if wanted.channel is None:
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
    return Ask(purpose=wanted.purpose or Purpose.MARKETING, channel=wanted.channel)
