"""The waterfall of a campaign before its launch: whom the gate would let through, and why not the others."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from kehu_campaigns.audience import queries
from kehu_campaigns.gate import service as gate
from kehu_campaigns.gate.policy import GatePolicy
from kehu_campaigns.gate.service import Ask
from kehu_campaigns.plans.queries import find_campaign
from kehu_chassis.database import Database
from kehu_chassis.scope import EVERYTHING, Scope

__all__ = ["waterfall"]

_SLICE: Final = 5_000


async def waterfall(
    database: Database, scope: Scope, campaign_id: UUID, *, policy: GatePolicy, now: datetime
) -> dict[str, Any]:
    """Ask the gate about everybody on current data, writing nothing. Totals of all customers, as in the funnel.

    Consent is what was last heard of it, and everybody is taken to be reachable: the last word is asked for when sending.

    Raises:
        NotFound: the campaign is out of the caller's scope, or there is none.
    """
    async with database.begin(scope=scope, read_only=True) as tx:
        campaign = await find_campaign(tx, campaign_id)
    reasons: Counter[str] = Counter()
    async with database.begin(scope=EVERYTHING, read_only=True) as tx:
        after: UUID | None = None
        while chosen := await queries.select_some(tx, campaign, after=after, limit=_SLICE):
            assessed = await gate.assess(tx, Ask.of_campaign(campaign), chosen, policy=policy, now=now)
            reasons.update(verdict.reason for _, verdict in assessed.values())
            after = chosen[-1]
    return {"campaign_id": campaign_id, "audience": reasons.total(), "reasons": reasons}
