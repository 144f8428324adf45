"""What a person sees while the demo bank is loaded: a line per act, a bar on a terminal for the long ones."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

__all__ = ["Progress"]


class Progress:
    """Tells what is going on and how long it took."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False, soft_wrap=True)
        self._began = time.monotonic()

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """An act whose length is not known."""
        began = time.monotonic()
        with self._console.status(f"demo: {name}"):
            yield
        self._say(name, began)

    @contextmanager
    def bar(self, name: str, total: int) -> Iterator[Callable[[int], None]]:
        """An act with so many parts; call what it gives with the number of parts that were done."""
        began = time.monotonic()
        columns = (TextColumn(f"demo: {name}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        on_terminal = self._console.is_terminal
        with Bars(*columns, console=self._console, transient=True, disable=not on_terminal) as bars:
            task = bars.add_task(name, total=total)
            yield lambda count: bars.advance(task, count)
        self._say(name, began)

    def done(self) -> None:
        """Say how long it took in all."""
        self._say("The demo bank stands", self._began)

    def _say(self, name: str, began: float) -> None:
        self._console.print(f"demo: {name} ({time.monotonic() - began:.1f} s)")
