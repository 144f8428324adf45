"""Extensions: asked for by the handler, approved by another person where the pack says so, in effect once told."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import update

from kehu_chassis import audit
from kehu_chassis.auth import Principal
from kehu_chassis.columns import new_id
from kehu_chassis.database import Record, Transaction
from kehu_chassis.problems import NotFound
from kehu_complaints.cases.rules import is_recused
from kehu_complaints.cases.secrets import open_text, seal_text
from kehu_complaints.cases.service import Act, NewLine, add_line, lock_for_action, queue_place
from kehu_complaints.clocks import queries as clock_queries
from kehu_complaints.clocks import service as clocks
from kehu_complaints.clocks.model import EntryKind, LedgerEntry
from kehu_complaints.clocks.rules import offers
from kehu_complaints.clocks.service import Author, CaseRef, Reading, read_clock
from kehu_complaints.deps import Desk, Office
from kehu_complaints.extensions import queries
from kehu_complaints.extensions.rules import (
    ExtensionRefused,
    Reason,
    RequestState,
    check_request,
    check_time_left,
    is_same_person,
)
from kehu_complaints.extensions.schemas import NoticeIn
from kehu_complaints.extensions.tables import extensions
from kehu_complaints.problems import ExtensionOwnRequest, ExtensionUnavailable, wrong_field

__all__ = ["approve", "give_notice", "refuse", "request", "view"]

_WORDS: Final[Mapping[Reason, tuple[str, str]]] = {
    Reason.NO_CLOCK: ("Only a complaint has a statutory clock.", "仅投诉适用法定时限。"),
    Reason.STOPPED: ("The clock has stopped.", "时限已停止计算。"),
    Reason.TOO_LATE: ("The time has run out.", "已超过办理期限。"),
    Reason.ALREADY_USED: ("It is in effect already.", "该延期已生效。"),
    Reason.OUT_OF_TURN: ("Another extension has to come first.", "须先适用前一种延期。"),
    Reason.IN_REVIEW: ("A review cannot be extended.", "核查期限不能延长。"),
    Reason.PENDING: ("It was asked for already.", "该延期申请正在办理。"),
    Reason.NOT_PENDING: ("There is nothing left to do about it.", "该延期申请已办结。"),
}
_ADD: Final = extensions.insert().returning(extensions)


async def request(desk: Desk, complaint_id: UUID, code: str, reason: str, act: Act) -> Record:
    """Ask for an extension. One that needs neither approval nor notice is in effect at once.

    Raises:
        NotFound, Recused: as for any action on the case.
        ValidationProblem: the pack has no such extension.
        ExtensionUnavailable: it cannot be had now.
    """
    case = await lock_for_action(desk.tx, complaint_id, act.actor)
    reading = await _statutory(desk, complaint_id)
    extension = reading.pack.extension(code)
    if extension is None:
        known = ", ".join(one.code for one in reading.pack.extensions) or "none"
        raise wrong_field(
            "/code", "unknown_extension", f"{reading.pack.id} has: {known}", f"{reading.pack.id} 规定的延期：{known}"
        )
    pending = [
        row["code"]
        for row in await queries.extensions_of(desk.tx, complaint_id)
        if row["state"] in {RequestState.REQUESTED, RequestState.APPROVED}
    ]
    calendar = desk.office.rulebook.library.latest_calendar(reading.pack.calendar)
    try:
        available = offers(reading.clock, reading.pack, calendar, act.at)
        check_request(reading.clock, extension, available, act.at, pending)
    except ExtensionRefused as refused:
        raise _unavailable(refused.reason) from None
    extension_id = new_id()
    at_once = not extension.approval
    state = RequestState.REQUESTED
    if at_once:
        state = RequestState.APPROVED if extension.notice else RequestState.IN_EFFECT
    row = await desk.tx.one(
        _ADD,
        {
            "extension_id": extension_id,
            "complaint_id": complaint_id,
            "code": code,
            "state": state,
            "reason": seal_text(desk.office.envelope, case, _place(extension_id), reason),
            "requested_at": desk.now,
            "requested_by": act.actor.subject,
            "requested_staff_id": act.actor.staff_id,
        },
    )
    kind = EntryKind.EXTENSION_GRANTED if at_once else None
    await _write_line(desk, case, row, "extension_requested", act, kind=kind)
    return row


async def approve(desk: Desk, complaint_id: UUID, extension_id: UUID, notice: NoticeIn | None, act: Act) -> Record:
    """Approve an extension that another person asked for. It takes effect when the complainant has been told.

    Raises:
        ExtensionOwnRequest: the caller asked for it.
        ExtensionUnavailable: it is not pending, or the time has run out.
    """
    case, row = await _lock(desk.tx, complaint_id, extension_id, act.actor)
    _check_decider(row, act.actor)
    reading = await _check_pending(desk, row, RequestState.REQUESTED, act.at)
    extension = reading.pack.extension(row["code"])
    assert extension is not None
    state = RequestState.APPROVED if extension.notice else RequestState.IN_EFFECT
    row = await _change(desk.tx, row, state=state, **_decided(desk, act))
    case = await _write_line(desk, case, row, "extension_approved", act, kind=EntryKind.EXTENSION_GRANTED)
    if notice is not None and extension.notice:
        row = await _tell(desk, case, row, notice, act)
    return row


async def refuse(desk: Desk, complaint_id: UUID, extension_id: UUID, act: Act) -> Record:
    """Refuse an extension that another person asked for; the due date stays.

    Raises:
        ExtensionOwnRequest: the caller asked for it.
        ExtensionUnavailable: it is not pending.
    """
    case, row = await _lock(desk.tx, complaint_id, extension_id, act.actor)
    _check_decider(row, act.actor)
    if row["state"] != RequestState.REQUESTED:
        raise _unavailable(Reason.NOT_PENDING)
    row = await _change(desk.tx, row, state=RequestState.REFUSED, **_decided(desk, act))
    await _write_line(desk, case, row, "extension_refused", act)
    return row


async def give_notice(desk: Desk, complaint_id: UUID, extension_id: UUID, notice: NoticeIn, act: Act) -> Record:
    """Record that the complainant was told of an approved extension, which takes effect with that.

    Raises:
        ExtensionUnavailable: it is not approved, or the time had run out by then.
    """
    case, row = await _lock(desk.tx, complaint_id, extension_id, act.actor)
    return await _tell(desk, case, row, notice, act)


def view(office: Office, case: Record, row: Record, actor: Principal) -> dict[str, Any]:
    """An extension as an answer."""
    reason = None
    if not is_recused(actor.staff_id, case["accused_staff_id"]):
        reason = open_text(office.envelope, case, _place(row["extension_id"]), row["reason"])
    return {**dict(row.items()), "reason": reason}


async def _tell(desk: Desk, case: Record, row: Record, notice: NoticeIn, act: Act) -> Record:
    told = Act(act.actor, notice.occurred_at or desk.now)
    if told.at > desk.now:
        raise wrong_field("/occurred_at", "in_the_future", "Lies in the future", "不能晚于当前时间")
    await _check_pending(desk, row, RequestState.APPROVED, told.at)
    row = await _change(desk.tx, row, state=RequestState.IN_EFFECT, notified_at=told.at, notice_channel=notice.channel)
    await _write_line(desk, case, row, "extension_notified", told, kind=EntryKind.EXTENSION_NOTIFIED)
    return row


async def _lock(tx: Transaction, complaint_id: UUID, extension_id: UUID, actor: Principal) -> tuple[Record, Record]:
    case = await lock_for_action(tx, complaint_id, actor)
    row = await queries.extension_of(tx, complaint_id, extension_id)
    if row is None:
        raise NotFound
    return case, row


def _check_decider(row: Record, actor: Principal) -> None:
    if is_same_person(actor.subject, actor.staff_id, row["requested_by"], row["requested_staff_id"]):
        raise ExtensionOwnRequest


async def _check_pending(desk: Desk, row: Record, expected: RequestState, at: datetime) -> Reading:
    if row["state"] != expected:
        raise _unavailable(Reason.NOT_PENDING)
    reading = await _statutory(desk, row["complaint_id"])
    try:
        check_time_left(reading.clock, at)
    except ExtensionRefused as refused:
        raise _unavailable(refused.reason) from None
    return reading


async def _statutory(desk: Desk, complaint_id: UUID) -> Reading:
    standing = (await clock_queries.clocks_of(desk.tx, complaint_id)).get("statutory")
    if standing is None:
        raise _unavailable(Reason.NO_CLOCK)
    ledger = [clock_queries.as_entry(row) for row in await clock_queries.entries_of(desk.tx, complaint_id)]
    return read_clock(desk.office.rulebook, standing, ledger)


async def _change(tx: Transaction, row: Record, **values: Any) -> Record:
    return await tx.one(
        update(extensions)
        .where(extensions.c.extension_id == row["extension_id"])
        .values(**values)
        .returning(extensions)
    )


async def _write_line(  # noqa: PLR0913 - Case, extension and what happened to it.
    desk: Desk, case: Record, row: Record, event: str, act: Act, *, kind: EntryKind | None = None
) -> Record:
    """Tell the clocks where they are concerned, and write history and audit."""
    author = Author.of(act.actor, desk.now)
    changes: dict[str, Any] = {}
    if kind is not None:
        entry = LedgerEntry(kind, act.at, row["code"])
        readings = await clocks.add_entry(desk.tx, desk.office.rulebook, CaseRef.of(case), entry, author)
        changes["queue_at"] = queue_place(readings)
    details = {"extension_id": str(row["extension_id"]), "code": row["code"], "state": row["state"]}
    line = NewLine(event, act.at, author, changes=changes, details=details, note=act.note)
    changed = await add_line(desk, case, line)
    await audit.record(
        desk.tx,
        actor=act.actor,
        action=f"complaint.{event}",
        resource=("complaint", case["complaint_id"]),
        at=desk.now,
        details=details,
    )
    return changed


def _decided(desk: Desk, act: Act) -> dict[str, Any]:
    return {"decided_at": desk.now, "decided_by": act.actor.subject, "decided_staff_id": act.actor.staff_id}


def _unavailable(reason: Reason) -> ExtensionUnavailable:
    english, chinese = _WORDS[reason]
    return ExtensionUnavailable(english, detail_zh=chinese)


def _place(extension_id: UUID) -> str:
    return f"extensions.reason/{extension_id}"
