"""The clock engine: due dates as a pure function of ledger, pack and calendar.

Nothing here knows the present. What a clock says "now" (day 9 of 15, overdue) takes the moment as an argument.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum

from kehu_complaints.clocks.calendars import DAY, Calendar, instant_at, local_date
from kehu_complaints.clocks.model import EntryKind, Extension, LedgerEntry, Limit, Pack, Unit

__all__ = ["Clock", "Deadline", "Offer", "Status", "evaluate", "is_overdue", "offers", "review_until", "used"]


class Status(StrEnum):
    """Whether time runs."""

    RUNNING = "running"
    PAUSED = "paused"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Pause:
    """Time that does not count; open while it lasts."""

    began_at: datetime
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Deadline:
    """The last moment. A thing done at `due_at` or later is late; `due_on` is the last day where days are counted."""

    due_at: datetime
    due_on: date | None
    provisional: bool
    """The working calendar's facts do not reach all the days that were counted."""


@dataclass(frozen=True, slots=True)
class Clock:
    """One run of a clock: from a start, by a limit, to a stop."""

    started_at: datetime
    limit: Limit
    deadline: Deadline
    granted: tuple[str, ...] = ()
    """Extensions that were granted and wait for the notice to the complainant."""
    extensions: tuple[str, ...] = ()
    """Extensions in effect."""
    pauses: tuple[Pause, ...] = ()
    stopped_at: datetime | None = None
    stopped_by: EntryKind | None = None

    @property
    def status(self) -> Status:
        """Whether time runs."""
        if self.stopped_at is not None:
            return Status.STOPPED
        return Status.PAUSED if self.pauses and self.pauses[-1].ended_at is None else Status.RUNNING


def evaluate(ledger: Iterable[LedgerEntry], pack: Pack, calendar: Calendar) -> Clock:
    """The clock as it stands after the last entry.

    An entry that has no effect under the pack is passed over: a pause that the law does not know, an extension of another
    clock, anything that comes when time has already run out. The ledger must begin with the receipt.
    """
    entries = iter(ledger)
    first = next(entries, None)
    if first is None or first.kind is not EntryKind.RECEIVED:
        msg = "a clock ledger begins with the receipt"
        raise ValueError(msg)
    clock = _start(first.at, pack.base, pack, calendar)
    for entry in entries:
        clock = _apply(clock, entry, pack, calendar)
    return clock


def is_overdue(clock: Clock, now: datetime) -> bool:
    """Whether the clock ran out before it was stopped, or has by now. A paused clock does not run out."""
    if clock.status is Status.PAUSED:
        return False
    return (clock.stopped_at or now) >= clock.deadline.due_at


def used(clock: Clock, now: datetime, pack: Pack, calendar: Calendar) -> int:
    """How much of the limit has been used by `now`, in its unit: day 9 of 15. Weeks are told in days."""
    until = clock.stopped_at or now
    if clock.status is Status.PAUSED:
        until = min(until, clock.pauses[-1].began_at)
    if clock.limit.unit is Unit.MINUTES:
        return _minutes_between(clock, until, calendar)
    last = local_date(until, pack.zone)
    day, count = _first_day(clock.started_at, pack, calendar), 0
    while day <= last:
        count += _counts(day, clock, pack, calendar)
        day += DAY
    return count


@dataclass(frozen=True, slots=True)
class Offer:
    """An extension that can still be had, and the last moment that it would give."""

    extension: Extension
    deadline: Deadline
    ready: bool
    """Whether the extension that has to come before it is in effect."""


def offers(clock: Clock, pack: Pack, calendar: Calendar, now: datetime) -> tuple[Offer, ...]:
    """Who may still extend, and to what date. Nothing when time has run out or the clock is stopped."""
    if clock.status is Status.STOPPED or is_overdue(clock, now) or clock.limit.rule_id not in _extendable(pack):
        return ()
    found: list[Offer] = []
    extended = clock
    for extension in pack.extensions:
        if extension.code in clock.extensions:
            continue
        if extension.after is not None and extension.after not in extended.extensions:
            continue
        ready = extension.after is None or extension.after in clock.extensions
        trial = _extend(extended, extension, pack, calendar)
        found.append(Offer(extension, trial.deadline, ready))
        extended = trial
    return tuple(found)


def review_until(ledger: Sequence[LedgerEntry], pack: Pack) -> date | None:
    """The last day on which the complainant may ask for a review: so many days after the last notification."""
    notified = [entry.at for entry in ledger if entry.kind is EntryKind.NOTIFIED]
    if pack.review is None or not notified:
        return None
    return local_date(notified[-1], pack.zone) + pack.review.request_within_days * DAY


def _extendable(pack: Pack) -> set[str]:
    return {pack.base.rule_id, *(extension.rule_id for extension in pack.extensions)}


def _start(at: datetime, limit: Limit, pack: Pack, calendar: Calendar) -> Clock:
    blank = Clock(started_at=at, limit=limit, deadline=Deadline(at, None, provisional=False))
    return _recompute(blank, pack, calendar)


def _recompute(clock: Clock, pack: Pack, calendar: Calendar) -> Clock:
    return replace(clock, deadline=_deadline(clock, pack, calendar))


def _apply(clock: Clock, entry: LedgerEntry, pack: Pack, calendar: Calendar) -> Clock:
    if entry.kind is EntryKind.REOPENED:
        clock = _reopen(clock, entry.at, pack, calendar)
    elif entry.kind is EntryKind.REVIEW_REQUESTED and pack.review is not None:
        clock = _start(entry.at, pack.review.limit, pack, calendar)
    elif clock.status is Status.STOPPED:
        pass
    elif entry.kind in pack.stops_on or entry.kind is EntryKind.REVIEW_CONCLUDED:
        clock = replace(_resume(clock, entry.at, pack, calendar), stopped_at=entry.at, stopped_by=entry.kind)
    elif entry.kind is EntryKind.RESUMED:
        clock = _resume(clock, entry.at, pack, calendar)
    # Time that has run out comes back neither by a pause nor by an extension.
    elif is_overdue(clock, entry.at):
        pass
    elif entry.kind is EntryKind.PAUSED and pack.pause.allowed and clock.status is Status.RUNNING:
        clock = replace(clock, pauses=(*clock.pauses, Pause(entry.at)))
    elif entry.kind in {EntryKind.EXTENSION_GRANTED, EntryKind.EXTENSION_NOTIFIED} and entry.code is not None:
        clock = _grant(clock, entry.kind, pack.extension(entry.code), pack, calendar)
    return clock


def _reopen(clock: Clock, at: datetime, pack: Pack, calendar: Calendar) -> Clock:
    if pack.on_reopening == "restart":
        return _start(at, pack.base, pack, calendar)
    return replace(clock, stopped_at=None, stopped_by=None)


def _resume(clock: Clock, at: datetime, pack: Pack, calendar: Calendar) -> Clock:
    if clock.status is not Status.PAUSED:
        return clock
    pauses = (*clock.pauses[:-1], replace(clock.pauses[-1], ended_at=at))
    return _recompute(replace(clock, pauses=pauses), pack, calendar)


def _grant(clock: Clock, kind: EntryKind, extension: Extension | None, pack: Pack, calendar: Calendar) -> Clock:
    if extension is None or extension.code in clock.extensions or clock.limit.rule_id not in _extendable(pack):
        return clock
    if extension.after is not None and extension.after not in clock.extensions:
        return clock
    if extension.notice and kind is EntryKind.EXTENSION_GRANTED:
        return replace(clock, granted=(*clock.granted, extension.code))
    if kind is EntryKind.EXTENSION_NOTIFIED and extension.code not in clock.granted:
        return clock
    return _extend(clock, extension, pack, calendar)


def _extend(clock: Clock, extension: Extension, pack: Pack, calendar: Calendar) -> Clock:
    amount = extension.amount if extension.effect == "total" else clock.limit.amount + extension.amount
    return _recompute(
        replace(
            clock,
            limit=Limit(extension.rule_id, extension.unit, amount, extension.words),
            extensions=(*clock.extensions, extension.code),
            granted=tuple(code for code in clock.granted if code != extension.code),
        ),
        pack,
        calendar,
    )


def _deadline(clock: Clock, pack: Pack, calendar: Calendar) -> Deadline:
    if clock.limit.unit is Unit.MINUTES:
        return _minutes_deadline(clock, calendar)
    amount = clock.limit.amount * (7 if clock.limit.unit is Unit.WEEKS else 1)
    first = day = _first_day(clock.started_at, pack, calendar)
    remaining = amount - _counts(day, clock, pack, calendar)
    while remaining > 0:
        day += DAY
        remaining -= _counts(day, clock, pack, calendar)
    while pack.rolls_forward and not calendar.is_business_day(day):
        day += DAY
    relies = clock.limit.unit is Unit.BUSINESS_DAYS or pack.rolls_forward or pack.receipt_moves_to_business_day
    provisional = relies and not (calendar.covers(first) and calendar.covers(day))
    return Deadline(instant_at(day, pack.last_day_ends, pack.zone), day, provisional)


def _first_day(started_at: datetime, pack: Pack, calendar: Calendar) -> date:
    """The first day that can count."""
    day = local_date(started_at, pack.zone)
    while pack.receipt_moves_to_business_day and not calendar.is_business_day(day):
        day += DAY
    return day if pack.receipt_day_counts else day + DAY


def _counts(day: date, clock: Clock, pack: Pack, calendar: Calendar) -> bool:
    if clock.limit.unit is Unit.BUSINESS_DAYS and not calendar.is_business_day(day):
        return False
    return not any(_excludes(pause, day, pack) for pause in clock.pauses)


def _excludes(pause: Pause, day: date, pack: Pack) -> bool:
    if pause.ended_at is None:
        # An open pause excludes nothing yet: the due date that stands is the earliest that can be.
        return False
    began, ended = local_date(pause.began_at, pack.zone), local_date(pause.ended_at, pack.zone)
    return began <= day < ended or (began <= day == ended and not pack.pause.resume_day_counts)


def _free(begin: datetime, end: datetime, pauses: Sequence[Pause]) -> Iterable[tuple[datetime, datetime]]:
    """The parts of a working span outside all pauses, in order."""
    for pause in pauses:
        if pause.ended_at is None or pause.ended_at <= begin:
            continue
        if pause.began_at >= end:
            break
        if pause.began_at > begin:
            yield begin, pause.began_at
        begin = pause.ended_at
        if begin >= end:
            return
    yield begin, end


def _minutes_deadline(clock: Clock, calendar: Calendar) -> Deadline:
    remaining = timedelta(minutes=clock.limit.amount)
    for span in calendar.spans_from(clock.started_at):
        for begin, end in _free(*span, clock.pauses):
            if end - begin >= remaining:
                due_at = begin + remaining
                reached = local_date(clock.started_at, calendar.zone), local_date(due_at, calendar.zone)
                return Deadline(due_at.astimezone(UTC), None, not all(map(calendar.covers, reached)))
            remaining -= end - begin
    raise AssertionError  # Working spans have no end.


def _minutes_between(clock: Clock, until: datetime, calendar: Calendar) -> int:
    total = timedelta()
    for span in calendar.spans_from(clock.started_at):
        if span[0] >= until:
            break
        for begin, end in _free(*span, clock.pauses):
            total += max(timedelta(), min(end, until) - begin)
    return int(total.total_seconds() // 60)
