"""What a clock says at a moment: how much is used, who may extend to what date, and in which words."""

from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo

import pytest

from kehu_complaints.clocks.library import Library
from kehu_complaints.clocks.model import EntryKind, LedgerEntry, Pack
from kehu_complaints.clocks.rules import Clock, evaluate, is_overdue, offers, review_until, used
from kehu_complaints.clocks.words import describe, describe_offer

SHANGHAI = ZoneInfo("Asia/Shanghai")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI)


def ledger_of(*lines: tuple[str, str] | tuple[str, str, str]) -> list[LedgerEntry]:
    return [LedgerEntry(EntryKind(line[0]), at(line[1]), line[2] if len(line) > 2 else None) for line in lines]


@pytest.fixture
def law(library: Library) -> Pack:
    return library.pack("CN-2020-3", 1)


def clock_of(library: Library, pack: Pack, *lines: tuple[str, str] | tuple[str, str, str]) -> Clock:
    return evaluate(ledger_of(*lines), pack, library.latest_calendar(pack.calendar))


RECEIVED = ("received", "2026-03-02 10:00")


@pytest.mark.parametrize(
    ("now", "day"),
    [
        ("2026-03-02 10:00", 0),
        ("2026-03-03 00:00", 1),
        ("2026-03-11 23:59", 9),
        ("2026-03-17 12:00", 15),
        ("2026-03-20 09:00", 18),
    ],
)
def test_the_day_of_fifteen(library: Library, law: Pack, now: str, day: int) -> None:
    assert used(clock_of(library, law, RECEIVED), at(now), law, library.latest_calendar("CN")) == day


def test_a_paused_clock_stands_and_goes_on_where_it_stood(library: Library, law: Pack) -> None:
    calendar = library.latest_calendar("CN")
    paused = clock_of(library, law, RECEIVED, ("paused", "2026-03-07 10:00"))
    resumed = clock_of(library, law, RECEIVED, ("paused", "2026-03-07 10:00"), ("resumed", "2026-03-20 10:00"))
    assert [used(paused, at(now), law, calendar) for now in ("2026-03-07 12:00", "2026-03-19 12:00")] == [5, 5]
    assert [used(resumed, at(now), law, calendar) for now in ("2026-03-20 12:00", "2026-03-21 12:00")] == [5, 6]


@pytest.mark.parametrize(
    ("now", "minutes"),
    [
        ("2026-03-02 08:00", 0),
        ("2026-03-02 12:00", 120),
        ("2026-03-02 13:00", 120),
        ("2026-03-03 09:01", 361),
        ("2026-03-09 09:00", 2040),
    ],
)
def test_working_minutes_used(library: Library, now: str, minutes: int) -> None:
    pack = library.pack("INTERNAL", 1)
    assert used(clock_of(library, pack, RECEIVED), at(now), pack, library.latest_calendar("CN")) == minutes


def test_overdue_begins_at_the_last_midnight_and_not_in_a_pause(library: Library, law: Pack) -> None:
    clock = clock_of(library, law, RECEIVED)
    assert not is_overdue(clock, at("2026-03-17 23:59"))
    assert is_overdue(clock, at("2026-03-18 00:00"))
    assert not is_overdue(clock_of(library, law, RECEIVED, ("paused", "2026-03-07 10:00")), at("2026-06-01 10:00"))
    # What counts is when the complainant was told, not when somebody looks.
    in_time = clock_of(library, law, RECEIVED, ("notified", "2026-03-17 23:59"))
    late = clock_of(library, law, RECEIVED, ("notified", "2026-03-18 00:00"))
    assert [is_overdue(clock, at("2026-06-01 10:00")) for clock in (in_time, late)] == [False, True]


def test_who_may_extend_to_what_date(library: Library, law: Pack) -> None:
    calendar = library.latest_calendar("CN")
    fresh = clock_of(library, law, RECEIVED)
    found = offers(fresh, law, calendar, at("2026-03-05 10:00"))
    assert [(offer.extension.code, offer.deadline.due_on, offer.ready) for offer in found] == [
        ("complex", date(2026, 4, 1), True),
        ("exceptional", date(2026, 5, 1), False),
    ]
    longer = clock_of(library, law, RECEIVED, ("extension_granted", "2026-03-05 10:00", "complex"))
    found = offers(longer, law, calendar, at("2026-03-20 10:00"))
    assert [(offer.extension.code, offer.deadline.due_on, offer.ready) for offer in found] == [
        ("exceptional", date(2026, 5, 1), True)
    ]
    assert offers(fresh, law, calendar, at("2026-03-18 00:00")) == ()
    assert (
        offers(clock_of(library, law, RECEIVED, ("closed", "2026-03-05 10:00")), law, calendar, at("2026-03-06 10:00"))
        == ()
    )
    in_review = clock_of(
        library, law, RECEIVED, ("notified", "2026-03-05 10:00"), ("review_requested", "2026-03-06 10:00")
    )
    assert offers(in_review, law, calendar, at("2026-03-07 10:00")) == ()


def test_a_review_may_be_asked_for_within_thirty_days_of_the_last_notification(library: Library, law: Pack) -> None:
    told_twice = ledger_of(
        RECEIVED, ("notified", "2026-03-05 10:00"), ("reopened", "2026-03-08 10:00"), ("notified", "2026-03-20 23:00")
    )
    assert review_until(told_twice, law) == date(2026, 4, 19)
    assert review_until(told_twice[:1], law) is None
    assert review_until(told_twice, library.pack("INTERNAL", 1)) is None


def test_the_words_name_day_rule_and_last_moment(library: Library, law: Pack) -> None:
    calendar, now = library.latest_calendar("CN"), at("2026-03-11 09:00")
    clock = clock_of(library, law, RECEIVED)
    assert describe(clock, law, now, used(clock, now, law, calendar)) == {
        "en": "Day 9 of 15 (CN-2020-3.15d: decide and tell the complainant within 15 days of receipt). "
        "Due by 2026-03-17 24:00, Asia/Shanghai.",
        "zh": "第9天，共15天（CN-2020-3.15d：自收到投诉之日起15日内作出处理决定并告知投诉人）。"
        "截止2026年3月17日24:00（Asia/Shanghai）。",
    }
    complex_, exceptional = offers(clock, law, calendar, now)
    assert describe_offer(complex_, law) == {
        "en": "Can be extended to 2026-04-01 24:00 by the handler (CN-2020-3.30d: complex case: 30 days of receipt)",
        "zh": "可延长至2026年4月1日24:00，经办人（CN-2020-3.30d：情况复杂的，可延长至30日）",
    }
    assert describe_offer(exceptional, law)["en"].endswith(
        "(CN-2020-3.30d+30d: exceptional case: another 30 days), after complex case: 30 days of receipt"
    )


@pytest.mark.parametrize(
    ("pack_id", "lines", "now", "en", "zh"),
    [
        ("CN-2020-3", [RECEIVED], "2026-03-18 00:00", "Overdue: day 16 of 15", "已逾期：第16天，共15天"),
        (
            "CN-2020-3",
            [RECEIVED, ("paused", "2026-03-05 10:00")],
            "2026-03-30 10:00",
            "Paused on day 3 of 15",
            "已中止，停在第3天，共15天",
        ),
        (
            "CN-2020-3",
            [RECEIVED, ("notified", "2026-03-05 10:00")],
            "2026-03-30 10:00",
            "Stopped in time on day 3 of 15",
            "按期办结，第3天，共15天",
        ),
        (
            "CN-2020-3",
            [RECEIVED, ("notified", "2026-03-18 10:00")],
            "2026-03-30 10:00",
            "Stopped late on day 16 of 15",
            "逾期办结，第16天，共15天",
        ),
        ("INTERNAL", [RECEIVED], "2026-03-03 09:01", "Working minute 361 of 2,100", "第361个工作分钟，共2100个"),
        ("UK-PSD", [RECEIVED], "2026-03-03 18:00", "Business day 1 of 15", "第1个工作日，共15个"),
        ("UK-DISP", [RECEIVED], "2026-03-03 18:00", "Day 1 of 56", "第1天，共56天"),
    ],
)
def test_the_words_of_each_state_and_unit(
    library: Library, pack_id: str, lines: list[tuple[str, str]], now: str, en: str, zh: str
) -> None:
    pack = library.pack(pack_id, 1)
    clock = clock_of(library, pack, *lines)
    words = describe(clock, pack, at(now), used(clock, at(now), pack, library.latest_calendar(pack.calendar)))
    assert words["en"].startswith(en)
    assert words["zh"].startswith(zh)


def test_a_provisional_date_says_so(library: Library) -> None:
    pack = library.pack("INTERNAL", 1)
    clock = clock_of(library, pack, ("received", "2026-12-30 10:00"))
    words = describe(clock, pack, at("2026-12-30 11:00"), 60)
    assert words["en"].endswith("Provisional: the working calendar of those days has not been published yet.")
    assert words["zh"].endswith("（暂定：相应日期的工作日安排尚未公布）")
    assert "Due by 2027-01-06 10:00, Asia/Shanghai." in words["en"]
