"""`make bench`: every benchmark that exists, one table."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Final

from bench import requests
from bench.house import House, open_house
from bench.report import Measurement, markdown

Benchmark = Callable[..., list[Measurement]]
BENCHMARKS: Final[dict[str, Benchmark]] = {"http": requests.measure}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench ARGS=…", description=__doc__)
    parser.add_argument("--only", choices=BENCHMARKS, action="append", help="run these alone")
    parser.add_argument("--seconds", type=float, default=5.0, help="length of each load")
    parser.add_argument("--rounds", type=int, default=5, help="how often ours and the peer run in turn")
    return parser.parse_args()


def _run(house: House, arguments: argparse.Namespace) -> list[Measurement]:
    measured: list[Measurement] = []
    for name in arguments.only or BENCHMARKS:
        print(f"… {name}", flush=True)
        measured += BENCHMARKS[name](house, seconds=arguments.seconds, rounds=arguments.rounds)
    return measured


def main() -> None:
    """Measure and print."""
    arguments = _arguments()
    with open_house() as house:
        print(markdown(_run(house, arguments)))


if __name__ == "__main__":
    main()
