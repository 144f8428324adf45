"""Children by fork: started, listened to, restarted when they die, stopped.

The runner imports what the services are made of once and forks each process from there, so that they share those
pages. It has one thread and one loop: `step` reads what children print, reaps the dead and restarts them.
"""

from __future__ import annotations

import ctypes
import gc
import os
import selectors
import signal
import socket
import sys
import time
import traceback
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import FrameType
from typing import Final, Protocol, Self

from kehu_local.failures import Failed
from kehu_local.output import Output

__all__ = ["Given", "OneShotFailed", "Program", "Server", "StopRequested", "Supervisor"]

PR_SET_PDEATHSIG: Final = 1
MOST_DEATHS: Final = 5
DEATHS_WITHIN: Final = 60.0
FIRST_PAUSE: Final = 0.5
LONGEST_PAUSE: Final = 10.0
TAIL_LINES: Final = 15
LIBC: Final = ctypes.CDLL(None)


class StopRequested(BaseException):
    """SIGINT, SIGTERM or SIGHUP has come; raised by `step`, at a point where all children are known."""


class OneShotFailed(Exception):
    """A program that runs once ended with an error."""

    def __init__(self, name: str, code: int, tail: Sequence[str]) -> None:
        super().__init__(f"{name} ended with {code}")
        self.name = name
        self.code = code
        self.tail = tail


@dataclass(frozen=True, slots=True)
class Program:
    """What a child does: a function called after the fork, with these variables in its environment."""

    name: str
    run: Callable[[], None]
    environment: Mapping[str, str] = field(default_factory=dict)
    on_terminal: bool = False
    """Whether it writes to the terminal itself instead of into a log: for progress bars."""


class Server(Protocol):
    """A child that is a program of its own, such as PostgreSQL."""

    name: str

    def start(self) -> None:
        """Start and return when it answers."""

    def stop(self) -> None:
        """Stop cleanly."""

    def poll(self) -> int | None:
        """The exit code when it has ended by itself."""

    def log_tail(self) -> str:
        """The last lines of its log."""


@dataclass(slots=True)
class _Lives:
    """When a child died, when it is started again, and whether it was given up: never, when all others need it."""

    is_needed: bool = False
    deaths: deque[float] = field(default_factory=lambda: deque(maxlen=MOST_DEATHS))
    restart_at: float | None = None
    given_up: bool = False

    def died(self, now: float) -> float | None:
        """Note a death; the pause before the next start, None when the child is given up."""
        self.deaths.append(now)
        if not self.is_needed and len(self.deaths) == MOST_DEATHS and now - self.deaths[0] <= DEATHS_WITHIN:
            self.given_up, self.restart_at = True, None
            return None
        recent = sum(1 for death in self.deaths if now - death <= DEATHS_WITHIN)
        pause = min(FIRST_PAUSE * 2 ** (recent - 1), LONGEST_PAUSE)
        self.restart_at = now + pause
        return float(pause)


@dataclass(slots=True)
class _Child:
    program: Program
    once: bool
    lives: _Lives = field(default_factory=_Lives)
    pid: int | None = None
    pipe: int | None = None
    rest: bytes = b""
    tail: deque[str] = field(default_factory=lambda: deque(maxlen=TAIL_LINES))
    code: int | None = None


@dataclass(frozen=True, slots=True)
class Given:
    """A child that was given up, and the last lines of its log."""

    name: str
    tail: Sequence[str]


class Supervisor:
    """Starts children and keeps them alive. `say` is told, in words, what it does about them."""

    def __init__(self, output: Output, say: Callable[[str], None]) -> None:
        self._output = output
        self._say = say
        self._children: dict[str, _Child] = {}
        self._servers: dict[str, tuple[Server, _Lives]] = {}
        self._selector = selectors.DefaultSelector()
        self._wake_read, self._wake_write = socket.socketpair()
        self._stop_requested = False
        self._stopping = False
        self.given_up: list[Given] = []

    def __enter__(self) -> Self:
        for end in (self._wake_read, self._wake_write):
            end.setblocking(False)
        self._selector.register(self._wake_read, selectors.EVENT_READ)
        signal.set_wakeup_fd(self._wake_write.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)  # Only to be woken.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._request_stop)
        return self

    def __exit__(self, *_: object) -> None:
        signal.set_wakeup_fd(-1)
        self._selector.close()
        self._wake_read.close()
        self._wake_write.close()

    def start(self, program: Program) -> None:
        """Start a child that shall live until `stop`."""
        self._children[program.name] = child = _Child(program, once=False)
        self._fork(child)

    def watch(self, server: Server) -> None:
        """Restart this server, which runs, whenever it dies: what keeps it down, such as a full disk, may be mended."""
        self._servers[server.name] = (server, _Lives(is_needed=True))

    def run_once(self, programs: Sequence[Program]) -> None:
        """Run programs side by side to their end. Raises `OneShotFailed` for the first that fails; ends the others."""
        children = [_Child(program, once=True) for program in programs]
        for child in children:
            self._children[child.program.name] = child
            self._fork(child)
        try:
            while any(child.pid is not None for child in children):
                self.step(1.0)
                for child in children:
                    if child.code:
                        raise OneShotFailed(child.program.name, child.code, list(child.tail))
        finally:
            self._end([child for child in children if child.pid is not None], timeout=2)
            for child in children:
                del self._children[child.program.name]

    def pids(self) -> dict[str, int]:
        """The processes that live now, by name."""
        return {name: child.pid for name, child in self._children.items() if child.pid is not None}

    def step(self, timeout: float) -> None:
        """Wait for something to happen, at most so many seconds, and deal with it. Raises `StopRequested`."""
        for key, _ in self._selector.select(self._until_restart(timeout)):
            if key.data is None:
                self._wake_read.recv(4096)
            else:
                self._read(key.data)
        self._reap()
        if self._stop_requested and not self._stopping:
            raise StopRequested
        if not self._stopping:
            self._restart_due()

    def stop(self, timeout: float) -> None:
        """Ask all children to finish; end those that have not after so many seconds. Servers are the caller's."""
        self._stopping = True
        self._end(list(self._children.values()), timeout)
        self._children.clear()

    def _request_stop(self, _number: int, _frame: FrameType | None) -> None:
        self._stop_requested = True

    def _until_restart(self, timeout: float) -> float:
        due = [child.lives.restart_at for child in self._children.values() if child.lives.restart_at is not None]
        due += [lives.restart_at for _, lives in self._servers.values() if lives.restart_at is not None]
        return max(0.0, min([timeout, *(at - time.monotonic() for at in due)]))

    def _fork(self, child: _Child) -> None:
        read, write = os.pipe()
        parent = os.getpid()
        sys.stdout.flush()
        sys.stderr.flush()
        pid = os.fork()
        if pid == 0:
            self._become(child.program, parent, write)
        os.close(write)
        os.set_blocking(read, False)
        child.pid, child.pipe, child.rest, child.code = pid, read, b"", None
        child.lives.restart_at = None
        self._selector.register(read, selectors.EVENT_READ, child)

    def _become(self, program: Program, parent: int, write: int) -> None:
        """Be the child; never returns."""
        code = 1
        try:
            os.setsid()  # A terminal's Ctrl-C is for the runner, which stops its children in order.
            LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != parent:
                os._exit(0)
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD):
                signal.signal(number, signal.SIG_DFL)
            self._redirect(program, write)
            os.environ.update(program.environment)
            gc.enable()
            program.run()
            code = 0
        except SystemExit as end:
            if isinstance(end.code, str):
                sys.stderr.write(f"{end.code}\n")
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
        except Failed as failure:
            sys.stderr.write(f"{failure}\n")
        except BaseException:  # noqa: BLE001 - the child's last words; its parent sees the code.
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)

    def _redirect(self, program: Program, write: int) -> None:
        self._selector.close()
        self._wake_read.close()
        self._wake_write.close()
        self._output.close()
        for other in self._children.values():
            if other.pipe is not None:
                os.close(other.pipe)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
        if not program.on_terminal:
            os.dup2(write, 1)
            os.dup2(write, 2)
            # Lines reach the log when they are written, not when a buffer is full.
            sys.stdout = open(1, "w", encoding="utf-8", buffering=1, closefd=False)  # noqa: SIM115 - a descriptor.
            sys.stderr = open(2, "w", encoding="utf-8", buffering=1, closefd=False)  # noqa: SIM115
        os.close(write)

    def _read(self, child: _Child) -> None:
        assert child.pipe is not None
        try:
            data = os.read(child.pipe, 65536)
        except BlockingIOError:
            return
        if not data:
            self._close_pipe(child)
            return
        lines, newline, child.rest = (child.rest + data).rpartition(b"\n")
        if newline:
            self._take(child, lines + newline)

    def _close_pipe(self, child: _Child) -> None:
        assert child.pipe is not None
        self._selector.unregister(child.pipe)
        os.close(child.pipe)
        child.pipe = None
        if child.rest:
            self._take(child, child.rest + b"\n")
            child.rest = b""

    def _take(self, child: _Child, lines: bytes) -> None:
        child.tail.extend(lines.decode(errors="replace").splitlines())
        self._output.write(child.program.name, lines)

    def _reap(self) -> None:
        for child in self._children.values():
            if child.pid is None:
                continue
            pid, status = os.waitpid(child.pid, os.WNOHANG)
            if pid == 0:
                continue
            # What it wrote before it died is still in the pipe.
            while child.pipe is not None and self._has_more(child):
                self._read(child)
            if child.pipe is not None:
                self._close_pipe(child)
            child.pid, child.code = None, os.waitstatus_to_exitcode(status)
            if not child.once and not self._stopping and not self._stop_requested:
                self._died(child.program.name, child.lives, child.code, list(child.tail))
        for name, (server, lives) in self._servers.items():
            code = server.poll()
            if code is not None and lives.restart_at is None and not self._stopping:
                self._died(name, lives, code, server.log_tail().splitlines())

    @staticmethod
    def _has_more(child: _Child) -> bool:
        assert child.pipe is not None
        with selectors.DefaultSelector() as one:
            one.register(child.pipe, selectors.EVENT_READ)
            return bool(one.select(0))

    def _died(self, name: str, lives: _Lives, code: int, tail: Sequence[str]) -> None:
        how = f"by {signal.Signals(-code).name}" if code < 0 else f"with {code}"
        pause = lives.died(time.monotonic())
        if pause is None:
            self.given_up.append(Given(name, tail))
            self._say(f"{name} ended {how} for the fifth time within a minute: it stays down. Its last lines:")
            for line in tail:
                self._say(f"  {line}")
        else:
            self._say(f"{name} ended {how}; it is started again in {pause:g} s")

    def _restart_due(self) -> None:
        now = time.monotonic()
        for child in self._children.values():
            if child.lives.restart_at is not None and child.lives.restart_at <= now:
                self._fork(child)
        for name, (server, lives) in self._servers.items():
            if lives.restart_at is not None and lives.restart_at <= now:
                lives.restart_at = None
                try:
                    server.start()
                except Exception as error:  # noqa: BLE001 - counted as one more death; the reason is said.
                    self._say(f"{name} did not start: {error}")
                    self._died(name, lives, 1, server.log_tail().splitlines())

    def _end(self, children: Sequence[_Child], timeout: float) -> None:
        was_stopping, self._stopping = self._stopping, True
        for child in children:
            child.lives.restart_at = None
            if child.pid is not None:
                os.kill(child.pid, signal.SIGTERM)
        deadline = time.monotonic() + timeout
        while any(child.pid is not None for child in children) and time.monotonic() < deadline:
            self.step(max(0.0, deadline - time.monotonic()))
        late = [child for child in children if child.pid is not None]
        for child in late:
            assert child.pid is not None
            self._say(f"{child.program.name} did not finish in time and is ended")
            os.kill(child.pid, signal.SIGKILL)
        while any(child.pid is not None for child in late):
            self.step(0.1)
        self._stopping = was_stopping
