"""10,000 random ledgers, each recomputed by a checker that shares nothing with the engine but the data files."""

from __future__ import annotations

import json
import random
from bisect import bisect_left
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from kehu_complaints.clocks.library import Library
from kehu_complaints.clocks.model import EntryKind, LedgerEntry
from kehu_complaints.clocks.rules import evaluate

SHIPPED = files("kehu_complaints.clocks") / "data"
EXTRA = Path(__file__).parent / "rules"
PACKS: dict[str, dict[str, Any]] = {
    "CN-2020-3": json.loads((SHIPPED / "packs" / "CN-2020-3-1.json").read_text()),
    "INTERNAL": json.loads((SHIPPED / "packs" / "INTERNAL-1.json").read_text()),
    **{file.name[5:-7]: json.loads(file.read_text()) for file in sorted(EXTRA.glob("pack-*.json"))},
}
CALENDARS: dict[str, dict[str, Any]] = {
    "CN": json.loads((SHIPPED / "calendars" / "CN-1.json").read_text()),
    "EW": json.loads((EXTRA / "calendar-EW-1.json").read_text()),
    "US": json.loads((EXTRA / "calendar-US-1.json").read_text()),
}
Line = tuple[str, datetime, str | None]


@cache
def worked_days(calendar: str) -> frozenset[date]:
    facts = CALENDARS[calendar]
    days = [date(2024, 1, 1) + timedelta(days=number) for number in range(365 * 4)]
    return frozenset(
        day
        for day in days
        if day.isoformat() in facts["make_up_days"]
        or (day.isoweekday() not in facts["weekend"] and day.isoformat() not in facts["holidays"])
    )


@cache
def worked_minutes(calendar: str) -> list[int]:
    """Every worked minute of four years, by its number since the epoch."""
    facts = CALENDARS[calendar]
    minutes: list[int] = []
    for day in sorted(worked_days(calendar)):
        for opens, closes in facts["work_spans"]:
            ends = [
                int(datetime.fromisoformat(f"{day}T{wall}").replace(tzinfo=ZoneInfo(facts["zone"])).timestamp()) // 60
                for wall in (opens, closes)
            ]
            minutes.extend(range(*ends))
    return minutes


def recompute(ledger: list[Line], pack: dict[str, Any]) -> tuple[datetime, str, bool]:  # noqa: C901, PLR0915 - One page, to be read against the law.
    """Due instant, rule and whether the clock stands still: the checker."""
    zone, worked = ZoneInfo(pack["zone"]), worked_days(pack["calendar"])
    steps = {extension["code"]: extension for extension in pack["extensions"]}
    rule, unit, amount, start = "", "", 0, ledger[0][1]
    taken: list[str] = []
    granted: list[str] = []
    breaks: list[list[datetime]] = []
    paused_at: datetime | None = None
    stopped = in_review = False

    def due() -> datetime:
        if unit == "minutes":
            minutes = worked_minutes(pack["calendar"])
            place = [bisect_left(minutes, int(moment.timestamp()) // 60) for pair in breaks for moment in pair]
            lost = sum(place[1::2]) - sum(place[::2])
            first = bisect_left(minutes, int(start.timestamp()) // 60)
            return datetime.fromtimestamp((minutes[first + amount + lost - 1] + 1) * 60, UTC)
        off = {
            begin.astimezone(zone).date() + timedelta(days=number)
            for begin, end in breaks
            for number in range(
                (end.astimezone(zone).date() - begin.astimezone(zone).date()).days
                + (not pack["pause"]["resume_day_counts"])
            )
        }
        day = start.astimezone(zone).date()
        while pack["receipt_moves_to_business_day"] and day not in worked:
            day += timedelta(days=1)
        left = amount * 7 if unit == "weeks" else amount
        day -= timedelta(days=pack["receipt_day_counts"])
        while left:
            day += timedelta(days=1)
            left -= day not in off and (unit != "business_days" or day in worked)
        while pack["rolls_forward"] and day not in worked:
            day += timedelta(days=1)
        hours, minutes_ = map(int, pack["last_day_ends"].split(":"))
        wall = datetime.combine(day, time.min) + timedelta(hours=hours, minutes=minutes_)
        return wall.replace(tzinfo=zone).astimezone(UTC)

    for kind, at, code in ledger:
        review = kind == "review_requested" and pack["review"] is not None
        if kind == "received" or review or (kind == "reopened" and pack["on_reopening"] == "restart"):
            limit = pack["review"]["limit"] if review else pack["base"]
            rule, unit, amount, start = limit["rule_id"], limit["unit"], limit["amount"], at
            taken, granted, breaks, paused_at, stopped, in_review = [], [], [], None, False, review
        elif kind == "reopened":
            stopped = False
        elif stopped:
            continue
        elif kind in {"resumed", "review_concluded", *pack["stops_on"]}:
            if paused_at is not None:
                breaks.append([paused_at, at])
            paused_at, stopped = None, kind != "resumed"
        elif paused_at is None and at >= due():
            continue
        elif kind == "paused" and pack["pause"]["allowed"]:
            paused_at = paused_at or at
        elif (
            code is not None
            and code in steps
            and code not in taken
            and steps[code]["after"] in [None, *taken]
            and not in_review
        ):
            if kind == "extension_granted" and steps[code]["notice"]:
                granted.append(code)
            elif kind == "extension_granted" or code in granted:
                step, taken = steps[code], [*taken, code]
                amount = step["amount"] if step["effect"] == "total" else amount + step["amount"]
                rule, unit = step["rule_id"], step["unit"]
    return due(), rule, stopped


def random_ledger(dice: random.Random, pack: dict[str, Any]) -> list[Line]:
    codes = [extension["code"] for extension in pack["extensions"]] or ["complex"]
    step = 3_000 if pack["base"]["unit"] == "minutes" else 9 * 1440
    at = datetime(2024, 3, 1, tzinfo=UTC) + timedelta(minutes=dice.randrange(540 * 1440))
    lines: list[Line] = [("received", at, None)]
    kinds = [kind.value for kind in EntryKind if kind is not EntryKind.RECEIVED]
    weights = [6 if kind in {"paused", "resumed", "extension_granted", "extension_notified"} else 1 for kind in kinds]
    for _ in range(dice.randrange(9)):
        # Now and then at the same moment, or on the stroke of midnight in Shanghai.
        at += timedelta(minutes=dice.choice([0, dice.randrange(600), dice.randrange(step)]))
        if dice.random() < 0.1:
            at = datetime(at.year, at.month, at.day, 16, tzinfo=UTC) + timedelta(days=1)
        kind = dice.choices(kinds, weights)[0]
        lines.append((kind, at, dice.choice(codes) if kind.startswith("extension") else None))
    return lines


@pytest.mark.parametrize("part", range(4))
def test_random_ledgers_agree_with_an_independent_checker(library: Library, part: int) -> None:
    dice = random.Random(20200301 + part)
    rules, stops = set(), 0
    for _ in range(2_500):
        name = dice.choice(sorted(PACKS))
        lines = random_ledger(dice, PACKS[name])
        pack = library.pack(name, 1)
        ledger = [LedgerEntry(EntryKind(kind), at, code) for kind, at, code in lines]
        clock = evaluate(ledger, pack, library.latest_calendar(pack.calendar))
        found = clock.deadline.due_at, clock.limit.rule_id, clock.stopped_at is not None
        assert found == recompute(lines, PACKS[name]), (name, lines)
        rules.add(clock.limit.rule_id)
        stops += clock.stopped_at is not None
    # The draw reaches every rule of every pack, and both ends of a run.
    assert len(rules) == sum(1 + len(pack["extensions"]) + bool(pack["review"]) for pack in PACKS.values())
    assert 500 < stops < 2_000
