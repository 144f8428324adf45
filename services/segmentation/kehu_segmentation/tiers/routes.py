"""HTTP: the tier scheme."""

from __future__ import annotations

from typing import Annotated, Any

from kehu_chassis.auth import Principal
from kehu_chassis.http import Now, Tx, requires, router
from kehu_contracts.access import Permission
from kehu_segmentation.tiers import queries
from kehu_segmentation.tiers.schemas import TierSchemeOut

__all__ = ["routes"]

routes = router("/tiers", tags=["tiers"])
Reader = Annotated[Principal, requires(Permission.SEGMENT_READ)]


@routes.get("", response_model=TierSchemeOut)
async def get_tiers(_: Reader, tx: Tx, now: Now) -> dict[str, Any]:
    """The value tiers with their terms, and how many customers within the caller's scope stand in each."""
    return await queries.describe_tiers(tx, now=now)
