"""The bank's days: dates in Asia/Shanghai and the instants at which they begin. Pure."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

__all__ = ["SHANGHAI", "business_day", "first_of_month", "month_before", "next_day_at", "next_month_at", "start_of_day"]

SHANGHAI: Final = ZoneInfo("Asia/Shanghai")


def business_day(at: datetime) -> date:
    """The date that an instant falls on in Asia/Shanghai."""
    return at.astimezone(SHANGHAI).date()


def start_of_day(day: date) -> datetime:
    """The instant (UTC) at which a date begins in Asia/Shanghai."""
    return datetime.combine(day, time(), SHANGHAI).astimezone(UTC)


def next_day_at(at: datetime, clock_time: time = time()) -> datetime:
    """The first instant (UTC) after `at` at which it is `clock_time` in Asia/Shanghai."""
    local = at.astimezone(SHANGHAI)
    due = datetime.combine(local.date(), clock_time, SHANGHAI)
    return (due if due > local else due + timedelta(days=1)).astimezone(UTC)


def next_month_at(at: datetime, clock_time: time = time()) -> datetime:
    """The first instant (UTC) after `at` at which it is `clock_time` in Asia/Shanghai on the first of a month."""
    due = next_day_at(at, clock_time).astimezone(SHANGHAI)
    if due.day > 1:
        due = (due.replace(day=1) + timedelta(days=32)).replace(day=1)
    return due.astimezone(UTC)


def first_of_month(day: date) -> date:
    """The first day of the month that a date lies in."""
    return day.replace(day=1)


def month_before(day: date) -> date:
    """The first day of the month before the one that a date lies in."""
    return first_of_month(first_of_month(day) - timedelta(days=1))
