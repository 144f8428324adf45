"""The packs and calendars that this version ships, read from its data files.

A new regulator, a new version of a rule or a new year of holidays is a new file; no code changes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from importlib.resources import files
from pathlib import Path
from zoneinfo import ZoneInfo

from pydantic import ConfigDict, TypeAdapter, with_config

from kehu_complaints.clocks.calendars import Calendar, local_date
from kehu_complaints.clocks.model import Pack

__all__ = ["Library", "Rulebook", "UnknownRules", "load", "parse_calendar", "parse_pack", "shipped"]

_PACK = TypeAdapter(Pack)
_CALENDAR = TypeAdapter(with_config(ConfigDict(extra="forbid"))(Calendar))


class UnknownRules(LookupError):
    """No pack or calendar of that id and version."""


def parse_pack(text: str | bytes) -> Pack:
    """Read one pack file.

    Raises:
        ValueError: the file is not a pack, or its rules contradict each other.
    """
    pack = _PACK.validate_json(text)
    ZoneInfo(pack.zone)
    seen: set[str] = set()
    units = {pack.base.unit}
    for extension in pack.extensions:
        if extension.after is not None and extension.after not in seen:
            msg = f"{pack.id}: extension {extension.code} comes after {extension.after}, which is not listed before it"
            raise ValueError(msg)
        if extension.effect == "additional" and units != {extension.unit}:
            msg = f"{pack.id}: extension {extension.code} adds {extension.unit} to a limit in another unit"
            raise ValueError(msg)
        seen.add(extension.code)
        units.add(extension.unit)
    if pack.on_reopening == "continue" and pack.review is not None:
        msg = f"{pack.id}: after a review a reopened case has no limit to continue with"
        raise ValueError(msg)
    return pack


def parse_calendar(text: str | bytes) -> Calendar:
    """Read one calendar file.

    Raises:
        ValueError: the file is not a calendar, or nobody ever works by it.
    """
    calendar = _CALENDAR.validate_json(text)
    ZoneInfo(calendar.zone)
    flat = [moment for span in calendar.work_spans for moment in span]
    if flat != sorted(set(flat)) or not flat or len(calendar.weekend) == 7:
        msg = f"{calendar.id}: the working spans of a day rise, do not touch, and stand on at least one day of the week"
        raise ValueError(msg)
    return calendar


class Library:
    """Packs and calendars by id and version.

    Raises:
        UnknownRules: a pack names a calendar that is not there.
    """

    def __init__(self, packs: Iterable[Pack], calendars: Iterable[Calendar]) -> None:
        self._packs = {(pack.id, pack.version): pack for pack in packs}
        self._calendars = {(calendar.id, calendar.version): calendar for calendar in calendars}
        for pack in self._packs.values():
            self.latest_calendar(pack.calendar)

    @property
    def packs(self) -> tuple[Pack, ...]:
        """Every version of every pack."""
        return tuple(pack for _, pack in sorted(self._packs.items()))

    def pack(self, pack_id: str, version: int) -> Pack:
        """That version: an open case stays on the one of its receipt."""
        try:
            return self._packs[pack_id, version]
        except KeyError:
            raise UnknownRules(f"no clock pack {pack_id} version {version}") from None

    def pack_for(self, pack_id: str, received_on: date) -> Pack:
        """The version for a receipt on that day: the last one that applied then, else the first there is."""
        versions = sorted(
            (pack for (name, _), pack in self._packs.items() if name == pack_id),
            key=lambda pack: (pack.applies_from, pack.version),
        )
        if not versions:
            raise UnknownRules(f"no clock pack {pack_id}")
        return next((pack for pack in reversed(versions) if pack.applies_from <= received_on), versions[0])

    def newest_calendars(self) -> dict[str, int]:
        """The newest version of each calendar that a pack uses."""
        return {pack.calendar: self.latest_calendar(pack.calendar).version for pack in self._packs.values()}

    def latest_calendar(self, calendar_id: str) -> Calendar:
        """The newest version of a calendar: it knows the most years."""
        versions = [calendar for (name, _), calendar in self._calendars.items() if name == calendar_id]
        if not versions:
            raise UnknownRules(f"no working calendar {calendar_id}")
        return max(versions, key=lambda calendar: calendar.version)


@cache
def shipped() -> Library:
    """What the package's data files hold."""
    return load(None)


def load(folder: Path | None) -> Library:
    """What the package's data files hold, and the packs (`pack-*.json`) and calendars (`calendar-*.json`) of a folder.

    Raises:
        ValueError: a file is not what its name says.
        UnknownRules: a pack names a calendar that is not there.
    """
    data = files(__package__) / "data"
    packs = [file.read_bytes() for file in (data / "packs").iterdir() if file.name.endswith(".json")]
    calendars = [file.read_bytes() for file in (data / "calendars").iterdir() if file.name.endswith(".json")]
    if folder is not None:
        packs += [file.read_bytes() for file in sorted(folder.glob("pack-*.json"))]
        calendars += [file.read_bytes() for file in sorted(folder.glob("calendar-*.json"))]
    return Library(map(parse_pack, packs), map(parse_calendar, calendars))


@dataclass(frozen=True, slots=True)
class Rulebook:
    """The rules that this bank goes by: a statutory pack and an internal one.

    Raises:
        UnknownRules: one of them is not in the library.
    """

    library: Library
    statutory_pack: str
    internal_pack: str

    def __post_init__(self) -> None:
        for pack_id in (self.statutory_pack, self.internal_pack):
            self.library.pack_for(pack_id, date.max)

    def packs_at(self, received_at: datetime) -> tuple[Pack, Pack]:
        """The versions that a receipt at this moment falls under: statutory, internal."""
        statutory, internal = (
            self.library.pack_for(pack_id, local_date(received_at, self.library.pack_for(pack_id, date.max).zone))
            for pack_id in (self.statutory_pack, self.internal_pack)
        )
        return statutory, internal
