"""Ports for servers that tests start.

A port that the system proposes may be taken before our server listens on it: by anybody's outgoing connection, or by
another process of the same run to which it was proposed too. So ports are counted up below those that systems give to
connections, from a start that differs from process to process, and none is given twice before all were.
"""

from __future__ import annotations

import os
import socket
from itertools import cycle
from typing import Final

__all__ = ["free_port"]

FIRST: Final = 20_000
COUNT: Final = 12_000
APART: Final = 997
"""Between the starts of two processes with neighbouring ids; prime to the count."""

_start: Final = os.getpid() * APART
_numbers: Final = cycle(FIRST + (_start + step) % COUNT for step in range(COUNT))


def free_port() -> int:
    """A port of 127.0.0.1 on which nothing listens."""
    while True:
        port = next(_numbers)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
