"""Working time: which days are worked in a place, and from when to when. Pure arithmetic on versioned data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

__all__ = ["DAY", "Calendar", "instant_at", "local_date"]

DAY = timedelta(days=1)

Span = tuple[datetime, datetime]


def local_date(instant: datetime, zone: str) -> date:
    """The date on the wall calendar of `zone` at this instant."""
    return instant.astimezone(ZoneInfo(zone)).date()


def instant_at(day: date, wall_time: str, zone: str) -> datetime:
    """The instant (UTC) at which clocks in `zone` show `wall_time` ("HH:MM", up to "24:00") on `day`."""
    hours, minutes = wall_time.split(":")
    moment = datetime.combine(day, time.min) + timedelta(hours=int(hours), minutes=int(minutes))
    return moment.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


@dataclass(frozen=True, slots=True)
class Calendar:
    """A version of a working calendar.

    The facts hold from `first_day` to `last_day`. Outside them days are taken by `weekend` alone, and whoever relies on one
    says that the answer is provisional.
    """

    id: str
    version: int
    zone: str
    title: Mapping[str, str]
    source: str
    first_day: date
    last_day: date
    weekend: frozenset[int]
    """ISO weekdays that are not worked."""
    work_spans: tuple[tuple[str, str], ...]
    """Wall times between which people work, in order and without overlap."""
    holidays: frozenset[date]
    make_up_days: frozenset[date]
    """Days of a weekend that are worked in exchange for a holiday (调休)."""

    def covers(self, day: date) -> bool:
        """Whether the facts reach this day."""
        return self.first_day <= day <= self.last_day

    def is_business_day(self, day: date) -> bool:
        """Whether the day is worked."""
        if day in self.make_up_days:
            return True
        return day not in self.holidays and day.isoweekday() not in self.weekend

    def spans_from(self, instant: datetime) -> Iterator[Span]:
        """The working spans (UTC) from this instant on, without end; the first may be cut."""
        day = local_date(instant, self.zone)
        while True:
            if self.is_business_day(day):
                for opens, closes in self.work_spans:
                    end = instant_at(day, closes, self.zone)
                    if end > instant:
                        yield max(instant, instant_at(day, opens, self.zone)), end
            day += DAY
