"""HTTP surface of clocks."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from kehu_chassis.http import router
from kehu_chassis.problems import NotFound, problems
from kehu_complaints.cases.queries import find_case
from kehu_complaints.clocks.schemas import ClockOut
from kehu_complaints.clocks.views import clock_view
from kehu_complaints.deps import AtDesk, Reader

__all__ = ["clock_routes"]

clock_routes = router("/complaints", tags=["clocks"])


@clock_routes.get("/{complaint_id}/clock", response_model=ClockOut, responses=problems(404))
async def read_clocks(complaint_id: UUID, _actor: Reader, desk: AtDesk) -> dict[str, Any]:
    """The case's clocks, the ledger that proves them, and who may extend to what date."""
    case = await find_case(desk.tx, complaint_id)
    if case is None:
        raise NotFound
    return await clock_view(desk.tx, desk.office.rulebook, case, desk.now)
