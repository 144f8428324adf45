"""A suite whose servers and connections can be made to fail: `kehu up` on servers of our own, reached through proxies.

The processes are the real runner's: when one dies, the runner restarts it. PostgreSQL and Kafka belong to the campaign,
which stops, kills and starts them as an operator, a crash and an init system would. Services reach both through proxies,
and so do the clients that reach the gateway.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from datetime import time as dtime
from pathlib import Path
from typing import Final, Self
from zoneinfo import ZoneInfo

import psutil

from kehu_chassis.testing.servers import KafkaServer, PostgresServer, tethered
from kehu_local.api import token_of_client, token_of_user
from kehu_local.environment import DATABASE, process_environment
from kehu_local.plan import HOST, PORTS, Plan, choose_ports, find_root
from kehu_local.processes import KAFKA_SETTINGS
from kehu_local.secrets import Secrets
from kehu_local.status import readiness
from kehu_local.testing import free_ports, wait_for

from .proxy import Proxy

__all__ = ["PROCESSES", "Code", "FaultySuite"]

PROCESSES: Final = tuple(name for name in PORTS if name.partition("-")[0] not in {"postgres", "kafka"})
"""The processes of the runner, by the names of the ports on which they answer for their health."""

SHANGHAI: Final = ZoneInfo("Asia/Shanghai")
STARTS_WITHIN: Final = 180.0
LOADS_WITHIN: Final = 3600.0
ENDS_WITHIN: Final = 20.0
POSTGRES_SETTINGS: Final = {"max_connections": "200", "shared_buffers": "64MB", "max_wal_size": "1GB"}
DISK: Final = 512 * 2**20
"""Bytes of the disk that the broker's folder is given, where the machine allows a disk of one's own."""


@dataclass(frozen=True)
class Code:
    """Whose code a suite runs, unless told this checkout's: an interpreter, and what it finds in its environment."""

    python: str = sys.executable
    environment: Mapping[str, str] = field(default_factory=dict)


class FaultySuite:
    """One running suite, empty unless it is to have the demo bank. A context manager: nothing is left running, or mounted."""

    def __init__(self, code: Code | None = None, *, demo: bool = False) -> None:
        self._code = code or Code()
        self._demo = demo
        self._folder = Path(tempfile.mkdtemp(prefix="kehu-faults-"))
        # PostgreSQL runs as a user of its own when root starts it.
        self._folder.chmod(0o755)
        ports = free_ports(choose_ports([], 0))
        self.postgres = PostgresServer(
            self._folder / "postgres", ports["postgres"], password="faults", settings=POSTGRES_SETTINGS
        )
        disk = self._folder / "disk"
        disk.mkdir()
        self.disk = disk if not demo and _mounted(disk) else None
        """The broker's own disk, too small for a demo bank; None when this machine does not let us mount one."""
        self.doors = {
            name: Proxy(ports[port])
            for name, port in (("postgres", "postgres"), ("kafka", "kafka"), ("gateway", "gateway"))
        }
        self.kafka = KafkaServer(
            disk / "kafka",
            ports["kafka"],
            find_root() / ".local" / "jars",
            controller_port=ports["kafka-controller"],
            settings=KAFKA_SETTINGS | _broker_settings(self.doors["kafka"]),
            log=self._folder / "kafka.log",
        )
        self.plan = Plan(
            root=find_root(),
            data=self._folder / "data",
            ports=ports,
            kafka=f"{HOST}:{self.doors['kafka'].port}",
            postgres=f"postgresql://postgres:faults@{HOST}:{self.doors['postgres'].port}/postgres",
        )
        self._runner: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        try:
            self.postgres.start()
            self.kafka.start()
            self.start(self._code)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.close(keep=kind is not None)

    def close(self, *, keep: bool = False) -> None:
        """End everything; the folder with the logs is kept when something went wrong."""
        self.stop()
        self.kafka.stop()
        self.postgres.stop()
        for door in self.doors.values():
            door.close()
        if self.disk is not None:
            subprocess.run(["umount", str(self.disk)], check=True)
        if keep:
            sys.stderr.write(f"the logs are in {self._folder}\n")
        else:
            shutil.rmtree(self._folder)

    def start(self, code: Code) -> None:
        """Start the runner of some code over the servers and the data that there are, and wait for its processes."""
        self._code = code
        self._start_runner()
        self.await_ready(STARTS_WITHIN)
        if self._demo:
            wait_for(self._has_demo, "the demo bank was never loaded", timeout=LOADS_WITHIN)

    def stop(self) -> None:
        """Stop the runner and its processes; servers and data stay."""
        if self._runner is not None:
            self._runner.send_signal(signal.SIGINT)
            self._runner.wait()
            self._runner = None

    @property
    def database(self) -> str:
        """The database straight, past the proxy, for whoever checks."""
        return f"{self.postgres.dsn.rpartition('/')[0]}/{DATABASE}"

    @property
    def url(self) -> str:
        """The gateway through its proxy."""
        return f"http://{HOST}:{self.doors['gateway'].port}"

    def token(self, name: str) -> str:
        """An access token of a demo user or of a system of the bank."""
        return token_of_client(self.plan, name) if "-" in name else token_of_user(self.plan, name)

    def kehu(self, *arguments: str) -> str:
        """What the `kehu` command prints."""
        command = [self._code.python, "-m", "kehu_local", *arguments, "--data", str(self.plan.data)]
        environment = os.environ | self._code.environment
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=300, env=environment).stdout

    def go_to_morning(self) -> None:
        """Move the clock to ten o'clock of the next day: at night the gate of campaigns would put every message off."""
        today = datetime.fromisoformat(self.kehu("clock", "show").strip()).astimezone(SHANGHAI)
        morning = datetime.combine(today.date() + timedelta(days=1), dtime(10), SHANGHAI)
        self.kehu("clock", "set", morning.isoformat())

    def process(self, name: str) -> psutil.Process | None:
        """A process of the runner, None while it does not listen."""
        assert self._runner is not None
        for child in psutil.Process(self._runner.pid).children(recursive=True):
            with contextlib.suppress(psutil.Error):
                for held in child.net_connections("tcp"):
                    if held.status == psutil.CONN_LISTEN and held.laddr.port == self.plan.ports[name]:
                        return child
        return None

    @contextlib.contextmanager
    def another_worker(self, service: str) -> Iterator[None]:
        """A second worker of a service, as somebody starts who scales it."""
        environment = process_environment(self.plan, Secrets.load_or_make(self.plan), service, "worker")
        environment[f"{service.upper()}_WORKER_PORT"] = str(free_ports(["worker"])["worker"])
        command = [sys.executable, "-m", f"kehu_{service}", "worker"]
        with (self.plan.logs / "another-worker.log").open("wb") as log:
            worker = subprocess.Popen(command, env=os.environ | environment, stdout=log, stderr=log)
            try:
                yield
            finally:
                worker.terminate()
                worker.wait()

    def restart(self, server: PostgresServer | KafkaServer, how: signal.Signals, *, away: float = 0.0) -> None:
        """End a server by a signal and, after so many seconds without it, start it again."""
        assert server.pid is not None
        os.kill(server.pid, how)
        deadline = time.monotonic() + ENDS_WITHIN
        while server.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        server.stop()
        time.sleep(away)
        server.start()

    def not_ready(self) -> list[str]:
        """The processes that do not say that they are ready."""
        return [name for name in PROCESSES if readiness(self.plan.ports[name]) != "ok"]

    def await_ready(self, within: float) -> float:
        """Wait until every process is ready; how many seconds that took. Raises `TimeoutError`."""
        began = time.monotonic()
        while waiting := self.not_ready():
            if time.monotonic() - began > within:
                raise TimeoutError(f"not ready within {within:.0f} s: {', '.join(waiting)}")
            self._require_runner()
            time.sleep(0.1)
        return time.monotonic() - began

    def _has_demo(self) -> bool:
        self._require_runner()
        return (self.plan.run / "demo.json").exists()

    def _require_runner(self) -> None:
        assert self._runner is not None
        if self._runner.poll() is not None:
            raise RuntimeError(f"the runner has ended: {self.said()}")

    def deaths(self) -> list[str]:
        """What the runner has said of processes that ended."""
        return re.findall(r"^kehu (\S+ ended .*?)[;:]", self.said(), re.MULTILINE)

    def said(self) -> str:
        """What the runner has said."""
        return (self._folder / "runner.log").read_text(encoding="utf-8")

    def _start_runner(self) -> None:
        command = [self._code.python, "-m", "kehu_local", "up", "--data", str(self.plan.data), "--quiet"]
        command += ["--demo" if self._demo else "--no-demo"]
        command += ["--postgres", self.plan.postgres or "", "--kafka", self.plan.kafka or ""]
        for name, port in self.plan.ports.items():
            command += ["--port", f"{name}={port}"]
        environment = os.environ | self._code.environment
        with (self._folder / "runner.log").open("ab") as log:
            self._runner = subprocess.Popen(tethered(command, signal.SIGTERM), stdout=log, stderr=log, env=environment)


def _broker_settings(door: Proxy) -> dict[str, str]:
    return {"advertised.listeners": f"PLAINTEXT://{HOST}:{door.port}", "log.cleaner.backoff.ms": "1000"}


def _mounted(folder: Path) -> bool:
    if os.geteuid() != 0:
        return False
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "kehu-faults", str(folder)]
    return subprocess.run(command, check=False, capture_output=True).returncode == 0
