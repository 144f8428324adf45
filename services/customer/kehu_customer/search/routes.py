"""HTTP: exact search. Values stand in the body, so that no access log holds them."""

from __future__ import annotations

from typing import Any

from kehu_chassis.http import Now, Tx, router
from kehu_customer.deeds import Deed
from kehu_customer.deps import CustomerReader, Safe
from kehu_customer.identity.rules import DocumentRefused
from kehu_customer.parties.problems import value_problem
from kehu_customer.parties.rules import ValueRefused
from kehu_customer.parties.views import View
from kehu_customer.search import service
from kehu_customer.search.schemas import LookupIn, LookupOut

__all__ = ["routes"]

routes = router("/customers", tags=["customers"])


@routes.post("/lookups", response_model=LookupOut)
async def look_up_customers(body: LookupIn, reader: CustomerReader, tx: Tx, safe: Safe, now: Now) -> dict[str, Any]:
    """Find customers in the caller's reach by an exact phone, e-mail, WeChat id, document or customer number. Audited."""
    try:
        found = await service.look_up(tx, Deed(safe, reader, now), body.type, body.value)
    except DocumentRefused as refused:
        raise value_problem(ValueRefused(refused.code, refused.detail), "/value") from None
    except ValueRefused as refused:
        raise value_problem(refused, "/value") from None
    view = View.of(safe, reader)
    return {"items": [view.summary(row) for row in found]}
