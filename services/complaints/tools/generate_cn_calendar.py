# ruff: noqa: INP001 - A script, not a package.
"""Write the Chinese working calendar from the facts of the `chinesecalendar` package.

Run it when the State Council has published the next year and `chinesecalendar` knows it:

    pip install chinesecalendar
    python services/complaints/tools/generate_cn_calendar.py --version 2 > \
        services/complaints/kehu_complaints/clocks/data/calendars/CN-2.json

A new version is a new file: due dates that were computed with an older one stay explainable.
"""

from __future__ import annotations

import argparse
import json
import sys
from datetime import date

import chinese_calendar


def build(version: int) -> dict[str, object]:
    """The calendar file as a JSON object: what differs from a plain week, and how far the facts reach."""
    holidays = chinese_calendar.constants.holidays
    make_up_days = chinese_calendar.constants.workdays
    known = [*holidays, *make_up_days]
    return {
        "id": "CN",
        "version": version,
        "zone": "Asia/Shanghai",
        "title": {"en": "Mainland China, State Council holidays", "zh": "中国大陆法定节假日及调休"},
        "source": "chinesecalendar (MIT), from the yearly notices of the State Council",
        "first_day": date(min(known).year, 1, 1).isoformat(),
        "last_day": date(max(known).year, 12, 31).isoformat(),
        "weekend": [6, 7],
        "work_spans": [["09:00", "12:00"], ["13:30", "17:30"]],
        "holidays": sorted(day.isoformat() for day in holidays),
        "make_up_days": sorted(day.isoformat() for day in make_up_days),
    }


def main() -> None:
    """Print the calendar file."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--version", type=int, required=True)
    json.dump(build(arguments.parse_args().version), sys.stdout, ensure_ascii=False, indent=1)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
