"""HTTP: the features of a customer."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import Query

from kehu_chassis.auth import Principal
from kehu_chassis.http import Now, Tx, requires, router
from kehu_chassis.problems import problems
from kehu_chassis.schemas import Moment
from kehu_contracts.access import Permission
from kehu_segmentation.features import queries
from kehu_segmentation.features.schemas import FeaturesOut

__all__ = ["AsOf", "routes"]

routes = router("/customers", tags=["features"])
Reader = Annotated[Principal, requires(Permission.SEGMENT_READ)]
AsOf = Annotated[Moment | None, Query(description="A moment with its zone; now when it is not given")]


@routes.get("/{customer_id}/features", response_model=FeaturesOut, responses=problems(404))
async def get_features(customer_id: UUID, _: Reader, tx: Tx, now: Now, as_of: AsOf = None) -> dict[str, Any]:
    """Assets by product class, turnover in 30, 90 and 365 days, products and tenure, as of a moment."""
    return await queries.features_of(tx, customer_id, as_of=as_of or now)
