"""HTTP: messages of a campaign."""

from __future__ import annotations

from uuid import UUID

from kehu_campaigns.delivery import queries
from kehu_campaigns.delivery.schemas import MessageOut
from kehu_campaigns.deps import Reader
from kehu_campaigns.plans.queries import find_campaign
from kehu_chassis.http import Tx, router
from kehu_chassis.paging import CursorQuery, Page, PageRows
from kehu_chassis.problems import problems
from kehu_contracts.codes import DeliveryState

__all__ = ["routes"]

routes = router("/campaigns", tags=["campaigns"])


@routes.get("/{campaign_id}/messages", response_model=Page[MessageOut], responses=problems(404))
async def list_campaign_messages(
    campaign_id: UUID, _: Reader, tx: Tx, page: CursorQuery, state: DeliveryState | None = None
) -> PageRows:
    """List the messages to customers in reach, the newest first."""
    await find_campaign(tx, campaign_id)
    return await queries.list_messages(tx, campaign_id, page, state=state)
