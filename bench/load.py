"""A small HTTP load generator: keep-alive connections, one request in flight on each, latencies kept.

It runs as a process of its own (`python -m bench.load PORT SECONDS CONNECTIONS`, requests on standard input) so that it does not
share an interpreter with what it measures; `load` starts it. Loopback only.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass
from functools import partial
from typing import cast

import uvloop

__all__ = ["Load", "load", "raw_request"]

CONNECTIONS = 8


class Connection(asyncio.Protocol):
    """Sends the requests one after the other and counts the answers."""

    def __init__(
        self, requests: list[bytes], start: int, step: int, deadline: float, done: asyncio.Future[None]
    ) -> None:
        self.requests = requests
        self.next = start
        self.step = step
        self.deadline = deadline
        self.done = done
        self.buffer = b""
        self.statuses: Counter[int] = Counter()
        self.latencies: list[float] = []
        self.sent_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the first request."""
        self.transport = cast("asyncio.Transport", transport)
        self._send()

    def _send(self) -> None:
        self.sent_at = time.perf_counter()
        self.transport.write(self.requests[self.next % len(self.requests)])
        self.next += self.step

    def data_received(self, data: bytes) -> None:
        """Read the answer; send the next."""
        self.buffer += data
        head_end = self.buffer.find(b"\r\n\r\n")
        if head_end < 0:
            return
        head = self.buffer[:head_end].lower()
        at = head.find(b"content-length:")
        if at < 0:
            self.done.set_exception(RuntimeError("an answer without content-length"))
            self.transport.close()
            return
        length = int(head[at + 15 :].split(b"\r\n", 1)[0])
        if len(self.buffer) < head_end + 4 + length:
            return
        now = time.perf_counter()
        self.statuses[int(self.buffer[9:12])] += 1
        self.latencies.append(now - self.sent_at)
        self.buffer = b""
        if now < self.deadline:
            self._send()
        else:
            self.transport.close()
            if not self.done.done():
                self.done.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell whoever waits."""
        if not self.done.done():
            self.done.set_exception(exc or ConnectionError("the server closed the connection"))


def _itself(connection: Connection) -> Connection:
    return connection


@dataclass(frozen=True)
class Load:
    """What a load came to: requests answered, how many in a second, percentiles in milliseconds."""

    count: int
    rate: float
    statuses: dict[str, int]
    p50_ms: float
    p95_ms: float


async def run(port: int, seconds: float, requests: list[bytes], connections: int) -> Load:
    """Ask for a time."""
    loop = asyncio.get_running_loop()
    start = time.perf_counter()
    opened = []
    for number in range(connections):
        connection = Connection(requests, number, connections, start + seconds, loop.create_future())
        await loop.create_connection(partial(_itself, connection), "127.0.0.1", port)
        opened.append(connection)
    await asyncio.gather(*(connection.done for connection in opened))
    elapsed = time.perf_counter() - start
    latencies = sorted(latency for connection in opened for latency in connection.latencies)
    statuses: Counter[int] = Counter()
    for connection in opened:
        statuses.update(connection.statuses)
    return Load(
        count=len(latencies),
        rate=len(latencies) / elapsed,
        statuses={str(status): count for status, count in statuses.items()},
        p50_ms=latencies[len(latencies) // 2] * 1000,
        p95_ms=latencies[int(len(latencies) * 0.95)] * 1000,
    )


def raw_request(method: str, path: str, token: str, body: object = None, **headers: str) -> str:
    """A request as it goes over the wire; an underscore in a header's name stands for a hyphen."""
    content = "" if body is None else json.dumps(body)
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", f"Authorization: Bearer {token}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    if body is not None:
        lines += ["Content-Type: application/json", f"Content-Length: {len(content)}"]
    return "\r\n".join(lines) + "\r\n\r\n" + content


def load(port: int, seconds: float, requests: list[str], *, connections: int = CONNECTIONS) -> Load:
    """Ask a port in a process of its own; every answer must be a success."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.load", str(port), str(seconds), str(connections)],
        input=json.dumps(requests),
        capture_output=True,
        text=True,
        check=True,
    )
    result = Load(**json.loads(done.stdout))
    if set(result.statuses) - {"200", "201"}:
        raise RuntimeError(f"refused: {result.statuses}")
    return result


def main() -> None:
    """Read one JSON list of raw requests (as latin-1 text) and print one JSON result."""
    port, seconds, connections = int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])
    requests = [text.encode("latin-1") for text in json.load(sys.stdin)]
    sys.stdout.write(json.dumps(asdict(uvloop.run(run(port, seconds, requests, connections)))))


if __name__ == "__main__":
    main()
