"""Due dates, row by row: each states a rule of a pack in dates that can be checked with a wall calendar."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from kehu_complaints.clocks.library import Library
from kehu_complaints.clocks.model import EntryKind, LedgerEntry
from kehu_complaints.clocks.rules import Clock, evaluate

CN, INTERNAL = "CN-2020-3", "INTERNAL"
GRANT, TOLD = "extension_granted", "extension_notified"
COMPLEX = f"{GRANT}:complex"
EXCEPTIONAL = f"{GRANT}:exceptional"
EXCEPTIONAL_TOLD = f"{TOLD}:exceptional"


def clock_of(library: Library, pack_id: str, lines: str) -> Clock:
    """A ledger in short: `received 2026-02-01 10:00, paused 2026-02-05 09:00`, wall times of the pack's zone."""
    pack = library.pack(pack_id, 1)
    ledger = []
    for line in lines.split(", "):
        name, day, time = line.split(" ")
        kind, _, code = name.partition(":")
        at = datetime.fromisoformat(f"{day}T{time}").replace(tzinfo=ZoneInfo(pack.zone))
        ledger.append(LedgerEntry(EntryKind(kind), at, code or None))
    return evaluate(ledger, pack, library.latest_calendar(pack.calendar))


# The due instant is the end of the last day: 24:00 is midnight of the next date.
DAYS = [
    # --- 15 days, the receipt day excluded, the last day to its end
    (CN, "received 2026-03-02 10:00", "2026-03-17", "CN-2020-3.15d"),
    (CN, "received 2026-03-02 00:00", "2026-03-17", "CN-2020-3.15d"),
    (CN, "received 2026-03-02 23:59", "2026-03-17", "CN-2020-3.15d"),
    (CN, "received 2026-03-03 00:00", "2026-03-18", "CN-2020-3.15d"),
    # --- leap day, year end, month ends
    (CN, "received 2024-02-14 09:00", "2024-02-29", "CN-2020-3.15d"),
    (CN, "received 2024-02-15 09:00", "2024-03-01", "CN-2020-3.15d"),
    (CN, "received 2023-02-14 09:00", "2023-03-01", "CN-2020-3.15d"),
    (CN, "received 2024-02-29 09:00", "2024-03-15", "CN-2020-3.15d"),
    (CN, "received 2025-12-17 09:00", "2026-01-01", "CN-2020-3.15d"),
    (CN, "received 2025-12-31 23:00", "2026-01-15", "CN-2020-3.15d"),
    (CN, "received 2026-12-31 09:00", "2027-01-15", "CN-2020-3.15d"),
    (CN, "received 1999-01-05 09:00", "1999-01-20", "CN-2020-3.15d"),
    # --- holidays do not move it: Golden Week, Spring Festival, a Sunday
    (CN, "received 2025-09-16 09:00", "2025-10-01", "CN-2020-3.15d"),
    (CN, "received 2025-09-20 09:00", "2025-10-05", "CN-2020-3.15d"),
    (CN, "received 2026-02-02 09:00", "2026-02-17", "CN-2020-3.15d"),
    (CN, "received 2026-03-07 09:00", "2026-03-22", "CN-2020-3.15d"),
    # --- 30 days when complex, whenever it is said within the 15
    (CN, f"received 2026-03-02 10:00, {COMPLEX} 2026-03-02 11:00", "2026-04-01", "CN-2020-3.30d"),
    (CN, f"received 2026-03-02 10:00, {COMPLEX} 2026-03-17 23:59", "2026-04-01", "CN-2020-3.30d"),
    (CN, f"received 2026-03-02 10:00, {COMPLEX} 2026-03-18 00:00", "2026-03-17", "CN-2020-3.15d"),
    (
        CN,
        f"received 2026-03-02 10:00, {COMPLEX} 2026-03-05 11:00, {COMPLEX} 2026-03-06 11:00",
        "2026-04-01",
        "CN-2020-3.30d",
    ),
    (CN, f"received 2024-01-30 10:00, {COMPLEX} 2024-02-01 11:00", "2024-02-29", "CN-2020-3.30d"),
    # --- another 30 with approval and notice: 60 in all
    (
        CN,
        (
            f"received 2026-03-02 10:00, {COMPLEX} 2026-03-05 11:00, {EXCEPTIONAL} 2026-03-20 11:00, "
            f"{EXCEPTIONAL_TOLD} 2026-03-21 11:00"
        ),
        "2026-05-01",
        "CN-2020-3.30d+30d",
    ),
    # Approved but the complainant is not told: nothing yet.
    (
        CN,
        f"received 2026-03-02 10:00, {COMPLEX} 2026-03-05 11:00, {EXCEPTIONAL} 2026-03-20 11:00",
        "2026-04-01",
        "CN-2020-3.30d",
    ),
    # Told without an approval: nothing.
    (
        CN,
        f"received 2026-03-02 10:00, {COMPLEX} 2026-03-05 11:00, {EXCEPTIONAL_TOLD} 2026-03-20 11:00",
        "2026-04-01",
        "CN-2020-3.30d",
    ),
    # Told a minute after time ran out: too late.
    (
        CN,
        (
            f"received 2026-03-02 10:00, {COMPLEX} 2026-03-05 11:00, {EXCEPTIONAL} 2026-03-20 11:00, "
            f"{EXCEPTIONAL_TOLD} 2026-04-02 00:00"
        ),
        "2026-04-01",
        "CN-2020-3.30d",
    ),
    (
        CN,
        (
            f"received 2026-03-02 10:00, {COMPLEX} 2026-03-05 11:00, {EXCEPTIONAL} 2026-04-01 23:58, "
            f"{EXCEPTIONAL_TOLD} 2026-04-01 23:59"
        ),
        "2026-05-01",
        "CN-2020-3.30d+30d",
    ),
    # The exceptional extension without the complex one before it: nothing.
    (
        CN,
        f"received 2026-03-02 10:00, {EXCEPTIONAL} 2026-03-05 11:00, {EXCEPTIONAL_TOLD} 2026-03-06 11:00",
        "2026-03-17",
        "CN-2020-3.15d",
    ),
    (CN, f"received 2026-03-02 10:00, {GRANT}:holding_letter 2026-03-05 11:00", "2026-03-17", "CN-2020-3.15d"),
    # --- pauses: the day of the pause is excluded, the day of resumption counts
    (CN, "received 2026-03-02 10:00, paused 2026-03-05 09:00, resumed 2026-03-05 17:00", "2026-03-17", "CN-2020-3.15d"),
    (CN, "received 2026-03-02 10:00, paused 2026-03-05 09:00, resumed 2026-03-06 09:00", "2026-03-18", "CN-2020-3.15d"),
    (CN, "received 2026-03-02 10:00, paused 2026-03-05 09:00, resumed 2026-03-15 09:00", "2026-03-27", "CN-2020-3.15d"),
    # A pause that lasts beyond the due date carries it along.
    (CN, "received 2026-03-02 10:00, paused 2026-03-16 09:00, resumed 2026-04-16 09:00", "2026-04-17", "CN-2020-3.15d"),
    (CN, "received 2026-03-02 10:00, paused 2026-03-17 23:59, resumed 2026-03-20 00:00", "2026-03-20", "CN-2020-3.15d"),
    # One that begins when time has run out brings nothing back.
    (CN, "received 2026-03-02 10:00, paused 2026-03-18 00:00, resumed 2026-03-25 09:00", "2026-03-17", "CN-2020-3.15d"),
    # An open pause: the earliest date that can be.
    (CN, "received 2026-03-02 10:00, paused 2026-03-05 09:00", "2026-03-17", "CN-2020-3.15d"),
    # From the receipt day on, only days that would have counted are excluded.
    (CN, "received 2026-03-02 10:00, paused 2026-03-02 12:00, resumed 2026-03-04 09:00", "2026-03-18", "CN-2020-3.15d"),
    (
        CN,
        (
            "received 2026-03-02 10:00, paused 2026-03-04 12:00, resumed 2026-03-06 09:00, paused 2026-03-10 12:00, "
            "resumed 2026-03-13 09:00"
        ),
        "2026-03-22",
        "CN-2020-3.15d",
    ),
    # Back to back on one day.
    (
        CN,
        (
            "received 2026-03-02 10:00, paused 2026-03-04 12:00, resumed 2026-03-06 09:00, paused 2026-03-06 10:00, "
            "resumed 2026-03-09 09:00"
        ),
        "2026-03-22",
        "CN-2020-3.15d",
    ),
    (CN, "received 2024-02-20 10:00, paused 2024-02-28 12:00, resumed 2024-03-01 09:00", "2024-03-08", "CN-2020-3.15d"),
    # A pause and an extension, in either order and while paused.
    (
        CN,
        f"received 2026-03-02 10:00, paused 2026-03-05 09:00, resumed 2026-03-10 09:00, {COMPLEX} 2026-03-22 12:00",
        "2026-04-06",
        "CN-2020-3.30d",
    ),
    (
        CN,
        f"received 2026-03-02 10:00, paused 2026-03-05 09:00, {COMPLEX} 2026-03-20 12:00, resumed 2026-03-25 09:00",
        "2026-04-21",
        "CN-2020-3.30d",
    ),
    # A second pause word, a resumption without a pause: nothing.
    (
        CN,
        (
            "received 2026-03-02 10:00, paused 2026-03-05 09:00, paused 2026-03-07 09:00, resumed 2026-03-08 09:00, "
            "resumed 2026-03-12 09:00"
        ),
        "2026-03-20",
        "CN-2020-3.15d",
    ),
    # --- stops: what comes after the notification does not count
    (
        CN,
        f"received 2026-03-02 10:00, notified 2026-03-10 10:00, {COMPLEX} 2026-03-11 10:00",
        "2026-03-17",
        "CN-2020-3.15d",
    ),
    (
        CN,
        "received 2026-03-02 10:00, paused 2026-03-05 10:00, withdrawn 2026-03-08 10:00",
        "2026-03-20",
        "CN-2020-3.15d",
    ),
    # --- reopening starts a new run; the old one's extensions and pauses are gone
    (
        CN,
        "received 2026-03-02 10:00, notified 2026-03-10 10:00, reopened 2026-04-01 10:00",
        "2026-04-16",
        "CN-2020-3.15d",
    ),
    (
        CN,
        f"received 2026-03-02 10:00, {COMPLEX} 2026-03-05 11:00, closed 2026-03-20 10:00, reopened 2026-05-01 10:00",
        "2026-05-16",
        "CN-2020-3.15d",
    ),
    (
        CN,
        f"received 2026-03-02 10:00, closed 2026-03-20 10:00, reopened 2026-05-01 10:00, {COMPLEX} 2026-05-02 10:00",
        "2026-05-31",
        "CN-2020-3.30d",
    ),
    (
        CN,
        "received 2026-03-02 10:00, paused 2026-03-04 10:00, withdrawn 2026-03-20 10:00, reopened 2026-05-01 10:00",
        "2026-05-16",
        "CN-2020-3.15d",
    ),
    # --- review 核查: its own 30 days, not to be extended
    (
        CN,
        "received 2026-03-02 10:00, notified 2026-03-10 10:00, review_requested 2026-03-20 10:00",
        "2026-04-19",
        "CN-2020-3.review-30d",
    ),
    (
        CN,
        f"received 2026-03-02 10:00, notified 2026-03-10 10:00, review_requested 2026-03-20 10:00, {COMPLEX} 2026-03-21 10:00",
        "2026-04-19",
        "CN-2020-3.review-30d",
    ),
    (
        CN,
        (
            "received 2026-03-02 10:00, notified 2026-03-10 10:00, review_requested 2026-03-20 10:00, "
            "review_concluded 2026-04-01 10:00, reopened 2026-04-02 10:00"
        ),
        "2026-04-17",
        "CN-2020-3.15d",
    ),
    # --- weeks and business days of other regulators, added by file
    ("UK-DISP", "received 2026-01-05 10:00", "2026-03-02", "UK-DISP.8w"),
    ("UK-DISP", "received 2025-12-24 10:00", "2026-02-18", "UK-DISP.8w"),
    # Neither a pause nor the notification stops it: only the complainant's acceptance does.
    (
        "UK-DISP",
        "received 2026-01-05 10:00, paused 2026-01-10 10:00, resumed 2026-02-10 10:00",
        "2026-03-02",
        "UK-DISP.8w",
    ),
    (
        "UK-DISP",
        "received 2026-01-05 10:00, notified 2026-01-10 10:00, reopened 2026-02-10 10:00",
        "2026-03-02",
        "UK-DISP.8w",
    ),
    ("UK-PSD", "received 2025-04-10 10:00", "2025-05-06", "UK-PSD.15bd"),
    ("UK-PSD", "received 2025-12-22 10:00", "2026-01-15", "UK-PSD.15bd"),
    ("UK-PSD", f"received 2025-04-10 10:00, {GRANT}:holding_letter 2025-04-11 10:00", "2025-05-06", "UK-PSD.15bd"),
    (
        "UK-PSD",
        f"received 2025-04-10 10:00, {GRANT}:holding_letter 2025-04-11 10:00, {TOLD}:holding_letter 2025-04-12 10:00",
        "2025-06-04",
        "UK-PSD.35bd",
    ),
    ("US-CFPB", "received 2026-03-01 22:00", "2026-03-16", "US-CFPB.15d"),
    ("US-CFPB", f"received 2026-03-01 22:00, {GRANT}:in_progress 2026-03-10 10:00", "2026-04-30", "US-CFPB.60d"),
    # The receipt day counts, a last day that is not worked moves on, the day of resumption is excluded.
    ("NY-ROLL", "received 2026-06-23 10:00", "2026-07-02", "NY-ROLL.10d"),
    ("NY-ROLL", "received 2026-06-24 10:00", "2026-07-06", "NY-ROLL.10d"),
    ("NY-ROLL", f"received 2026-06-24 10:00, {GRANT}:more 2026-06-25 10:00", "2026-07-08", "NY-ROLL.+5d"),
    (
        "NY-ROLL",
        "received 2026-06-01 10:00, paused 2026-06-02 10:00, resumed 2026-06-04 10:00",
        "2026-06-15",
        "NY-ROLL.10d",
    ),
]


@pytest.mark.parametrize(("pack_id", "ledger", "due_on", "rule_id"), DAYS)
def test_the_last_day(library: Library, pack_id: str, ledger: str, due_on: str, rule_id: str) -> None:
    clock = clock_of(library, pack_id, ledger)
    zone = ZoneInfo(library.pack(pack_id, 1).zone)
    assert clock.deadline.due_on is not None
    assert clock.deadline.due_on.isoformat() == due_on
    assert clock.limit.rule_id == rule_id
    # 24:00 of the last day, and not a moment of the next one but its first.
    ends = clock.deadline.due_at.astimezone(zone)
    assert (ends.hour, ends.minute, (ends.date() - clock.deadline.due_on).days) == (0, 0, 1)


MOMENTS = [
    # --- working minutes: 09:00-12:00 and 13:30-17:30, 420 a day
    (INTERNAL, "received 2026-03-02 09:00", "2026-03-06 17:30"),
    (INTERNAL, "received 2026-03-02 10:30", "2026-03-09 10:30"),
    (INTERNAL, "received 2026-03-02 12:30", "2026-03-09 12:00"),
    (INTERNAL, "received 2026-03-02 20:00", "2026-03-09 17:30"),
    (INTERNAL, "received 2026-03-07 11:00", "2026-03-13 17:30"),
    # Golden Week 2025: 1 to 8 October off, Sunday 28 September and Saturday 11 October worked.
    (INTERNAL, "received 2025-09-26 09:00", "2025-10-09 17:30"),
    (INTERNAL, "received 2025-09-29 14:00", "2025-10-13 14:00"),
    # Spring Festival 2026: 15 to 23 February off, Saturdays 14 and 28 February worked.
    (INTERNAL, "received 2026-02-12 09:00", "2026-02-25 17:30"),
    (INTERNAL, "received 2026-02-25 13:30", "2026-03-03 12:00"),
    # Pauses take out working minutes only.
    (INTERNAL, "received 2026-03-02 09:00, paused 2026-03-03 10:00, resumed 2026-03-03 11:00", "2026-03-09 10:00"),
    (INTERNAL, "received 2026-03-02 09:00, paused 2026-03-06 18:00, resumed 2026-03-09 08:00", "2026-03-06 17:30"),
    (INTERNAL, "received 2026-03-02 09:00, paused 2026-03-03 11:30, resumed 2026-03-04 14:00", "2026-03-10 10:00"),
    (INTERNAL, "received 2026-03-02 09:00, paused 2026-03-07 11:30, resumed 2026-03-08 14:00", "2026-03-06 17:30"),
    # The extension of the law's clock gives the bank's own clock nothing.
    (INTERNAL, f"received 2026-03-02 09:00, {COMPLEX} 2026-03-03 10:00", "2026-03-06 17:30"),
    (INTERNAL, "received 2026-03-02 09:00, closed 2026-03-03 10:00, reopened 2026-03-09 09:00", "2026-03-13 17:30"),
    # --- the clocks of New York go forward on 8 March and back on 1 November 2026
    ("NY-MINUTES", "received 2026-03-06 08:30", "2026-03-09 17:00"),
    ("NY-MINUTES", "received 2026-10-30 12:00", "2026-11-03 12:00"),
    ("NY-MINUTES", "received 2026-11-10 08:30", "2026-11-12 17:00"),
    ("NY-MINUTES", "received 2026-11-09 08:30, closed 2026-11-09 09:00, reopened 2026-11-12 09:00", "2026-11-10 17:00"),
    # --- the close of the third business day after a receipt that counts from the next business day
    ("UK-SUMMARY", "received 2026-04-01 10:00", "2026-04-08 17:00"),
    ("UK-SUMMARY", "received 2026-04-04 10:00", "2026-04-10 17:00"),
    ("UK-SUMMARY", "received 2026-03-27 10:00", "2026-04-01 17:00"),
    ("UK-SUMMARY", "received 2026-10-23 10:00", "2026-10-28 17:00"),
]


@pytest.mark.parametrize(("pack_id", "ledger", "due_at"), MOMENTS)
def test_the_last_moment(library: Library, pack_id: str, ledger: str, due_at: str) -> None:
    clock = clock_of(library, pack_id, ledger)
    zone = ZoneInfo(library.pack(pack_id, 1).zone)
    assert clock.deadline.due_at.astimezone(zone).strftime("%Y-%m-%d %H:%M") == due_at


PROVISIONAL = [
    # Calendar days without roll-forward need no calendar of holidays.
    (CN, "received 2026-12-28 10:00", False),
    (CN, "received 2030-12-28 10:00", False),
    (INTERNAL, "received 2026-12-24 10:00", False),
    (INTERNAL, "received 2026-12-28 10:00", True),
    (INTERNAL, "received 1999-01-05 10:00", True),
    (INTERNAL, "received 2003-12-31 10:00", True),
    ("UK-PSD", "received 2026-12-01 10:00", False),
    ("UK-PSD", "received 2026-12-18 10:00", True),
    ("NY-ROLL", "received 2026-12-20 10:00", False),
    ("NY-ROLL", "received 2026-12-29 10:00", True),
]


@pytest.mark.parametrize(("pack_id", "ledger", "provisional"), PROVISIONAL)
def test_beyond_the_calendars_facts_a_due_date_is_provisional(
    library: Library, pack_id: str, ledger: str, *, provisional: bool
) -> None:
    assert clock_of(library, pack_id, ledger).deadline.provisional is provisional
