"""How rows of cases become answers: clocks beside the case, secrets opened for those who may read them."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from kehu_chassis.auth import Principal
from kehu_chassis.database import Record
from kehu_chassis.paging import PageRows
from kehu_chassis.problems import NotFound
from kehu_complaints.cases import queries
from kehu_complaints.cases.rules import is_recused, possible_actions
from kehu_complaints.cases.secrets import NARRATIVE, open_text, place_of_note
from kehu_complaints.deps import Desk, Office
from kehu_contracts.codes import ComplaintState

__all__ = ["case_view", "history_view", "summaries", "summary"]

_CLOCK = ("rule_id", "status", "due_on", "due_at", "provisional")


async def case_view(desk: Desk, complaint_id: UUID, actor: Principal) -> dict[str, Any]:
    """A case with its narrative, which the person complained about does not see.

    Raises:
        NotFound: there is no such case in reach.
    """
    case = await queries.find_case(desk.tx, complaint_id)
    if case is None:
        raise NotFound
    recused = is_recused(actor.staff_id, case["accused_staff_id"])
    return {
        **summary(case, desk.now),
        "narrative": None if recused else open_text(desk.office.envelope, case, NARRATIVE, case["narrative"]),
        "accused_staff_id": case["accused_staff_id"],
        "outcome": case["outcome"],
        "possible_actions": [] if recused else possible_actions(ComplaintState(case["state"])),
        "changed_at": case["changed_at"],
        "version": case["version"],
    }


def summary(row: Record, now: datetime) -> dict[str, Any]:
    """A case of a list."""
    statutory = _deadline(row, "statutory", now)
    return {
        **dict(row.items()),
        "overdue": statutory is not None and statutory["overdue"],
        "statutory": statutory,
        "internal": _deadline(row, "internal", now),
    }


def summaries(page: PageRows, now: datetime) -> dict[str, Any]:
    """A page of cases."""
    return {"items": [summary(row, now) for row in page["items"]], "next_cursor": page["next_cursor"]}


def history_view(office: Office, case: Record, page: PageRows, actor: Principal) -> dict[str, Any]:
    """A page of a case's history; its notes are withheld from the person complained about."""
    recused = is_recused(actor.staff_id, case["accused_staff_id"])
    items = [
        {
            **dict(row.items()),
            "note": None if recused else open_text(office.envelope, case, place_of_note(row["position"]), row["note"]),
        }
        for row in page["items"]
    ]
    return {"items": items, "next_cursor": page["next_cursor"]}


def _deadline(row: Record, name: str, now: datetime) -> dict[str, Any] | None:
    if row[f"{name}_rule_id"] is None:
        return None
    values = {column: row[f"{name}_{column}"] for column in _CLOCK}
    due_by_now = values["status"] == "running" and values["due_at"] <= now
    return {**values, "overdue": row[f"{name}_overdue"] or due_by_now}
