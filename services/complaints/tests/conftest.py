"""Fixtures of the complaints service's tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from kehu_complaints.clocks.library import Library, parse_calendar, parse_pack, shipped

RULES = Path(__file__).parent / "rules"


@pytest.fixture(scope="session")
def library() -> Library:
    """What we ship, and packs of other regulators that were added by file alone."""
    packs = [parse_pack(file.read_bytes()) for file in sorted(RULES.glob("pack-*.json"))]
    calendars = [parse_calendar(file.read_bytes()) for file in sorted(RULES.glob("calendar-*.json"))]
    return Library([*shipped().packs, *packs], [shipped().latest_calendar("CN"), *calendars])
