"""The demo bank's segments and campaigns: finished, running, in review, and a draft."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any, Final

from kehu_local.demo.actors import Actors
from kehu_local.demo.holdings import CAMPAIGN_PRODUCT
from kehu_local.demo.people import DAYS
from kehu_local.demo.stage import Stage
from kehu_local.failures import Failed

__all__ = ["CAMPAIGN_DAYS", "MESSAGE", "SEGMENTS", "SEGMENTS_DAY", "publish_segments", "run_campaigns"]

SEGMENTS_DAY: Final = DAYS - 80
IN_FORCE_LOOKS: Final = 240

MESSAGE: Final = "{{ salutation }}，一年期定期存款 {{ product }} 现已开放办理，利率以网点公示为准。退订回复T。"

SEGMENTS: Final[tuple[tuple[str, str, dict[str, Any]], ...]] = (
    (
        "GOLD",
        "金卡或高余额客户",
        {
            "type": "or",
            "rules": [
                {"type": "product", "where": {"product_code": ["DC-GOLD"]}},
                {"type": "balance", "aggregate": "any", "days": 90, "operator": ">=", "value": "100000"},
            ],
        },
    ),
    (
        "ACTIVE-30",
        "近三十天活跃个人客户",
        {
            "type": "and",
            "rules": [
                {"type": "attribute", "name": "kind", "operator": "=", "value": "individual"},
                {"type": "transaction", "aggregate": "count", "days": 30, "operator": ">=", "value": "2"},
            ],
        },
    ),
    (
        "NO-WEALTH",
        "尚无理财的长期客户",
        {
            "type": "and",
            "rules": [
                {"type": "attribute", "name": "tenure_days", "operator": ">=", "value": 365},
                {"type": "balance", "aggregate": "max", "days": 180, "operator": ">=", "value": "50000"},
                {"type": "not", "rule": {"type": "product", "where": {"product_class": ["wealth"]}}},
            ],
        },
    ),
)

# Code, name, segment, channel, holdout, first day, last day, how far it gets.
_CAMPAIGNS: Final = (
    ("TD-SPRING", "定期存款焕新季", "GOLD", "sms", 1000, DAYS - 60, DAYS - 33, "running"),
    ("TD-APP", "手机银行专属存款", "ACTIVE-30", "push", 0, DAYS - 27, DAYS - 9, "running"),
    ("TD-NOW", "岁末稳健储蓄计划", "NO-WEALTH", "sms", 1000, DAYS - 5, DAYS + 25, "running"),
    ("TD-REVIEW", "新客专享存款", "ACTIVE-30", "sms", 500, DAYS - 3, DAYS + 40, "in_review"),
    ("TD-DRAFT", "春节存款活动（草稿）", "GOLD", "sms", 0, DAYS - 3, DAYS + 60, "draft"),
)
CAMPAIGN_DAYS: Final = tuple(sorted({campaign[5] for campaign in _CAMPAIGNS}))


async def publish_segments(actors: Actors) -> dict[str, str]:
    """Write and publish the segments, and wait until every customer has been judged by them."""
    ids: dict[str, str] = {}
    for code, name, rule in SEGMENTS:
        segment = await actors.post(
            "marketer", "/segments", {"code": code, "name": name, "rule": rule}, key=f"segment-{code}"
        )
        ids[code] = segment["segment_id"]
        await actors.post("marketer", f"/segments/{ids[code]}/publications", None, key=f"publish-{code}")
    for code, segment_id in ids.items():
        await _in_force(actors, code, segment_id)
    return ids


async def _in_force(actors: Actors, code: str, segment_id: str) -> None:
    for _ in range(IN_FORCE_LOOKS):
        publications = await actors.get("marketer", f"/segments/{segment_id}/publications")
        if publications["items"][0]["state"] == "in_force":
            return
        await asyncio.sleep(0.5)
    raise Failed(f"The segment {code} did not come into force.", "See the log of the segmentation worker.")


async def run_campaigns(actors: Actors, stage: Stage, segments: dict[str, str], day: int) -> None:
    """Plan what begins on a day and take it as far as it is to get."""
    for code, name, segment, channel, holdout, first, last, state in _CAMPAIGNS:
        if first != day:
            continue
        body = {
            "code": code,
            "name": name,
            "objective": "留住到期资金，提高定期存款占比",
            "channel": channel,
            "product_code": CAMPAIGN_PRODUCT,
            "message": MESSAGE,
            "audience": {"any_of": [segments[segment]]},
            "holdout_basis_points": holdout,
            "starts_at": stage.instant(first).isoformat(),
            "ends_at": (stage.instant(last) + timedelta(hours=8)).isoformat(),
            "conversion_window_days": 30,
            "target_conversions": 40,
            "target_amount": "6000000.00",
        }
        campaign = await actors.post("marketer", "/campaigns", body, key=f"campaign-{code}")
        path = f"/campaigns/{campaign['id']}"
        if state != "draft":
            await actors.post("marketer", f"{path}/submissions", None, key=f"submit-{code}")
        if state == "running":
            await actors.post("compliance", f"{path}/approvals", {"note": "文案合规"}, key=f"approve-{code}")
