"""Business time: the suite's clock follows its file, technical time never moves."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import time_machine

from kehu_chassis.clock import FixedClock, SuiteClock, SystemClock, technical_now

MACHINE = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)


def write(path: Path, business: datetime, machine: datetime) -> None:
    new = path.with_suffix(".new")
    new.write_text(json.dumps({"business": business.isoformat(), "machine": machine.isoformat()}))
    new.replace(path)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "clock.json"


def test_without_a_file_business_time_is_the_machines(file: Path) -> None:
    with time_machine.travel(MACHINE, tick=False):
        assert SuiteClock(file).now() == MACHINE == SystemClock().now() == technical_now()


def test_business_time_runs_on_from_where_the_file_puts_it(file: Path) -> None:
    start = datetime.fromisoformat("1999-01-01T09:00+08:00")
    write(file, start, MACHINE)
    clock = SuiteClock(file)
    with time_machine.travel(MACHINE + timedelta(hours=2), tick=False):
        assert clock.now() == datetime(1999, 1, 1, 3, 0, tzinfo=UTC)
        assert clock.now().utcoffset() == timedelta()
        assert technical_now() == MACHINE + timedelta(hours=2)


def test_a_clock_that_is_moved_is_followed_within_a_tenth_of_a_second(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with time_machine.travel(MACHINE, tick=False) as machine:
        monkeypatch.setattr("kehu_chassis.clock.time.monotonic", lambda: technical_now().timestamp())
        write(file, MACHINE, MACHINE)
        clock = SuiteClock(file)
        assert clock.now() == MACHINE
        write(file, MACHINE + timedelta(days=16), MACHINE)
        machine.shift(0.0625)
        assert clock.now() == MACHINE + timedelta(seconds=0.0625)
        machine.shift(0.0625)
        assert clock.now() == MACHINE + timedelta(days=16, seconds=0.125)
        file.unlink()
        machine.shift(0.125)
        assert clock.now() == MACHINE + timedelta(seconds=0.25)


def test_a_fixed_clock_moves_when_told() -> None:
    clock = FixedClock(datetime.fromisoformat("2026-03-02T09:00+08:00"))
    assert clock.now() == clock.now() == datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
    assert clock.advance(timedelta(days=1)) == datetime(2026, 3, 3, 1, 0, tzinfo=UTC)
    clock.set(MACHINE)
    assert clock.now() == MACHINE
