"""The servers that tests and the runner start: their data outlive them, and they do not outlive their parent."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import asyncpg
import pytest

from kehu_chassis.testing.servers import KafkaServer, PostgresServer, ServerFailed, free_port

HOLD = """
import sys, time
from pathlib import Path
from kehu_chassis.testing.servers import PostgresServer
server = PostgresServer(Path(sys.argv[1]), int(sys.argv[2]))
server.start()
print(server.pid, flush=True)
time.sleep(60)
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """Not below pytest's own folders: each run of pytest sets their modes anew, under another user's feet."""
    with tempfile.TemporaryDirectory(prefix="kehu-servers-") as made:
        yield Path(made)


def _wait_for(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def _lives(pid: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


async def _number(server: PostgresServer, statement: str) -> int:
    connection = await asyncpg.connect(server.dsn)
    try:
        number: int = await connection.fetchval(statement)
        return number
    finally:
        await connection.close()


@pytest.mark.anyio
async def test_what_was_committed_is_there_after_a_stop_and_a_start(folder: Path) -> None:
    server = PostgresServer(folder / "data", free_port())
    with server:
        assert await _number(server, "CREATE TABLE kept AS SELECT 7 AS n; ") is None
    with server:
        assert await _number(server, "SELECT n FROM kept") == 7


@pytest.mark.anyio
async def test_a_password_is_asked_for_when_one_was_set(folder: Path) -> None:
    with PostgresServer(folder / "data", free_port(), password="correct") as server:
        assert await _number(server, "SELECT 1") == 1
        server.password = "wrong"
        with pytest.raises(asyncpg.InvalidPasswordError):
            await _number(server, "SELECT 1")


def test_a_taken_port_is_named_and_nothing_is_started(folder: Path) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        server = PostgresServer(folder / "data", port)
        with pytest.raises(ServerFailed, match=f"Port {port}, meant for PostgreSQL, is taken"):
            server.start()
    assert server.pid is None


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every folder")
def test_an_unreadable_folder_is_named(folder: Path) -> None:
    (folder / "data").mkdir(mode=0)
    with pytest.raises(ServerFailed, match="cannot be used"):
        PostgresServer(folder / "data", free_port()).start()


def test_a_data_folder_that_is_a_file_is_named(folder: Path) -> None:
    (folder / "data").write_text("")
    with pytest.raises(ServerFailed, match="The data folder of PostgreSQL cannot be used"):
        PostgresServer(folder / "data", free_port()).start()


def test_a_server_ends_with_the_process_that_started_it_even_when_that_is_killed(folder: Path) -> None:
    command = [sys.executable, "-c", HOLD, str(folder / "data"), str(free_port())]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        server = int(parent.stdout.readline())
        assert _lives(server)
        parent.send_signal(signal.SIGKILL)
    _wait_for(lambda: not _lives(server), "the server outlived its killed parent")


def test_a_server_left_over_by_another_process_is_ended_first(folder: Path) -> None:
    port = free_port()
    command = [sys.executable, "-c", HOLD, str(folder / "data"), str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        leftover = int(parent.stdout.readline())
        with PostgresServer(folder / "data", port) as server:
            assert server.pid != leftover
            assert not _lives(leftover)
        parent.kill()


def test_a_stale_pid_file_that_names_a_foreign_process_does_not_block(folder: Path) -> None:
    server = PostgresServer(folder / "data", free_port())
    with server:
        pass
    (folder / "data" / "postmaster.pid").write_text(f"{os.getpid()}\n{folder}\n")
    with server:
        assert server.pid is not None


def test_a_broker_starts_stops_and_ends_its_leftover(folder: Path, pytestconfig: pytest.Config) -> None:
    jars = pytestconfig.rootpath / ".local" / "jars"
    port = free_port()
    broker = KafkaServer(folder / "data", port, jars, controller_port=free_port(), heap="256m")
    with broker:
        pid = broker.pid
        assert pid is not None
        again = KafkaServer(folder / "data", port, jars, controller_port=broker.controller_port, heap="256m")
        with again:
            assert again.pid != pid
            assert not _lives(pid)
        assert again.pid is None


def test_a_broker_without_jars_tells_how_to_fetch_them(folder: Path) -> None:
    with pytest.raises(ServerFailed, match="make jars"):
        KafkaServer(folder / "data", free_port(), folder / "none").start()
