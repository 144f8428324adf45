"""What goes wrong, kind by kind: each fault is drawn by chance, done to the suite, and taken back."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import time
from collections import defaultdict, deque
from collections.abc import Callable
from functools import partial
from random import Random
from typing import Final

from .bank import Bank
from .suite import PROCESSES, FaultySuite

__all__ = ["Faults"]

KILLS_A_MINUTE: Final = 3
"""Most kills of one process within a minute: at five deaths the runner rightly gives it up."""

SMALLEST_PIECE: Final = 4096
AWAY: Final = 6.0
"""Seconds for which the broker is away, beside those that its end and its start take."""


class Faults:
    """Draws faults from a seed. `kinds` are the names of those that this machine allows, each as often as likely."""

    def __init__(self, suite: FaultySuite, bank: Bank, random: Random) -> None:
        self.kills = 0
        self._suite = suite
        self._bank = bank
        self._random = random
        self._killed: defaultdict[str, deque[float]] = defaultdict(lambda: deque(maxlen=KILLS_A_MINUTE))
        weighted: dict[str, tuple[int, Callable[[], None]]] = {
            "api killed": (4, partial(self._kill, "api")),
            "worker killed": (6, partial(self._kill, "worker")),
            "api paused": (2, partial(self._pause_process, "api")),
            "worker paused": (5, partial(self._pause_process, "worker")),
            "PostgreSQL restarted": (2, partial(suite.restart, suite.postgres, signal.SIGINT)),
            "PostgreSQL shut down at once": (3, partial(suite.restart, suite.postgres, signal.SIGQUIT)),
            "broker killed": (3, partial(suite.restart, suite.kafka, signal.SIGKILL)),
            "broker restarted": (2, partial(suite.restart, suite.kafka, signal.SIGTERM)),
            "broker away": (1, partial(suite.restart, suite.kafka, signal.SIGTERM, away=AWAY)),
            "broker paused": (2, lambda: self._pause(suite.kafka.pid)),
            "broker's disk full": (2, self._fill_disk),
            **{f"connections to {name} cut": (4, partial(self._cut, name)) for name in suite.doors},
            **{f"connections to {name} slow": (2, partial(self._delay, name)) for name in suite.doors},
            **{
                kind: (3, partial(bank.disturb.append, kind))
                for kind in ("messages repeated", "messages reordered", "child before parent")
            },
            "poison message": (2, partial(bank.disturb.append, "poison message")),
            "clock moved": (3, self._move_clock),
        }
        if suite.disk is None:
            del weighted["broker's disk full"]
        self._actions = {kind: action for kind, (_, action) in weighted.items()}
        self.kinds = [kind for kind, (weight, _) in weighted.items() for _ in range(weight)]

    def draw(self) -> str:
        """The next kind of fault."""
        return self._random.choice(self.kinds)

    def do(self, kind: str) -> None:
        """Let it happen, and take it back where somebody would: a server is started again, a disk is cleared."""
        self._actions[kind]()

    def pause(self) -> None:
        """Let some time go by."""
        time.sleep(self._random.uniform(0, 0.8))

    def _kill(self, part: str) -> None:
        names = [name for name in PROCESSES if name.endswith("worker") == (part == "worker")]
        rested = [name for name in names if len(self._killed[name]) < KILLS_A_MINUTE or self._is_rested(name)]
        name = self._random.choice(rested or names)
        process = self._suite.process(name) if rested else None
        if process is not None:
            self._killed[name].append(time.monotonic())
            self.kills += 1
            process.kill()

    def _is_rested(self, name: str) -> bool:
        return time.monotonic() - self._killed[name][0] > 65

    def _pause_process(self, part: str) -> None:
        names = [name for name in PROCESSES if name.endswith("worker") == (part == "worker")]
        process = self._suite.process(self._random.choice(names))
        if process is not None:
            self._pause(process.pid)

    def _pause(self, pid: int | None) -> None:
        assert pid is not None
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
            time.sleep(self._random.uniform(0.3, 3))
            os.kill(pid, signal.SIGCONT)

    def _fill_disk(self) -> None:
        disk = self._suite.disk
        assert disk is not None
        filler = disk / "filler"
        piece = shutil.disk_usage(disk).free
        with filler.open("wb") as file:
            # The broker takes from what is free at the same time.
            while piece >= SMALLEST_PIECE:
                try:
                    os.posix_fallocate(file.fileno(), file.seek(0, os.SEEK_END), piece)
                except OSError:
                    piece //= 2
        # The broker notices at its next write, and halts.
        deadline = time.monotonic() + self._random.uniform(1, 5)
        while self._suite.kafka.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        filler.unlink()
        if self._suite.kafka.poll() is not None:
            self._suite.kafka.stop()
            self._suite.kafka.start()

    def _cut(self, name: str) -> None:
        for _ in range(self._random.randrange(1, 4)):
            self._suite.doors[name].cut()
            time.sleep(self._random.uniform(0, 0.3))

    def _delay(self, name: str) -> None:
        door = self._suite.doors[name]
        door.delay = self._random.uniform(0.005, 0.15)
        time.sleep(self._random.uniform(0.5, 2.5))
        door.delay = 0.0

    def _move_clock(self) -> None:
        self._suite.kehu("clock", "advance", f"{self._random.randrange(1, 13)}h")
