"""`make bench`: every benchmark, one table. `ARGS=gateway` runs one, `ARGS=--quick` shows in seconds that all run."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial
from typing import Final

from bench import backlog, gateway, growth, imports, inbox, latency, overview, relay, rest, services
from bench.cases import CASES
from bench.house import House, open_house
from bench.pace import Pace
from bench.report import Measurement, markdown
from kehu_chassis.telemetry import configure_logging

Benchmark = Callable[[House, Pace], list[Measurement]]
BENCHMARKS: Final[dict[str, Benchmark]] = {
    **{case.name: partial(services.measure, case=case) for case in CASES},
    "gateway": gateway.measure,
    "overview": overview.measure,
    "relay": relay.measure,
    "inbox": inbox.measure,
    "latency": latency.measure,
    "imports": imports.measure,
    "backlog": backlog.measure,
    "growth": growth.measure,
    "rest": rest.measure,
}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench ARGS=…", description=__doc__)
    parser.add_argument("names", choices=[*BENCHMARKS, []], nargs="*", metavar="name", help=", ".join(BENCHMARKS))
    parser.add_argument("--seconds", type=float, default=Pace.seconds, help="length of each load")
    parser.add_argument("--rounds", type=int, default=Pace.rounds, help="how often ours and the peer run in turn")
    parser.add_argument("--quick", action="store_true", help="small sizes, one short round: figures mean nothing")
    parser.add_argument(
        "--long", action="store_true", help="growth behind 10 and 50 million rows: a quarter of an hour and 30 GB"
    )
    return parser.parse_args()


def main() -> None:
    """Measure and print."""
    arguments = _arguments()
    configure_logging("bench", level="error")
    pace = Pace(arguments.seconds, arguments.rounds, long=arguments.long)
    if arguments.quick:
        pace = Pace(seconds=0.2, rounds=1, quick=True)
    measured: list[Measurement] = []
    for name in arguments.names or BENCHMARKS:
        began = time.monotonic()
        # A house of its own for each, so that none measures what another has left behind.
        with open_house() as house:
            measured += BENCHMARKS[name](house, pace)
        print(f"… {name}: {time.monotonic() - began:.0f} s", flush=True)
    print(markdown(measured))


if __name__ == "__main__":
    main()
