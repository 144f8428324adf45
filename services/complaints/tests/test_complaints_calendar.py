"""The Chinese working calendar against two independent sources, and the rules that rule files have to keep."""

from __future__ import annotations

import csv
import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from kehu_complaints.clocks.calendars import Calendar
from kehu_complaints.clocks.library import Library, UnknownRules, parse_calendar, parse_pack, shipped

FACTS = Path(__file__).parents[4] / "shared" / "data" / "cn_calendar"
DATA = Path(__file__).parents[1] / "kehu_complaints" / "clocks" / "data"
needs_facts = pytest.mark.skipif(not FACTS.exists(), reason="needs ../shared/data/cn_calendar, which is not here")


@pytest.fixture
def china() -> Calendar:
    return shipped().latest_calendar("CN")


@pytest.mark.parametrize(
    ("day", "worked"),
    [
        ("2025-10-01", False),
        ("2025-10-08", False),
        ("2025-09-28", True),
        ("2025-10-11", True),
        ("2025-10-12", False),
        ("2026-02-14", True),
        ("2026-02-17", False),
        ("2026-03-02", True),
        ("2026-03-07", False),
        ("2004-01-17", True),
    ],
)
def test_known_days(china: Calendar, day: str, *, worked: bool) -> None:
    assert china.is_business_day(date.fromisoformat(day)) is worked


def test_the_calendar_declares_how_far_its_facts_reach(china: Calendar) -> None:
    assert (china.first_day, china.last_day) == (date(2004, 1, 1), date(2026, 12, 31))
    assert china.covers(date(2026, 12, 31))
    assert not china.covers(date(2027, 1, 1))


@needs_facts
def test_every_day_agrees_with_the_published_table(china: Calendar) -> None:
    with (FACTS / "chinesecalendar_1.11_days.csv").open() as lines:
        rows = list(csv.DictReader(lines))
    assert len(rows) == 8401
    wrong = [
        row["date"]
        for row in rows
        if china.is_business_day(date.fromisoformat(row["date"])) != (row["is_workday"] == "1")
    ]
    assert wrong == []


@needs_facts
@pytest.mark.parametrize("year", [2008, 2015, 2020, 2023, 2024, 2025, 2026])
def test_days_off_and_make_up_days_agree_with_the_state_councils_notices(china: Calendar, year: int) -> None:
    notice = json.loads((FACTS / "holiday-cn" / f"{year}.json").read_text())
    days = [(date.fromisoformat(day["date"]), day["isOffDay"]) for day in notice["days"]]
    assert len(days) >= 25
    assert [day.isoformat() for day, off in days if china.covers(day) and china.is_business_day(day) is off] == []


def test_working_spans_begin_in_the_middle_of_a_day_and_skip_the_weekend(china: Calendar) -> None:
    spans = china.spans_from(datetime(2026, 3, 6, 7, 0, tzinfo=UTC))  # Friday, 15:00 in Shanghai.
    shown = [f"{begin:%d %H:%M}-{end:%H:%M}" for begin, end in (next(spans) for _ in range(3))]
    assert shown == ["06 07:00-09:30", "09 01:00-04:00", "09 05:30-09:30"]


def _file(folder: str, name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((DATA / folder / name).read_text())
    return content


def test_a_pack_that_contradicts_itself_is_refused() -> None:
    pack = _file("packs", "CN-2020-3-1.json")
    assert parse_pack(json.dumps(pack)).id == "CN-2020-3"
    complex_, exceptional = pack["extensions"]
    changes: list[tuple[dict[str, Any], str]] = [
        ({"extensions": [exceptional, complex_]}, "not listed before it"),
        ({"extensions": [complex_, {**exceptional, "unit": "weeks"}]}, "another unit"),
        ({"on_reopening": "continue"}, "no limit to continue with"),
        ({"grace": 1}, "grace"),
        ({"base": {**pack["base"], "amount": "soon"}}, "amount"),
        ({"base": {**pack["base"], "tolerance": 1}}, "tolerance"),
    ]
    for change, message in changes:
        with pytest.raises(ValueError, match=message):
            parse_pack(json.dumps(pack | change))


def test_a_calendar_by_which_nobody_works_is_refused() -> None:
    calendar = _file("calendars", "CN-1.json")
    changes: list[dict[str, Any]] = [
        {"weekend": [1, 2, 3, 4, 5, 6, 7]},
        {"work_spans": []},
        {"work_spans": [["13:00", "17:00"], ["09:00", "12:00"]]},
        {"work_spans": [["09:00", "12:00"], ["12:00", "17:00"]]},
    ]
    for change in changes:
        with pytest.raises(ValueError, match="working spans"):
            parse_calendar(json.dumps(calendar | change))


def test_a_receipt_falls_under_the_version_of_its_day() -> None:
    file = _file("packs", "CN-2020-3-1.json")
    later = {**file, "version": 2, "applies_from": "2027-01-01", "base": {**file["base"], "amount": 10}}
    library = Library([parse_pack(json.dumps(file)), parse_pack(json.dumps(later))], [shipped().latest_calendar("CN")])
    versions = [
        library.pack_for("CN-2020-3", day).version for day in (date(1999, 1, 1), date(2026, 12, 31), date(2027, 1, 1))
    ]
    assert versions == [1, 1, 2]
    assert library.pack("CN-2020-3", 1).base.amount == 15


def test_the_newest_calendar_is_taken(china: Calendar) -> None:
    next_year = {**_file("calendars", "CN-1.json"), "version": 2, "last_day": "2027-12-31"}
    library = Library([], [china, parse_calendar(json.dumps(next_year))])
    assert library.latest_calendar("CN").last_day - china.last_day == timedelta(days=365)


def test_unknown_rules_are_named() -> None:
    with pytest.raises(UnknownRules, match="CN-2031"):
        shipped().pack_for("CN-2031", date(2026, 1, 1))
    with pytest.raises(UnknownRules, match="version 9"):
        shipped().pack("CN-2020-3", 9)
    with pytest.raises(UnknownRules, match="working calendar CN"):
        Library(shipped().packs, [])
