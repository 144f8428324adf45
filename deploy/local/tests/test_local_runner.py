"""The runner: what it starts it keeps alive, what it stops loses nothing, and what goes wrong it names."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import time
from typing import Any

import asyncpg
import pytest

from kehu_local import lock
from kehu_local.cli import main
from kehu_local.testing import SuiteProcess, lives, wait_for


def _pid(suite: SuiteProcess, name: str) -> int:
    return int(suite.ask(name, "/pid"))


def _kill_child(suite: SuiteProcess, name: str) -> None:
    with contextlib.suppress(OSError, http.client.HTTPException):
        suite.ask(name, "/die")


def _stop(suite: SuiteProcess) -> None:
    assert suite.interrupt() == 0, suite.text


def _exit_code(*arguments: str) -> object:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    return ended.value.code


async def _execute(suite: SuiteProcess, statement: str) -> Any:
    secrets = json.loads((suite.data / "secrets" / "passwords.json").read_text())
    connection = await asyncpg.connect(
        host="127.0.0.1",
        port=suite.ports["postgres"],
        user="kehu_customer_owner",
        password=secrets["roles"]["customer"]["owner"],
        database="kehu",
    )
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


async def test_a_second_start_finds_the_data_of_the_first(suite: SuiteProcess) -> None:
    suite.start_and_wait()
    await _execute(suite, "CREATE TABLE kept (n int)")
    await _execute(suite, "INSERT INTO kept VALUES (7)")
    _stop(suite)
    suite.start_and_wait()
    assert await _execute(suite, "SELECT n FROM kept") == 7
    _stop(suite)


async def test_a_role_sees_its_own_schema_only(suite: SuiteProcess) -> None:
    suite.start_and_wait()
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await _execute(suite, "CREATE TABLE complaints.foreign_table (n int)")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await _execute(suite, "CREATE TABLE public.foreign_table (n int)")
    _stop(suite)


def test_ctrl_c_ends_everything_within_15_seconds_also_the_broker(whole_suite: SuiteProcess) -> None:
    whole_suite.start_and_wait()
    started = [*whole_suite.server_pids(), _pid(whole_suite, "customer"), _pid(whole_suite, "gateway")]
    assert len(started) == 4
    began = time.monotonic()
    _stop(whole_suite)
    assert time.monotonic() - began < 15
    assert [pid for pid in started if lives(pid)] == []


def test_down_stops_the_suite_of_its_data_folder(suite: SuiteProcess, capsys: pytest.CaptureFixture[str]) -> None:
    suite.start_and_wait()
    child = _pid(suite, "customer")
    began = time.monotonic()
    assert _exit_code("down", "--data", str(suite.data)) == 0
    assert time.monotonic() - began < 15
    assert "Stopped" in capsys.readouterr().out
    assert suite.end() == 0
    assert not lives(child)
    assert _exit_code("down", "--data", str(suite.data)) == 0
    assert "Nothing runs" in capsys.readouterr().out


def test_status_names_the_process_behind_each_port(
    suite: SuiteProcess, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    suite.start_and_wait()
    monkeypatch.setenv("COLUMNS", "120")
    assert _exit_code("status", "--data", str(suite.data)) == 0
    told = {line.split()[1]: line.split()[5] for line in capsys.readouterr().out.splitlines() if "127.0.0.1" in line}
    assert told == {
        "gateway": str(_pid(suite, "gateway")),
        "customer": str(_pid(suite, "customer")),
        "postgres": str(suite.server_pids()[0]),
    }
    _stop(suite)


def test_a_child_that_dies_is_started_again_and_that_is_said(suite: SuiteProcess) -> None:
    suite.start_and_wait()
    first = _pid(suite, "customer")
    _kill_child(suite, "customer")
    assert "customer ended with 3; it is started again in 0.5 s" in suite.wait_for_line("customer ended")
    wait_for(lambda: suite.answers("customer"), "the child did not come back")
    assert _pid(suite, "customer") != first
    _stop(suite)


def test_five_deaths_within_a_minute_keep_a_child_down_and_show_its_last_lines(suite: SuiteProcess) -> None:
    suite.start_and_wait()
    for _ in range(5):
        wait_for(lambda: suite.answers("customer"), "the child did not come back")
        _kill_child(suite, "customer")
        suite.wait_for_line("customer ended")
    assert "fifth time within a minute: it stays down" in suite.lines[-1]
    assert "asked to die" in suite.wait_for_line("  asked to die")
    assert suite.answers("gateway")
    assert not suite.answers("customer")
    _stop(suite)


def test_postgresql_is_started_again_when_it_was_killed(suite: SuiteProcess) -> None:
    suite.start_and_wait()
    (first,) = suite.server_pids()
    os.kill(first, signal.SIGKILL)
    suite.wait_for_line("PostgreSQL ended by SIGKILL")
    wait_for(lambda: suite.server_pids() not in ([], [first]), "PostgreSQL did not come back")
    _stop(suite)


def test_a_server_that_does_not_start_is_tried_until_it_does_and_the_others_go_on(suite: SuiteProcess) -> None:
    suite.start_and_wait()
    (server,) = suite.server_pids()
    with socket.socket() as holder:
        # What keeps it down here is its port, which is ours as soon as it lets go.
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        os.kill(server, signal.SIGKILL)
        wait_for(lambda: not lives(server), "PostgreSQL did not end")
        holder.bind(("127.0.0.1", suite.ports["postgres"]))
        holder.listen()
        for pause in ("0.5", "1", "2", "4", "8"):
            assert f"it is started again in {pause} s" in suite.wait_for_line("PostgreSQL ended"), suite.text
    assert suite.answers("customer")
    _stop(suite)


async def test_a_killed_runner_leaves_nothing_that_blocks_the_next_start(whole_suite: SuiteProcess) -> None:
    whole_suite.start_and_wait()
    await _execute(whole_suite, "CREATE TABLE kept AS SELECT 7 AS n")
    children = [_pid(whole_suite, "customer"), _pid(whole_suite, "gateway")]
    whole_suite.kill()
    whole_suite.start_and_wait()
    assert [pid for pid in children if lives(pid)] == []
    assert await _execute(whole_suite, "SELECT n FROM kept") == 7
    _stop(whole_suite)


def test_a_demo_bank_is_loaded_to_its_end_once(suite: SuiteProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    for ends_with, loads in (("1", True), ("0", True), ("0", False)):
        monkeypatch.setenv("FAKE_SUITE_DEMO", ends_with)
        suite.lines.clear()
        suite.start()
        if ends_with == "1":
            assert suite.end() == 1
            assert "the demo bank is not to be had\nuntil the test is over\n" in suite.text
            assert "Start again: the loading goes on where it broke off." in suite.text
            assert "Traceback" not in suite.text
        else:
            suite.wait_for_line("ready\n")
            _stop(suite)
        assert ("Loading the demo bank" in suite.text) is loads


def test_no_demo_bank_is_loaded_into_a_suite_that_began_without(
    suite: SuiteProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    suite.start_and_wait()
    _stop(suite)
    monkeypatch.setenv("FAKE_SUITE_DEMO", "0")
    suite.start()
    suite.wait_for_line("ready\n")
    _stop(suite)
    assert "Loading the demo bank" not in suite.text


def test_a_port_in_use_is_named_and_nothing_is_left_running(suite: SuiteProcess) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", suite.ports["gateway"]))
        holder.listen()
        suite.start()
        assert suite.end() == 1
    port = suite.ports["gateway"]
    assert f"failed: Port {port}, meant for gateway, is taken" in suite.text
    assert suite.server_pids() == []


def test_a_second_runner_of_the_same_folder_is_refused(suite: SuiteProcess) -> None:
    suite.start_and_wait()
    second = SuiteProcess(suite.command, suite.data, suite.ports)
    second.start()
    assert second.end() == 1
    assert f"runs already (process {suite.runner_pid})" in second.text
    assert lock.holder(suite.data / "run") == suite.runner_pid
    assert suite.answers("customer")
    _stop(suite)


def test_a_data_folder_that_cannot_be_used_is_named(suite: SuiteProcess) -> None:
    suite.data.write_text("a file, no folder")
    suite.start()
    assert suite.end() == 1
    assert f"failed: The data folder {suite.data} cannot be used" in suite.text


def test_lost_secrets_are_named_and_not_made_anew(suite: SuiteProcess) -> None:
    suite.start_and_wait()
    _stop(suite)
    keys = suite.data / "secrets" / "keys.json"
    keys.unlink()
    suite.start()
    assert suite.end() == 1
    assert f"{keys} is missing" in suite.text
    assert not keys.exists()


def test_half_a_restored_suite_is_not_started(suite: SuiteProcess) -> None:
    (suite.data / "run").mkdir(parents=True)
    (suite.data / "run" / "restoring").touch()
    suite.start()
    assert suite.end() == 1
    assert f"failed: A restore into the data folder {suite.data} was broken off." in suite.text
    assert not (suite.data / "secrets").exists()


def test_secrets_are_for_the_owner_alone(suite: SuiteProcess) -> None:
    suite.start_and_wait()
    _stop(suite)
    files = [path for path in (suite.data / "secrets").rglob("*") if path.is_file()]
    assert len(files) == 8
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}


def test_a_broker_that_does_not_answer_is_named(suite: SuiteProcess) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        suite.command[-1] = broker = f"127.0.0.1:{closed.getsockname()[1]}"
        suite.start()
        assert suite.end() == 1
    assert f"Kafka at {broker} does not answer" in suite.text
    assert [pid for pid in suite.server_pids() if lives(pid)] == []


async def test_servers_that_already_run_are_used_and_not_stopped(
    suite: SuiteProcess, postgres: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_SUITE_POSTGRES", postgres)
    suite.start_and_wait()
    assert suite.server_pids() == []
    _stop(suite)
    server = await asyncpg.connect(postgres)
    try:
        assert await server.fetchval("SELECT has_database_privilege('kehu_customer_api', 'kehu', 'CONNECT')")
        await server.execute("DROP DATABASE kehu WITH (FORCE)")
    finally:
        await server.close()
