"""What the whole suite takes when nobody asks anything of it: memory (PSS) and a share of one core."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from bench.house import House
from bench.pace import Pace
from bench.report import Measurement
from kehu_local.plan import PORTS
from kehu_local.testing import SuiteProcess, free_ports

__all__ = ["measure"]

TICKS = os.sysconf("SC_CLK_TCK")


def _family(pid: int) -> list[int]:
    """A process and all below it."""
    children: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        children.setdefault(int(fields[1]), []).append(int(path.parent.name))
    found = [pid]
    for each in found:
        found += children.get(each, [])
    return found


def _memory(pids: list[int]) -> float:
    """Proportional set size of all, in MiB: a page that several share is counted once."""
    total = 0
    for pid in pids:
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total / 1024


def _processor(pids: list[int]) -> float:
    """Seconds of processor time that all have used, and those of them that have ended, which their parents bear."""
    ticks = 0
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        ticks += sum(map(int, fields[11:15]))
    return ticks / TICKS


def measure(house: House, pace: Pace) -> list[Measurement]:
    """Start a suite with the demo bank (without it when in haste), let it settle, and look at it."""
    data, ports = house.folder / "suite", free_ports(PORTS)
    command = [sys.executable, "-m", "kehu_local", "up", "--quiet", "--data", str(data)]
    command += [part for name, number in ports.items() for part in ("--port", f"{name}={number}")]
    suite = SuiteProcess(command, data, ports)
    try:
        suite.start("--no-demo" if pace.quick else "--demo")
        suite.wait_for_line("Address")
        time.sleep(0 if pace.quick else 20)
        memory, share = [], []
        for _ in range(pace.rounds):
            began, used = time.monotonic(), _processor(_family(suite.runner_pid))
            time.sleep(10 * pace.seconds)
            share.append(100 * (_processor(_family(suite.runner_pid)) - used) / (time.monotonic() - began))
            memory.append(_memory(_family(suite.runner_pid)))
        suite.interrupt()
    finally:
        suite.clean_up()
    bank = "without a bank" if pace.quick else "with the demo bank"
    told = f"four services, gateway, PostgreSQL and broker {bank}"
    return [
        Measurement("at rest: memory (PSS)", "MiB", memory, budget="<= 1,536 MiB", notes=told),
        Measurement("at rest: processor", "% of a core", share, budget="<= 15 %", notes=told),
    ]
