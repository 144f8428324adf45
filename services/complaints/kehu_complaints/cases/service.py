"""What is done to a case: one function per business action.

Each locks the case, decides by `rules`, writes the ledger of its clocks where they are concerned, changes the row, adds one
line to the history and states its events.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select, update

from kehu_chassis import audit, outbox
from kehu_chassis.auth import Principal
from kehu_chassis.columns import new_id
from kehu_chassis.database import Record, Transaction
from kehu_chassis.http import check_version
from kehu_chassis.problems import NotFound
from kehu_complaints.cases import queries
from kehu_complaints.cases.data import categories
from kehu_complaints.cases.rules import (
    LEDGER_ENTRIES,
    Kind,
    TransitionRefused,
    is_open,
    is_recused,
    next_state,
)
from kehu_complaints.cases.schemas import ComplaintChangeIn, ComplaintIn
from kehu_complaints.cases.secrets import NARRATIVE, place_of_note, seal_text
from kehu_complaints.cases.tables import COMPLAINT_NUMBERS, complaint_history, complaints
from kehu_complaints.clocks import queries as clock_queries
from kehu_complaints.clocks import service as clocks
from kehu_complaints.clocks.model import EntryKind, LedgerEntry
from kehu_complaints.clocks.rules import Status, is_overdue, review_until
from kehu_complaints.clocks.service import Author, CaseRef, Reading
from kehu_complaints.deps import Desk
from kehu_complaints.problems import Recused, ReviewTooLate, TransitionImpossible, wrong_field
from kehu_contracts.codes import ComplaintAction as Action
from kehu_contracts.codes import ComplaintState as State
from kehu_contracts.complaint import ComplaintReceived, ComplaintStateChanged

__all__ = [
    "Act",
    "NewLine",
    "accept",
    "add_line",
    "change_case",
    "lock_for_action",
    "move",
    "pause",
    "queue_place",
    "receive",
    "request_review",
]

_END_OF_TIME: Final = datetime(9999, 1, 1, tzinfo=UTC)
_NUMBERS_ZONE: Final = ZoneInfo("Asia/Shanghai")
_NEXT_NUMBER: Final = select(COMPLAINT_NUMBERS.next_value())
_ADD_CASE: Final = complaints.insert().returning(complaints)
_ADD_HISTORY: Final = complaint_history.insert()


@dataclass(frozen=True, slots=True)
class Act:
    """Who did something, when it happened, and what they say of it."""

    actor: Principal
    at: datetime
    note: str | None = None


@dataclass(frozen=True, slots=True)
class NewLine:
    """A line of the history, and what it changes in the case's row."""

    event: str
    at: datetime
    author: Author
    to_state: State | None = None
    changes: Mapping[str, Any] = field(default_factory=dict)
    details: Mapping[str, Any] = field(default_factory=dict)
    note: str | None = None


async def receive(desk: Desk, given: ComplaintIn, act: Act) -> UUID:
    """Take in a complaint, enquiry or suggestion; a complaint's clocks start with its receipt.

    Raises:
        ValidationProblem: category, customer, unit or accused are not known here, or the receipt lies in the future.
    """
    _not_in_the_future(desk, act.at, "/received_at")
    unit_id = await _unit_for(desk.tx, given, act.actor)
    await _check_references(desk.tx, given)
    wrapped, key = desk.office.envelope.new_data_key()
    complaint_id = new_id()
    author = Author.of(act.actor, desk.now)
    values = {
        "complaint_id": complaint_id,
        "complaint_number": await _number(desk.tx, act.at),
        "kind": given.kind,
        "state": State.RECEIVED,
        "channel": given.channel,
        "category": given.category,
        "customer_id": given.customer_id,
        "unit_id": unit_id,
        "accused_staff_id": given.accused_staff_id,
        "received_at": act.at,
        "open": is_open(given.kind, State.RECEIVED),
        "queue_at": _END_OF_TIME,
        "narrative": desk.office.envelope.encrypt(key, given.narrative, f"{NARRATIVE}/{complaint_id}"),
        "key_id": wrapped.key_id,
        "wrapped_key": wrapped.wrapped,
        "created_by": act.actor.subject,
        "created_at": desk.now,
        "changed_at": desk.now,
    }
    case = await desk.tx.one(_ADD_CASE, values)
    outbox.add(desk.tx, _received(case), at=act.at)
    if given.kind is Kind.COMPLAINT:
        readings = await clocks.start_clocks(desk.tx, desk.office.rulebook, CaseRef.of(case), act.at, author)
        await desk.tx.execute(
            update(complaints).where(complaints.c.complaint_id == complaint_id).values(queue_at=queue_place(readings))
        )
    line = NewLine("received", act.at, author, State.RECEIVED, details={"kind": given.kind, "channel": given.channel})
    await _write_history(desk, case, line, position=1)
    await audit.record(
        desk.tx, actor=act.actor, action="complaint.received", resource=("complaint", complaint_id), at=desk.now
    )
    return complaint_id


async def accept(desk: Desk, complaint_id: UUID, handler_id: UUID | None, act: Act) -> None:
    """Take a complaint on and say who handles it: the caller, unless somebody else is named."""
    case = await lock_for_action(desk.tx, complaint_id, act.actor)
    chosen = handler_id or act.actor.staff_id
    await _check_handler(desk.tx, case, chosen, case["accused_staff_id"])
    changes = {"handler_id": chosen}
    await _move(desk, case, Action.ACCEPT, act, changes=changes, details={"handler_id": _text(chosen)})


async def pause(desk: Desk, complaint_id: UUID, basis: str, act: Act) -> None:
    """Let the clock stand still, on a ground that the pack of the case allows."""
    case = await lock_for_action(desk.tx, complaint_id, act.actor)
    standing = await clock_queries.clocks_of(desk.tx, complaint_id)
    if "statutory" in standing:
        law = standing["statutory"]
        pack = desk.office.rulebook.library.pack(law["pack_id"], law["pack_version"])
        allowed = [ground.code for ground in pack.pause.bases] if pack.pause.allowed else []
        if basis not in allowed:
            listed = ", ".join(allowed) or "none"
            raise wrong_field(
                "/basis", "unknown_basis", f"{pack.id} allows: {listed}", f"{pack.id} 允许的中止事由：{listed}"
            )
    await _move(desk, case, Action.PAUSE, act, code=basis, details={"basis": basis})


async def request_review(desk: Desk, complaint_id: UUID, act: Act) -> None:
    """The complainant asks for a review, which is possible for so many days after the notification.

    Raises:
        ReviewTooLate: they have passed.
    """
    case = await lock_for_action(desk.tx, complaint_id, act.actor)
    standing = await clock_queries.clocks_of(desk.tx, complaint_id)
    ledger = [clock_queries.as_entry(row) for row in await clock_queries.entries_of(desk.tx, complaint_id)]
    if case["state"] == State.NOTIFIED and "statutory" in standing:
        law = standing["statutory"]
        pack = desk.office.rulebook.library.pack(law["pack_id"], law["pack_version"])
        last_day = review_until(ledger, pack)
        if last_day is not None and act.at.astimezone(ZoneInfo(pack.zone)).date() > last_day:
            raise ReviewTooLate(
                f"The last day was {last_day.isoformat()}.", detail_zh=f"最后期限为{last_day.isoformat()}。"
            )
    await _move(desk, case, Action.REQUEST_REVIEW, act)


async def move(  # noqa: PLR0913 - What an action changes beside the state is given by its route.
    desk: Desk,
    complaint_id: UUID,
    action: Action,
    act: Act,
    *,
    changes: Mapping[str, Any] | None = None,
    details: Mapping[str, Any] | None = None,
) -> None:
    """Do an action that needs no more than the state's permission.

    Raises:
        NotFound: there is no such case in reach.
        Recused: the caller is the one complained about.
        TransitionImpossible: the state does not allow it.
    """
    case = await lock_for_action(desk.tx, complaint_id, act.actor)
    await _move(desk, case, action, act, changes=changes, details=details)


async def change_case(desk: Desk, complaint_id: UUID, given: ComplaintChangeIn, expected: int, act: Act) -> None:
    """Correct category, handler or accused. A handler who turns out to be the accused is released.

    Raises:
        PreconditionFailed: the case has changed since the caller read it.
        ValidationProblem: category or staff are not known here.
    """
    case = await lock_for_action(desk.tx, complaint_id, act.actor)
    check_version(case["version"], expected)
    changes = given.model_dump(exclude_unset=True)
    if "category" in changes:
        _check_category(given.category)
    accused = changes.get("accused_staff_id", case["accused_staff_id"])
    if changes.get("accused_staff_id") is not None:
        await _check_staff(desk.tx, changes["accused_staff_id"], "/accused_staff_id")
        if accused == case["handler_id"] and "handler_id" not in changes:
            changes["handler_id"] = None
    if changes.get("handler_id") is not None:
        await _check_handler(desk.tx, case, changes["handler_id"], accused)
    line = NewLine(
        "changed", desk.now, Author.of(act.actor, desk.now), changes=changes, details={"fields": sorted(changes)}
    )
    await add_line(desk, case, line)
    await audit.record(
        desk.tx,
        actor=act.actor,
        action="complaint.changed",
        resource=("complaint", complaint_id),
        at=desk.now,
        details={name: _text(value) for name, value in changes.items()},
    )


async def lock_for_action(tx: Transaction, complaint_id: UUID, actor: Principal) -> Record:
    """The case, locked for a change by this person.

    Raises:
        NotFound: there is no such case in reach.
        Recused: the caller is the one complained about.
    """
    case = await queries.lock_case(tx, complaint_id)
    if case is None:
        raise NotFound
    if is_recused(actor.staff_id, case["accused_staff_id"]):
        raise Recused
    return case


async def add_line(desk: Desk, case: Record, line: NewLine) -> Record:
    """Change the locked case's row and write the line of its history that says so; gives the row as it now stands."""
    changed = await desk.tx.one(
        update(complaints)
        .where(complaints.c.complaint_id == case["complaint_id"])
        .values(**line.changes, changed_at=line.author.now, version=complaints.c.version + 1)
        .returning(complaints)
    )
    await _write_history(desk, case, line, position=changed["version"])
    return changed


def queue_place(readings: Mapping[str, Reading]) -> datetime:
    """Where the queue shows the case: at its statutory due moment, or at the end when that clock has stopped."""
    reading = readings.get("statutory")
    if reading is None or reading.clock.status is Status.STOPPED:
        return _END_OF_TIME
    return reading.clock.deadline.due_at


async def _move(  # noqa: PLR0913 - The same.
    desk: Desk,
    case: Record,
    action: Action,
    act: Act,
    *,
    changes: Mapping[str, Any] | None = None,
    details: Mapping[str, Any] | None = None,
    code: str | None = None,
) -> None:
    _not_in_the_future(desk, act.at, "/occurred_at")
    before, kind = State(case["state"]), Kind(case["kind"])
    try:
        after = next_state(before, action)
    except TransitionRefused as refused:
        raise TransitionImpossible(
            f"{refused.action} is not possible in state {refused.state}.",
            detail_zh=f"状态 {refused.state} 下不能执行 {refused.action}。",
        ) from None
    author = Author.of(act.actor, desk.now)
    moved: dict[str, Any] = {**(changes or {}), "state": after, "open": is_open(kind, after)}
    told = dict(details or {})
    if kind is Kind.COMPLAINT and action in LEDGER_ENTRIES:
        entry = LedgerEntry(LEDGER_ENTRIES[action], act.at, code)
        readings = await clocks.add_entry(desk.tx, desk.office.rulebook, CaseRef.of(case), entry, author)
        moved["queue_at"] = queue_place(readings)
        told.update(_lateness(readings, entry.kind, desk.now))
    await add_line(desk, case, NewLine(action, act.at, author, after, moved, told, act.note))
    outbox.add(desk.tx, _state_changed(case, action, before, after, act.at), at=act.at)
    await audit.record(
        desk.tx,
        actor=act.actor,
        action=f"complaint.{action}",
        resource=("complaint", case["complaint_id"]),
        at=desk.now,
        details={"from": before, "to": after},
    )


def _lateness(readings: Mapping[str, Reading], kind: EntryKind, now: datetime) -> dict[str, Any]:
    """Which clocks this entry stopped too late."""
    late = [
        name
        for name, reading in readings.items()
        if reading.clock.stopped_by is kind and is_overdue(reading.clock, now)
    ]
    return {"late": late} if late else {}


async def _write_history(desk: Desk, case: Record, line: NewLine, *, position: int) -> None:
    await desk.tx.execute(
        _ADD_HISTORY,
        {
            "complaint_id": case["complaint_id"],
            "position": position,
            "event": line.event,
            "from_state": None if line.event == "received" or line.to_state is None else case["state"],
            "to_state": line.to_state,
            "at": line.at,
            "recorded_at": line.author.now,
            "actor": line.author.actor,
            "staff_id": line.author.staff_id,
            "details": dict(line.details),
            "note": seal_text(desk.office.envelope, case, place_of_note(position), line.note),
        },
    )


async def _number(tx: Transaction, received_at: datetime) -> str:
    day = received_at.astimezone(_NUMBERS_ZONE).date()
    return f"CP{day:%Y%m%d}{await tx.scalar(_NEXT_NUMBER):06d}"


async def _unit_for(tx: Transaction, given: ComplaintIn, actor: Principal) -> UUID:
    """The unit that handles the case; customer and unit must lie in the caller's reach."""
    owning: UUID | None = None
    if given.customer_id is not None:
        customer = await queries.customer_unit(tx, given.customer_id)
        if customer is None:
            raise wrong_field("/customer_id", "unknown_customer", "No such customer is known here", "未找到该客户")
        owning = customer["unit_id"]
    unit_id = given.unit_id or owning
    if unit_id is None and actor.staff_id is not None:
        unit_id = await queries.unit_of_staff(tx, actor.staff_id)
    if unit_id is None:
        raise wrong_field("/unit_id", "required", "Name the unit that handles the case", "请指定受理机构")
    if not await queries.reachable_unit(tx, unit_id):
        raise wrong_field("/unit_id", "unknown_unit", "No such unit is known here", "未找到该机构")
    return unit_id


async def _check_references(tx: Transaction, given: ComplaintIn) -> None:
    _check_category(given.category)
    if given.accused_staff_id is not None:
        await _check_staff(tx, given.accused_staff_id, "/accused_staff_id")


def _check_category(code: str | None) -> None:
    if code not in categories():
        raise wrong_field("/category", "unknown_category", "No such category", "没有该投诉类别")


async def _check_staff(tx: Transaction, staff_id: UUID, pointer: str) -> None:
    if not await queries.is_active_staff(tx, staff_id):
        raise wrong_field(pointer, "unknown_staff", "No such member of staff works here", "未找到该员工")


async def _check_handler(tx: Transaction, case: Record, handler_id: UUID | None, accused_staff_id: UUID | None) -> None:
    if handler_id is None:
        return
    if is_recused(handler_id, accused_staff_id):
        raise Recused
    await _check_staff(tx, handler_id, "/handler_id")
    if not await queries.reaches_unit(tx, handler_id, case["unit_id"]):
        raise wrong_field(
            "/handler_id", "handler_out_of_reach", "Works in another branch than the case's", "该员工不在案件所属机构"
        )


def _not_in_the_future(desk: Desk, at: datetime, pointer: str) -> None:
    if at > desk.now:
        raise wrong_field(pointer, "in_the_future", "Lies in the future", "不能晚于当前时间")


def _received(case: Record) -> ComplaintReceived:
    return ComplaintReceived(
        complaint_id=case["complaint_id"],
        complaint_number=case["complaint_number"],
        customer_id=case["customer_id"],
        kind=case["kind"],
        channel=case["channel"],
        category=case["category"],
        unit_id=case["unit_id"],
        received_at=case["received_at"],
        open=case["open"],
    )


def _state_changed(case: Record, action: Action, before: State, after: State, at: datetime) -> ComplaintStateChanged:
    return ComplaintStateChanged(
        complaint_id=case["complaint_id"],
        complaint_number=case["complaint_number"],
        customer_id=case["customer_id"],
        action=action,
        from_state=before,
        to_state=after,
        changed_at=at,
        open=is_open(Kind(case["kind"]), after),
    )


def _text(value: UUID | str | None) -> str | None:
    return None if value is None else str(value)
