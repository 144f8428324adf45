"""Which processes of a suite are ready, and what they take."""

from __future__ import annotations

import contextlib
import http.client
import json
import shutil
import socket

import psutil
from rich.console import Console
from rich.table import Table

from kehu_local import lock
from kehu_local.plan import HOST, Plan

__all__ = ["proportional_memory", "readiness", "show_status"]


def readiness(port: int) -> str:
    """`ok` when the process on this port is ready, else why it is not."""
    connection = http.client.HTTPConnection(HOST, port, timeout=2)
    try:
        connection.request("GET", "/health/ready")
        response = connection.getresponse()
        body = response.read(2000)
    except (OSError, http.client.HTTPException):
        return "no answer"
    finally:
        connection.close()
    if response.status == 200:
        return "ok"
    with contextlib.suppress(ValueError, AttributeError):
        checks = json.loads(body)["checks"]
        return ", ".join(f"{name}: {state}" for name, state in checks.items() if state != "ok")
    return str(response.status)


def proportional_memory(runner: int) -> int:
    """Bytes that the runner and all below it take, shared pages counted once (the sum of PSS)."""
    total = 0
    for process in (psutil.Process(runner), *psutil.Process(runner).children(recursive=True)):
        with contextlib.suppress(psutil.Error):
            total += process.memory_full_info().pss
    return total


def _listeners(runner: int) -> dict[int, str]:
    """By port: the process below the runner that listens there."""
    found = {}
    for process in psutil.Process(runner).children(recursive=True):
        with contextlib.suppress(psutil.Error):
            for connection in process.net_connections("tcp"):
                if connection.status == psutil.CONN_LISTEN:
                    found[connection.laddr.port] = str(process.pid)
    return found


def show_status(plan: Plan, console: Console) -> bool:
    """Print a line for each process; False when one is not ready."""
    runner = lock.holder(plan.run)
    if runner is None:
        console.print("Nothing runs with this data folder.")
        return False
    table = Table("Process", "Address", "Pid", "State")
    pids = _listeners(runner)
    all_ready = True
    for name, port in plan.used_ports().items():
        if name == "kafka-controller":
            continue
        state = _connects(port) if name in {"postgres", "kafka"} else readiness(port)
        all_ready = all_ready and state == "ok"
        table.add_row(name, f"{HOST}:{port}", pids.get(port, ""), state)
    console.print(table)
    console.print(f"The runner is process {runner}; what it runs it starts again when it ends.")
    disk = shutil.disk_usage(plan.data)
    console.print(f"Disk of the data folder: {disk.free / 2**30:.1f} GiB free of {disk.total / 2**30:.1f}")
    console.print(f"Memory, all processes together: {proportional_memory(runner) / 2**20:.0f} MiB")
    return all_ready


def _connects(port: int) -> str:
    try:
        socket.create_connection((HOST, port), timeout=2).close()
    except OSError:
        return "no answer"
    return "ok"
