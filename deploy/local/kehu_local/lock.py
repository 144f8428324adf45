"""One runner for one data folder, also after a runner was killed: the kernel frees the lock with the process."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

from kehu_local.failures import Failed

__all__ = ["holder", "only_one", "wait_until_free"]


@contextlib.contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Hold the folder's lock. Raises `Failed` when another runner has it.

    A record lock belongs to this process alone: the children that it forks do not hold it.
    """
    path = _path(folder)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            cause = f"The suite of this data folder runs already (process {_written(path)})."
            raise Failed(cause, "Use it, or stop it first: make down") from error
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())
        yield
    finally:
        os.close(descriptor)


def holder(folder: Path) -> int | None:
    """The process id of the runner that holds the lock, None when there is none."""
    path = _path(folder)
    try:
        descriptor = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return None
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return _written(path)
    else:
        return None
    finally:
        os.close(descriptor)


def wait_until_free(folder: Path, timeout: float) -> bool:
    """Wait until no runner holds the lock; False when one still does after so many seconds."""
    deadline = time.monotonic() + timeout
    while holder(folder) is not None:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def _path(folder: Path) -> Path:
    return folder / "runner.pid"


def _written(path: Path) -> int | None:
    text = path.read_text(encoding="ascii").strip()
    return int(text) if text else None
