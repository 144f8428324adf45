"""A suite in a process of its own, for tests: started, listened to, asked, stopped."""

from __future__ import annotations

import contextlib
import http.client
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final

from kehu_chassis.testing.servers import free_port, tethered
from kehu_local.plan import HOST

__all__ = ["SuiteProcess", "free_ports", "lives", "wait_for"]

PATIENCE: Final = 60.0


def wait_for(condition: Callable[[], bool], what: str, *, timeout: float = PATIENCE) -> None:
    """Wait until a condition holds. Raises `TimeoutError` with `what` when it never does."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(what)
        time.sleep(0.05)


def lives(pid: int) -> bool:
    """Whether the process runs."""
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    except OSError:
        return False


def free_ports(names: Iterable[str]) -> dict[str, int]:
    """A free port for each name."""
    return {name: free_port() for name in names}


class SuiteProcess:
    """A runner that is a child of the test. `command` starts it; it prints `ready` when everything answers."""

    def __init__(self, command: Sequence[str], data: Path, ports: dict[str, int]) -> None:
        self.command = list(command)
        self.data = data
        self.ports = ports
        self.lines: list[str] = []
        self._process: subprocess.Popen[str] | None = None

    @property
    def text(self) -> str:
        """What it has printed so far, as far as it was read."""
        return "".join(self.lines)

    @property
    def runner_pid(self) -> int:
        """The runner's process id."""
        return self._running().pid

    def start(self, *arguments: str) -> None:
        """Start it and return at once."""
        # A run of tests that is killed leaves no suite behind.
        command = tethered([*self.command, *arguments], signal.SIGTERM)
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def start_and_wait(self, *arguments: str) -> None:
        """Start it and wait until it is ready."""
        self.start(*arguments)
        self.wait_for_line("ready")

    def wait_for_line(self, text: str) -> str:
        """Read until a line holds the text. Raises `TimeoutError` when it ends without."""
        for line in self._output():
            self.lines.append(line)
            if text in line:
                return line
        raise TimeoutError(f"{text!r} never came:\n{self.text}")

    def end(self) -> int:
        """Read to the end; the exit code."""
        process = self._running()
        assert process.stdout is not None
        with process.stdout as output:
            self.lines.extend(output)
        return process.wait()

    def interrupt(self) -> int:
        """Stop it as Ctrl-C does; the exit code."""
        self._running().send_signal(signal.SIGINT)
        return self.end()

    def kill(self) -> None:
        """End the runner as `kill -9` does, and it alone."""
        self._running().kill()
        self.end()

    def ask(self, name: str, path: str) -> str:
        """The body of the answer of one of its processes."""
        connection = http.client.HTTPConnection(HOST, self.ports[name], timeout=5)
        with contextlib.closing(connection):
            connection.request("GET", path)
            return connection.getresponse().read().decode()

    def answers(self, name: str) -> bool:
        """Whether one of its processes answers."""
        try:
            self.ask(name, "/health/live")
        except (OSError, http.client.HTTPException):
            return False
        return True

    def server_pids(self) -> list[int]:
        """PostgreSQL and Kafka, as far as they are its own."""
        files = (self.data / "postgres" / "postmaster.pid", self.data / "kafka" / "kafka.pid")
        return [int(file.read_text(encoding="utf-8").split()[0]) for file in files if file.exists()]

    def clean_up(self) -> None:
        """Leave nothing behind, whatever the test has done."""
        if self._process is None:
            return
        self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()
        servers = self.server_pids()
        wait_for(lambda: not any(lives(pid) for pid in servers), "a server outlived its runner")

    def _running(self) -> subprocess.Popen[str]:
        assert self._process is not None
        return self._process

    def _output(self) -> Iterable[str]:
        output = self._running().stdout
        assert output is not None
        return output
