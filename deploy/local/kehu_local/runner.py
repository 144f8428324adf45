"""`kehu up`: everything in its order, kept alive, and stopped without loss."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

from kehu_chassis.testing.servers import KafkaServer, PostgresServer, require_free_port
from kehu_local import clock, demo
from kehu_local.failures import Failed
from kehu_local.lock import only_one
from kehu_local.output import Output
from kehu_local.plan import Plan, write_json
from kehu_local.processes import Processes, kafka_server, postgres_server
from kehu_local.secrets import Secrets
from kehu_local.status import readiness
from kehu_local.store import provision
from kehu_local.supervisor import OneShotFailed, Program, StopRequested, Supervisor
from kehu_local.topics import apply_topics

__all__ = ["Runner"]

READY_WITHIN: Final = 90.0
CHILDREN_STOP_WITHIN: Final = 6.0
SERVERS_STOP_WITHIN: Final = 8.0
NOT_HTTP: Final = frozenset({"postgres", "kafka", "kafka-controller"})


class Runner:
    """Starts the suite of a plan and stays with it until it is told to stop.

    Args:
        plan: what to start, where.
        with_demo: whether a new suite is given the demo bank, and one that broke off in loading it goes on.
        at: the business time at which a new suite begins.
        say: takes the lines that tell a person what happens.
        on_ready: called once, when everything answers.
        streaming: whether the processes' logs go to the terminal, too.
        processes: what is forked; the suite's own unless told.
    """

    def __init__(  # noqa: PLR0913 - each is a choice of its own, given by name.
        self,
        plan: Plan,
        *,
        with_demo: bool,
        at: datetime | None,
        say: Callable[[str], None],
        on_ready: Callable[[Plan], None],
        streaming: bool = True,
        processes: Processes | None = None,
    ) -> None:
        self._plan = plan
        self._with_demo = with_demo
        self._at = at
        self._say = say
        self._on_ready = on_ready
        self._streaming = streaming
        self._processes = processes or Processes()
        self._servers: list[PostgresServer | KafkaServer] = []

    def run(self) -> None:
        """Start, stay, stop. Returns after a stop that was asked for; raises `Failed`, with nothing left running."""
        self._make_folders()
        with only_one(self._plan.run):
            output = Output(self._plan.logs)
            with Supervisor(output, self._say) as supervisor:
                try:
                    self._start(supervisor)
                    self._on_ready(self._plan)
                    output.streaming = self._streaming
                    while True:
                        supervisor.step(3600)
                except StopRequested:
                    output.streaming = False
                    self._say("Stopping")
                finally:
                    self._stop(supervisor)
            output.close()
            self._say("Stopped; the data are kept")

    def _make_folders(self) -> None:
        plan = self._plan
        try:
            for folder in (plan.data, plan.logs, plan.run, plan.ledger):
                folder.mkdir(parents=True, exist_ok=True)
            next(plan.data.iterdir(), None)
            probe = plan.run / "probe"
            probe.write_bytes(b"")
            probe.unlink()
        except OSError as error:
            remedy = "Make it readable and writable for you, or choose another: --data FOLDER"
            if error.errno == errno.ENOSPC:
                remedy = "The disk is full: free some space, or choose a folder on another disk: --data FOLDER"
            raise Failed(f"The data folder {plan.data} cannot be used: {error}", remedy) from error

    def _start(self, supervisor: Supervisor) -> None:
        plan = self._plan
        if plan.restoring.exists():
            remedy = "Empty the folder, and restore again: kehu restore"
            raise Failed(f"A restore into the data folder {plan.data} was broken off.", remedy)
        is_new = not (plan.run / "suite.json").exists()
        if self._at is not None and not is_new:
            remedy = "Move its clock forward (kehu clock set …), or start with another data folder: --data FOLDER"
            raise Failed("--at is for a new suite; this data folder has one.", remedy)
        secrets = Secrets.load_or_make(plan)
        self._launch_servers(secrets)
        if self._at is not None:
            clock.start_at(plan.clock_file, self._at)
        with self._step("Services loaded"):
            self._processes.load()
        for server in self._servers:
            with self._step(f"{server.name} answers"):
                server.await_ready()
            supervisor.watch(server)
            supervisor.step(0)
        with self._step("Database and topics stand"):
            self._once(supervisor, [Program("provision", lambda: asyncio.run(provision(plan, secrets)))])
            self._once(
                supervisor,
                [
                    Program("topics", lambda: _apply_topics(plan)),
                    *self._processes.migrations(plan, secrets),
                ],
            )
        if is_new:
            # Whether it is to have a demo bank is settled when a suite begins: never is one loaded beside other data.
            write_json(self._demo_file, {"loaded": not self._with_demo})
        plan.save()
        with self._step("Services and gateway are ready"):
            for program in self._processes.lasting(plan, secrets):
                supervisor.start(program)
            self._await_ready(supervisor)
        if self._with_demo and self._demo_is_wanted():
            self._load_demo(supervisor)

    def _launch_servers(self, secrets: Secrets) -> None:
        plan = self._plan
        servers: list[PostgresServer | KafkaServer] = []
        if plan.postgres is None:
            servers.append(postgres_server(plan, secrets))
        if plan.kafka is None:
            servers.append(kafka_server(plan))
        for server in servers:
            server.end_leftover()
        for name, port in plan.used_ports().items():
            require_free_port(port, name)
        for server in servers:
            self._servers.append(server)
            server.launch()

    def _once(self, supervisor: Supervisor, programs: Sequence[Program]) -> None:
        try:
            supervisor.run_once(programs)
        except OneShotFailed as failure:
            tail = "\n".join(f"  {line}" for line in failure.tail)
            cause = f"{failure.name} failed:\n{tail}"
            raise Failed(cause, f"Its log is {self._plan.logs / failure.name}.log.") from failure

    def _await_ready(self, supervisor: Supervisor) -> None:
        plan = self._plan
        waiting = {name: port for name, port in plan.used_ports().items() if name not in NOT_HTTP}
        deadline = time.monotonic() + READY_WITHIN
        while waiting:
            supervisor.step(0.1)
            if supervisor.given_up:
                given = supervisor.given_up[0]
                tail = "\n".join(f"  {line}" for line in given.tail)
                raise Failed(f"{given.name} does not stay up:\n{tail}", f"Its log is {plan.logs / given.name}.log.")
            answers = {name: readiness(port) for name, port in waiting.items()}
            waiting = {name: port for name, port in waiting.items() if answers[name] != "ok"}
            if time.monotonic() > deadline:
                told = "; ".join(f"{name}: {answers[name]}" for name in waiting)
                raise Failed(f"Not ready after {READY_WITHIN:.0f} s: {told}", f"The logs are in {plan.logs}.")

    def _load_demo(self, supervisor: Supervisor) -> None:
        self._say("Loading the demo bank")
        try:
            supervisor.run_once([Program("demo", lambda: demo.load(self._plan), on_terminal=True)])
        except OneShotFailed as failure:
            # It has no log: what it said stands on the terminal.
            remedy = "Start again: the loading goes on where it broke off."
            raise Failed("The demo bank could not be loaded, for what is said above.", remedy) from failure
        write_json(self._demo_file, {"loaded": True})

    def _demo_is_wanted(self) -> bool:
        """Whether the suite began with a demo bank whose loading has still to end."""
        with contextlib.suppress(OSError, ValueError, KeyError):
            return not json.loads(self._demo_file.read_text(encoding="utf-8"))["loaded"]
        return False

    @property
    def _demo_file(self) -> Path:
        return self._plan.run / "demo.json"

    def _stop(self, supervisor: Supervisor) -> None:
        supervisor.stop(CHILDREN_STOP_WITHIN)
        deadline = time.monotonic() + SERVERS_STOP_WITHIN
        for server in self._servers:
            server.ask_to_stop()
        for server in self._servers:
            server.stop(timeout=max(0.1, deadline - time.monotonic()))

    def _step(self, done: str) -> _Step:
        return _Step(self._say, done)


class _Step:
    """Says what was done and how long it took."""

    def __init__(self, say: Callable[[str], None], done: str) -> None:
        self._say = say
        self._done = done

    def __enter__(self) -> None:
        self._began = time.monotonic()

    def __exit__(self, failure: type[BaseException] | None, *_: object) -> None:
        if failure is None:
            self._say(f"{self._done} ({time.monotonic() - self._began:.1f} s)")


def _apply_topics(plan: Plan) -> None:
    for change in asyncio.run(apply_topics(plan.kafka_bootstrap)):
        if not change.applicable:
            print(f"{change.topic} {change.what}: move its messages by hand")  # noqa: T201 - into the program's log.
