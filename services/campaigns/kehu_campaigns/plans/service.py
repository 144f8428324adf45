"""What is done to a campaign: one function per business action."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import Any, Final
from uuid import UUID

from sqlalchemy import update
from sqlalchemy.dialects.postgresql import insert

from kehu_campaigns.audience import service as audience
from kehu_campaigns.delivery.templates import SAMPLE, TemplateRefused, check, render
from kehu_campaigns.plans import queries, rules
from kehu_campaigns.plans.rules import CampaignAction, CampaignState
from kehu_campaigns.plans.schemas import AudienceIn, CampaignChangeIn, CampaignIn
from kehu_campaigns.plans.tables import campaigns
from kehu_chassis import audit, outbox, timers
from kehu_chassis.auth import Principal
from kehu_chassis.columns import new_id
from kehu_chassis.database import Record, Transaction
from kehu_chassis.http import check_version
from kehu_chassis.problems import Conflict, FieldProblem, Forbidden, ValidationProblem
from kehu_contracts.campaign import CampaignStateChanged

__all__ = [
    "DECIDE",
    "END",
    "WIND_UP",
    "CampaignInvalid",
    "CodeTaken",
    "MakerMayNotReview",
    "TransitionRefused",
    "approve_campaign",
    "banned_claims",
    "change_campaign",
    "complete_campaign",
    "finish",
    "plan_campaign",
    "reject_campaign",
    "submit_campaign",
]

DECIDE: Final = "campaign.decide"
END: Final = "campaign.end"
WIND_UP: Final = "campaign.wind_up"


class TransitionRefused(Conflict):
    """The campaign's state does not allow this."""

    code = "campaign.transition_refused"
    title = "The campaign's state does not allow this"
    title_zh = "营销活动当前状态不允许此操作"


class CodeTaken(Conflict):
    """Another campaign has the code."""

    code = "campaign.code_taken"
    title = "Another campaign has this code"
    title_zh = "活动代码已被使用"


class MakerMayNotReview(Forbidden):
    """Whoever had a hand in a campaign may not review it."""

    code = "campaign.maker_may_not_review"
    title = "A campaign is reviewed by a second person"
    title_zh = "营销活动须由第二人复核"


class CampaignInvalid(ValidationProblem):
    """The campaign cannot be planned like this."""

    code = "campaign.invalid"
    title = "The campaign cannot be planned like this"
    title_zh = "营销活动内容不符合要求"


@cache
def banned_claims() -> tuple[str, ...]:
    """What no text of the bank may claim; the list is data."""
    document = json.loads(files("kehu_campaigns.plans").joinpath("banned_claims.json").read_text(encoding="utf-8"))
    return tuple(document["claims"])


async def plan_campaign(tx: Transaction, plan: CampaignIn, *, actor: Principal, now: datetime) -> dict[str, Any]:
    """Write a campaign as a draft."""
    unit_id = plan.unit_id
    if unit_id is None and actor.staff_id is not None:
        unit_id = await queries.own_unit(tx, actor.staff_id)
    if unit_id is None or not await queries.unit_in_reach(tx, unit_id):
        raise CampaignInvalid(errors=[_wrong("/unit_id", "unit_unknown", "There is no such unit", "没有该机构")])
    values = _columns(plan.model_dump(exclude={"code", "unit_id", "audience"})) | _segments(plan.audience)
    values["starts_at"] = plan.starts_at or now
    _check_content(values)
    campaign_id = new_id()
    row = await tx.first(
        _INSERT,
        values
        | {
            "id": campaign_id,
            "code": plan.code,
            "unit_id": unit_id,
            "state": CampaignState.DRAFT,
            "salt": campaign_id.hex,
            "makers": [actor.subject],
            "created_at": now,
        },
    )
    if row is None:
        raise CodeTaken(detail=f"{plan.code} is in use.", detail_zh=f"{plan.code} 已被使用。")
    _moved(tx, row, None, now)
    await audit.record(tx, actor=actor, action="campaign.planned", resource=("campaign", campaign_id), at=now)
    return queries.shape(row)


async def change_campaign(  # noqa: PLR0913  What to change, on which state of it, who does it and when.
    tx: Transaction, campaign_id: UUID, change: CampaignChangeIn, *, expected: int, actor: Principal, now: datetime
) -> dict[str, Any]:
    """Change a draft. Whoever does so is one of its makers from then on."""
    row = await queries.lock_campaign(tx, campaign_id)
    check_version(row["version"], expected)
    _next(row, CampaignAction.EDIT)
    given = change.model_dump(exclude_unset=True, exclude={"audience"})
    cleared = [name for name, value in given.items() if value is None and name not in _CLEARABLE]
    if cleared:
        raise CampaignInvalid(
            errors=[_wrong(f"/{name}", "required", "A value is required", "不能为空") for name in cleared]
        )
    values = _columns(given) | ({} if change.audience is None else _segments(change.audience))
    _check_content({**row, **values})
    changed = await _update(tx, row, values | {"makers": sorted({*row["makers"], actor.subject})})
    await audit.record(
        tx,
        actor=actor,
        action="campaign.changed",
        resource=("campaign", campaign_id),
        at=now,
        details={"fields": sorted(values)},
    )
    return queries.shape(changed)


async def submit_campaign(tx: Transaction, campaign_id: UUID, *, actor: Principal, now: datetime) -> dict[str, Any]:
    """Hand a draft in for review."""
    row = await queries.lock_campaign(tx, campaign_id)
    state = _next(row, CampaignAction.SUBMIT)
    _check_content(row)
    await audience.published_versions(tx, row)
    values = {"state": state, "submitted_at": now, "makers": sorted({*row["makers"], actor.subject})}
    return await _move(tx, row, values, actor=actor, action="campaign.submitted", now=now)


async def approve_campaign(
    tx: Transaction, campaign_id: UUID, *, note: str | None, actor: Principal, now: datetime
) -> dict[str, Any]:
    """Approve a campaign: its audience is frozen as it now stands, and its work begins when its period does."""
    row = await queries.lock_campaign(tx, campaign_id)
    state = _next(row, CampaignAction.APPROVE)
    _check_second_person(row, actor)
    if row["ends_at"] <= now:
        raise TransitionRefused("Its period is over.", detail_zh="活动期限已过。")
    versions = await audience.published_versions(tx, row)
    size = await audience.freeze(tx, row, now=now)
    begins = max(now, row["starts_at"])
    await timers.schedule(tx, due_at=begins, kind=DECIDE, key=str(campaign_id), payload={})
    await timers.schedule(tx, due_at=row["ends_at"], kind=END, key=str(campaign_id), payload={})
    values = {
        "state": state,
        "reviewer": actor.subject,
        "review_note": note,
        "reviewed_at": now,
        "rule_versions": {str(segment_id): version for segment_id, version in versions.items()},
        "audience_size": size,
    }
    return await _move(tx, row, values, actor=actor, action="campaign.approved", now=now)


async def reject_campaign(
    tx: Transaction, campaign_id: UUID, *, note: str, actor: Principal, now: datetime
) -> dict[str, Any]:
    """Send a campaign back to its makers, with what has to be mended."""
    row = await queries.lock_campaign(tx, campaign_id)
    state = _next(row, CampaignAction.REJECT)
    _check_second_person(row, actor)
    values = {"state": state, "reviewer": actor.subject, "review_note": note, "reviewed_at": now}
    return await _move(tx, row, values, actor=actor, action="campaign.rejected", now=now)


async def complete_campaign(tx: Transaction, campaign_id: UUID, *, actor: Principal, now: datetime) -> dict[str, Any]:
    """End a running campaign before its time. Members that are still undecided get their decision at once."""
    row = await queries.lock_campaign(tx, campaign_id)
    _next(row, CampaignAction.COMPLETE)
    await audit.record(tx, actor=actor, action="campaign.completed", resource=("campaign", campaign_id), at=now)
    return queries.shape(await finish(tx, row, now=now))


async def finish(tx: Transaction, row: Mapping[str, Any], *, now: datetime) -> Record:
    """Move a locked, running campaign to its end and set winding up to work.

    Its other timers are left alone: they find it finished and do nothing. Cancelling them from here would lock them
    after the campaign, while the worker locks them before it.
    """
    await timers.schedule(tx, due_at=now, kind=WIND_UP, key=str(row["id"]), payload={})
    changed = await _update(tx, row, {"state": _next(row, CampaignAction.COMPLETE), "finished_at": now})
    _moved(tx, changed, row["state"], now)
    return changed


_CLEARABLE: Final = frozenset({"target_conversions", "target_amount"})
_INSERT: Final = insert(campaigns).on_conflict_do_nothing(index_elements=[campaigns.c.code]).returning(campaigns)


async def _move(  # noqa: PLR0913  The parts of one step.
    tx: Transaction,
    row: Mapping[str, Any],
    values: dict[str, Any],
    *,
    actor: Principal,
    action: str,
    now: datetime,
) -> dict[str, Any]:
    changed = await _update(tx, row, values)
    _moved(tx, changed, row["state"], now)
    await audit.record(tx, actor=actor, action=action, resource=("campaign", row["id"]), at=now)
    return queries.shape(changed)


async def _update(tx: Transaction, row: Mapping[str, Any], values: dict[str, Any]) -> Record:
    statement = update(campaigns).where(campaigns.c.id == row["id"]).values(version=campaigns.c.version + 1, **values)
    return await tx.one(statement.returning(campaigns))


def _moved(tx: Transaction, row: Mapping[str, Any], before: str | None, now: datetime) -> None:
    event = CampaignStateChanged(
        campaign_id=row["id"],
        code=row["code"],
        from_state=before,
        to_state=row["state"],
        changed_at=now,
        unit_id=row["unit_id"],
    )
    outbox.add(tx, event, at=now)


def _next(row: Mapping[str, Any], action: CampaignAction) -> CampaignState:
    try:
        return rules.next_state(CampaignState(row["state"]), action)
    except rules.TransitionRefused as refused:
        raise TransitionRefused(
            f"A campaign that is {refused.state} cannot {refused.action}.",
            detail_zh=f"当前状态 {refused.state} 不支持操作 {refused.action}。",
        ) from None


def _check_second_person(row: Mapping[str, Any], actor: Principal) -> None:
    if not rules.is_second_person(actor.subject, row["makers"]):
        raise MakerMayNotReview


def _columns(given: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in given.items() if name != "starts_at" or value is not None}


def _segments(given: AudienceIn) -> dict[str, Any]:
    return {
        "segments_any": list(given.any_of),
        "segments_all": list(given.all_of),
        "segments_none": list(given.none_of),
        "customers_of_unit_id": given.customers_of_unit_id,
    }


def _check_content(values: Mapping[str, Any]) -> None:
    """Refuse a text that makes a banned claim or does not fit its template, and a period that ends before it begins."""
    errors = [*_wrong_text(values["message"])]
    if values["ends_at"] <= values["starts_at"]:
        errors.append(_wrong("/ends_at", "period", "It ends before it begins", "结束时间早于开始时间"))
    if errors:
        raise CampaignInvalid(errors=errors)


def _wrong_text(message: str) -> list[FieldProblem]:
    try:
        check(message)
    except TemplateRefused as refused:
        return [_wrong("/message", "template", str(refused), f"模板有误：{refused}")]
    # The text as it will be read, too: a template could put a claim together from parts.
    found = dict.fromkeys(
        claim for text in (message, render(message, SAMPLE)) for claim in rules.banned_claims_in(text, banned_claims())
    )
    return [
        _wrong("/message", "banned_claim", f"The claim {claim} is not allowed", f"禁止使用“{claim}”") for claim in found
    ]


def _wrong(pointer: str, code: str, detail: str, detail_zh: str) -> FieldProblem:
    return {"pointer": pointer, "code": code, "detail": detail, "detail_zh": detail_zh}
