"""The benchmarks: their arithmetic, and that each of them still runs."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from bench.__main__ import BENCHMARKS  # noqa: E402  the benchmarks are no installed package
from bench.report import Measurement, exponent, markdown  # noqa: E402
from bench.values import anew  # noqa: E402


def test_the_exponent_is_the_slope_of_time_over_size() -> None:
    assert exponent((10, 100, 1_000), (1.0, 10.0, 100.0)) == pytest.approx(1.0)
    assert exponent((10, 100, 1_000), (3.0, 3.0, 3.0)) == pytest.approx(0.0)


def test_a_row_tells_the_median_of_the_ratios_of_pairs_and_their_spread() -> None:
    row = Measurement("work", "x/s", (100.0, 50.0, 90.0), "peer", (100.0, 100.0, 100.0), ">= 0.8", 0.125, "notes")
    assert markdown([row]).splitlines()[2] == (
        "| work | 90.0 x/s | peer: 100 | 0.90 | 0.50–1.00 | >= 0.8 | 0.12 | notes |"
    )


def test_the_peer_makes_anew_what_differs_between_two_recordings_and_says_the_rest_again() -> None:
    first, second, same = uuid4(), uuid4(), uuid4()
    made: dict[UUID, UUID] = {}
    value = {"id": str(first), "customer": same, "digest": b"1234", "at": [datetime(2026, 1, 1, tzinfo=UTC)]}
    twin = {"id": str(second), "customer": same, "digest": b"5678", "at": [datetime(2026, 1, 2, tzinfo=UTC)]}
    fresh = anew(value, twin, made)
    assert fresh["customer"] == same
    assert fresh["id"] == str(made[first]) not in {str(first), str(second)}
    assert (len(fresh["digest"]), fresh["digest"]) != (4, b"1234")
    assert fresh["at"][0] > datetime(2026, 1, 2, tzinfo=UTC)
    # The same id stays the same within one request.
    assert anew(first, second, made) == made[first]


@pytest.mark.bench
@pytest.mark.parametrize("name", BENCHMARKS)
def test_every_benchmark_runs(name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench", name, "--quick"],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if not name.startswith("KEHU_TEST_")},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "| Work | Ours |" in done.stdout
    assert "| nan " not in done.stdout
