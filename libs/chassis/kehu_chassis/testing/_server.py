"""What a server that is a child process has: a folder, ports, a log, and an end."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Self

from kehu_chassis.testing._access import SystemUser

__all__ = ["HOST", "Server", "ServerFailed", "require_free_port", "tethered"]

HOST: Final = "127.0.0.1"
TETHER: Final = Path(__file__).with_name("_tether.py")
LEAST_FREE_BYTES: Final = 256 * 1024 * 1024
LOG_LINES: Final = 15


class ServerFailed(RuntimeError):
    """A server could not be started. `cause` tells why, `remedy` what a person can do about it."""

    def __init__(self, cause: str, remedy: str) -> None:
        super().__init__(f"{cause}\n{remedy}")
        self.cause = cause
        self.remedy = remedy


def require_free_port(port: int, purpose: str) -> None:
    """Raise `ServerFailed` when something listens on this port of 127.0.0.1."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            cause = f"Port {port}, meant for {purpose}, is taken: {error.strerror}."
            raise ServerFailed(cause, "Stop what listens there, or choose another port.") from error


def tethered(command: Sequence[str], death: signal.Signals, user: SystemUser | None = None) -> list[str]:
    """The command line of a program that is sent this signal when we end, however we end. Its path must be absolute."""
    uid, gid = (user.uid, user.gid) if user else (-1, -1)
    numbers = (os.getpid(), int(death), uid, gid)
    return [sys.executable, "-I", "-S", str(TETHER), *(str(number) for number in numbers), *command]


class Server(ABC):
    """What both servers share: a folder, ports, a log, one child process and how it is ended."""

    name: str
    stop_signal: signal.Signals
    """Ends the server cleanly; sent by us, or by the kernel when the parent has ended."""

    def __init__(self, folder: Path, port: int, log: Path | None) -> None:
        self.folder = folder.absolute()
        self.port = port
        self.log = log.absolute() if log else self.folder.with_name(f"{self.folder.name}.log")
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def pid(self) -> int | None:
        """The process id while the server runs."""
        return self._process.pid if self._process and self._process.poll() is None else None

    def start(self, *, timeout: float = 60) -> None:
        """Start the server and return when it answers. Raises `ServerFailed`, with nothing left running."""
        self.launch()
        self.await_ready(timeout=timeout)

    def launch(self) -> None:
        """Begin to start the server; `await_ready` must follow. Raises `ServerFailed`, with nothing left running."""
        self._require_folder()
        self.end_leftover()
        for port in self.ports():
            require_free_port(port, self.name)
        user = self.prepare()
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(  # noqa: S603 - our own command line.
                tethered(self.command(), self.stop_signal, user),
                cwd="/",
                env={"PATH": os.defpath, "LC_ALL": "C.UTF-8", "TZ": "UTC"},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # A terminal's Ctrl-C is for the runner, which stops servers in order.
            )

    def await_ready(self, *, timeout: float = 60) -> None:
        """Wait until the launched server answers. Raises `ServerFailed`, with nothing left running."""
        try:
            self._wait(time.monotonic() + timeout)
        except BaseException:
            self.stop()
            raise

    def end_leftover(self) -> None:
        """End a server of this folder that outlived the process that started it."""
        pid = self.leftover_pid()
        if pid is None:
            return
        for signal_number, patience in ((self.stop_signal, 10.0), (signal.SIGKILL, 5.0)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal_number)
            deadline = time.monotonic() + patience
            while self.leftover_pid() == pid and time.monotonic() < deadline:
                time.sleep(0.05)
            if self.leftover_pid() != pid:
                return
        raise ServerFailed(f"{self.name} of an earlier run (process {pid}) does not end.", f"End it: kill -9 {pid}")

    def ask_to_stop(self) -> None:
        """Begin to stop the server cleanly; `stop` must follow. So several servers stop at the same time."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(self.stop_signal)

    def stop(self, *, timeout: float = 10) -> None:
        """Stop the server cleanly, by force when that takes too long. Harmless when it does not run."""
        if self._process is None:
            return
        if self._process.poll() is None:
            self.ask_to_stop()
            try:
                self._process.wait(timeout)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._process = None

    def poll(self) -> int | None:
        """The exit code when the server has ended by itself; None while it runs and when it was never started."""
        return self._process.poll() if self._process else None

    def log_tail(self) -> str:
        """The last lines of the server's log."""
        with contextlib.suppress(OSError):
            return "\n".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-LOG_LINES:])
        return ""

    @abstractmethod
    def ports(self) -> Sequence[int]:
        """The ports that the server listens on."""

    @abstractmethod
    def prepare(self) -> SystemUser | None:
        """Make the data folder if there is none; the user to run as, None for the caller's own."""

    @abstractmethod
    def command(self) -> Sequence[str]:
        """The program and its arguments."""

    @abstractmethod
    def answers(self) -> bool:
        """Whether the server serves by now."""

    @abstractmethod
    def leftover_pid(self) -> int | None:
        """A server of this folder that outlived its runner."""

    def _wait(self, deadline: float) -> None:
        while not self.answers():
            if self.poll() is not None:
                raise ServerFailed(f"{self.name} ended while starting:\n{self.log_tail()}", f"Its log is {self.log}.")
            if time.monotonic() > deadline:
                cause = f"{self.name} did not answer on port {self.port} in time:\n{self.log_tail()}"
                raise ServerFailed(cause, f"Its log is {self.log}. Try again when the machine is less busy.")
            time.sleep(0.05)

    def _require_folder(self) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self.log.parent.mkdir(parents=True, exist_ok=True)
            self.log.touch()
            next(self.folder.iterdir(), None)
            free = shutil.disk_usage(self.folder).free
        except OSError as error:
            cause = f"The data folder of {self.name} cannot be used: {error}"
            raise ServerFailed(
                cause, f"Make {self.folder} readable and writable for you, or choose another."
            ) from error
        if free < LEAST_FREE_BYTES:
            cause = f"The disk of {self.folder} is full: {free // 2**20} MiB are free, {self.name} needs 256."
            raise ServerFailed(cause, "Free some space, or choose a data folder on another disk.")

    def runs_here(self, pid_file: Path, program: str) -> int | None:
        """The process that the file names, when it lives and is this program working on this folder."""
        try:
            pid = int(pid_file.read_text(encoding="ascii").split()[0])
            arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rsplit(")", 1)[1].split()[0]
        except (OSError, ValueError, IndexError):
            return None
        ours = program.encode() in arguments[0] and any(os.fsencode(self.folder) in part for part in arguments)
        return pid if ours and state != "Z" else None
