"""A service's background process: relay, consumers, timers and housekeeping, with health on a port of its own.

Ready means: the database answers, migrations are at head, the broker answers, and no consumer has stopped. Asked to stop,
it takes no more work, finishes what it has, commits, leaves its groups and closes its connections.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Coroutine, Iterator
from typing import Any, Final

import structlog
import uvicorn
from starlette.applications import Starlette

from kehu_chassis import audit_chain, idempotency, inbox, migrations
from kehu_chassis.consumer import Consumer
from kehu_chassis.database import TRANSIENT
from kehu_chassis.definition import Runtime, ServiceDefinition
from kehu_chassis.failures import describe, pause
from kehu_chassis.gauges import Gauges
from kehu_chassis.health import health_routes
from kehu_chassis.kafka import Kafka
from kehu_chassis.ledger import Ledger
from kehu_chassis.relay import Relay
from kehu_chassis.timers import Timers

__all__ = ["ConsumerStopped", "Worker"]

log = structlog.get_logger(__name__)

SEAL_EVERY: Final = 5.0
MEASURE_EVERY: Final = 5.0
ANCHOR_EVERY: Final = 60.0
PRUNE_EVERY: Final = 600.0

_FORGET_OTHERS: Final = "DELETE FROM consumer_states WHERE subscription <> ALL ($1::text[])"


class ConsumerStopped(RuntimeError):
    """A consumer waits for an operator."""


class Worker:
    """The worker of one service. `run` returns when it was stopped by `stop`, SIGTERM or SIGINT."""

    def __init__(self, definition: ServiceDefinition, runtime: Runtime, *, kafka: Kafka | None = None) -> None:
        settings = runtime.settings
        self._definition = definition
        self._runtime = runtime
        self._kafka = kafka or Kafka(settings.kafka_bootstrap, client_id=f"kehu-{definition.name}")
        self._ledger = Ledger(settings.ledger_folder, definition.name)
        self._anchored = 0
        self._stopping = asyncio.Event()
        self.relay = Relay(runtime.database, self._kafka, definition.name)
        self.consumers = [
            Consumer(runtime.database, self._kafka, definition.name, subscription, runtime.clock)
            for subscription in definition.subscriptions(runtime)
        ]
        self.timers = Timers(runtime.database, runtime.clock, definition.timers(runtime))
        self._parts = definition.parts(runtime)

    def stop(self) -> None:
        """Take no more work."""
        self._stopping.set()

    async def run(self) -> None:
        """Work until stopped."""
        server = self._health_server()
        with _signals_call(self.stop):
            parts = [
                self.relay.run(),
                *(consumer.run() for consumer in self.consumers),
                self.timers.run(),
                *(part.run() for part in self._parts),
                self._keep_house(),
                self._measure(),
            ]
            async with asyncio.TaskGroup() as group:
                group.create_task(server.serve())
                work = group.create_task(self._until_stopped(parts))
                log.info("worker.started", consumers=len(self.consumers))
                await work
                server.should_exit = True
        log.info("worker.stopped")

    async def _until_stopped(self, parts: list[Coroutine[Any, Any, None]]) -> None:
        """Run the parts; one that fails takes the others with it, so that whoever started the worker sees it end."""
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(part) for part in parts]
            group.create_task(self._end(tasks))

    async def _end(self, tasks: list[asyncio.Task[None]]) -> None:
        await self._stopping.wait()
        self.relay.stop()
        self.timers.stop()
        for part in self._parts:
            part.stop()
        for consumer in self.consumers:
            consumer.stop()
        _, late = await asyncio.wait(tasks, timeout=self._runtime.settings.stop_timeout)
        for task in late:
            log.warning("worker.part_cut_off", part=task.get_coro().__qualname__)  # type: ignore[union-attr]
            task.cancel()

    async def _keep_house(self) -> None:
        prune_in = anchor_in = 0.0
        while not self._stopping.is_set():
            try:
                await audit_chain.seal(self._runtime.database)
                if anchor_in <= 0:
                    await self._anchor()
                    anchor_in = ANCHOR_EVERY
                if prune_in <= 0:
                    await self._prune()
                    prune_in = PRUNE_EVERY
            except TRANSIENT as error:
                log.warning("worker.housekeeping_postponed", cause=describe(error))
            prune_in -= SEAL_EVERY
            anchor_in -= SEAL_EVERY
            await pause(0, self._stopping, shortest=SEAL_EVERY)

    async def _anchor(self) -> None:
        try:
            async with self._runtime.database.begin(read_only=True) as tx:
                self._anchored = await audit_chain.anchor(tx, self._ledger, since=self._anchored)
        except OSError as error:
            # A ledger that cannot be written stops no work; the lines stand in the log meanwhile.
            log.warning("worker.ledger_not_written", reason=describe(error))

    async def _measure(self) -> None:
        """Set the gauges; apart from the housekeeping, which a large backlog may keep busy just when they matter."""
        names = [consumer.subscription.name for consumer in self.consumers]
        gauges = Gauges(self._runtime.database, self._runtime.clock, names)
        while not self._stopping.is_set():
            try:
                await gauges.measure()
            except TRANSIENT as error:
                log.warning("worker.measuring_postponed", cause=describe(error))
            await pause(0, self._stopping, shortest=MEASURE_EVERY)

    async def _prune(self) -> None:
        """Forget what has had its time, and consumers that this version of the service no longer has."""
        async with self._runtime.database.begin() as tx:
            await idempotency.forget_expired(tx)
            await tx.connection.execute(_FORGET_OTHERS, [consumer.subscription.name for consumer in self.consumers])
        pruned = inbox.PRUNE_SLICE
        while pruned == inbox.PRUNE_SLICE and not self._stopping.is_set():
            async with self._runtime.database.begin() as tx:
                pruned = await inbox.prune(tx)

    def _health_server(self) -> uvicorn.Server:
        checks = {
            "database": self._runtime.database.ping,
            "migrations": self._migrated,
            "broker": self._broker_answers,
            "consumers": self._consumers_run,
        }
        settings = self._runtime.settings
        return _HealthServer(
            uvicorn.Config(
                Starlette(routes=health_routes(checks)),
                host=settings.host,
                port=settings.worker_port,
                lifespan="off",
                access_log=False,
                log_config=None,
                timeout_graceful_shutdown=1,
            )
        )

    async def _migrated(self) -> None:
        await migrations.require_migrated(self._runtime.database, self._definition.migrations)

    async def _broker_answers(self) -> None:
        host, _, port = self._kafka.bootstrap.partition(",")[0].rpartition(":")
        async with asyncio.timeout(1):
            _, writer = await asyncio.open_connection(host, int(port))
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()

    async def _consumers_run(self) -> None:
        for consumer in self.consumers:
            if consumer.state == "stopped":
                raise ConsumerStopped(consumer.subscription.name)


class _HealthServer(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to the worker: health answers until the work has ended."""
        yield


@contextlib.contextmanager
def _signals_call(stop: Any) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    handled = (signal.SIGTERM, signal.SIGINT)
    for number in handled:
        # Only the main thread may handle signals; a worker that a test runs elsewhere is stopped by `stop`.
        with contextlib.suppress(ValueError, RuntimeError):
            loop.add_signal_handler(number, stop)
    try:
        yield
    finally:
        for number in handled:
            with contextlib.suppress(ValueError, RuntimeError):
                loop.remove_signal_handler(number)
