"""From a service's definition to its processes: `api`, `worker` and `migrate`.

    # kehu_complaints/__main__.py
    from kehu_chassis.app import main
    from kehu_complaints.main import DEFINITION

    if __name__ == "__main__":
        main(DEFINITION)

A runner that forks calls `run_api`, `run_worker` and `run_migrate` itself, with settings that it made.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any, Final

import structlog
import uvicorn
import uvloop
from fastapi import FastAPI
from fastapi.middleware.asyncexitstack import AsyncExitStackMiddleware
from fastapi.routing import APIRoute
from pydantic import ValidationError
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.types import ASGIApp

from kehu_chassis import errors
from kehu_chassis.auth import JwksSource, TokenVerifier
from kehu_chassis.clock import Clock, SuiteClock, SystemClock
from kehu_chassis.database import TRANSIENT, Database
from kehu_chassis.definition import Runtime, ServiceDefinition
from kehu_chassis.dispatch import Dispatcher
from kehu_chassis.failures import describe, pause
from kehu_chassis.health import health_routes
from kehu_chassis.operations import operations_routes
from kehu_chassis.problems import problem_schemas
from kehu_chassis.server import ApiServer, guarded_protocol
from kehu_chassis.settings import MigrationSettings, ServiceSettings
from kehu_chassis.telemetry import TelemetryMiddleware, configure_logging, configure_tracing

__all__ = [
    "KehuApp",
    "create_app",
    "main",
    "open_runtime",
    "pass_over_what_stays",
    "run_api",
    "run_migrate",
    "run_worker",
]

log = structlog.get_logger(__name__)

DATABASE_WITHIN: Final = 15.0
"""Seconds that a process waits at its start for a database that does not answer yet."""
_COLLECT_EVERY: Final = 10_000
"""Objects made and not yet freed between two looks for garbage: the rows and models of several requests. Python's own 700
are made by one list, whose objects are all in use when they are looked through."""
EXIT_WITHIN: Final = 1.0
"""Seconds to clear up once a worker's work has ended and stands. What is left then are clients that look for a broker's
name, in threads that cannot be interrupted: while its name server keeps silent, that would take longer than we are given."""


class KehuApp(FastAPI):
    """FastAPI with our one middleware around what its routes need, and no other: each layer costs every request."""

    def __init__(
        self, settings: ServiceSettings, middleware: Sequence[Callable[[ASGIApp], ASGIApp]] = (), **options: Any
    ) -> None:
        self._trace_ratio = settings.trace_ratio
        self._layers = tuple(middleware)
        # Its own telemetry would trace every request, whatever was sampled, with paths and the texts of errors.
        super().__init__(telemetry={"tracing": False, "metrics": False, "logs": False}, **options)

    def build_middleware_stack(self) -> ASGIApp:
        """Telemetry (which answers unexpected errors too), problems, FastAPI's closing of files, the service's layers."""
        handlers: dict[Any, Any] = dict(self.exception_handlers)
        inner: ASGIApp = Dispatcher(self.router.routes, self.router)
        for layer in reversed(self._layers):
            inner = layer(inner)
        inner = ExceptionMiddleware(AsyncExitStackMiddleware(inner), handlers=handlers)
        return TelemetryMiddleware(inner, on_error=errors.internal_error, trace_ratio=self._trace_ratio)

    def openapi(self) -> dict[str, Any]:
        """The API document, with the one security scheme and the schema of problems."""
        if self.openapi_schema is None:
            document = super().openapi()
            components = document.setdefault("components", {})
            components["securitySchemes"] = {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}}
            components.setdefault("schemas", {}).update(problem_schemas())
        return super().openapi()


@asynccontextmanager
async def open_runtime(
    definition: ServiceDefinition, settings: ServiceSettings, process: str
) -> AsyncIterator[Runtime]:
    """Open what a process of the service needs: database, clock, token verifier, the service's own resources.

    A database that is just being started again is waited for, `DATABASE_WITHIN` seconds at most.

    Raises:
        DatabaseUnavailable: it has not come back.
    """
    async with AsyncExitStack() as stack:
        yield await _open(stack, definition, settings, process)


async def _open(
    stack: AsyncExitStack, definition: ServiceDefinition, settings: ServiceSettings, process: str
) -> Runtime:
    failures, deadline = 0, time.monotonic() + DATABASE_WITHIN
    while True:
        try:
            async with AsyncExitStack() as attempt:
                runtime = await _try_to_open(attempt, definition, settings, process)
                stack.push_async_exit(attempt.pop_all())
                return runtime
        except TRANSIENT as error:
            if time.monotonic() > deadline:
                raise
            log.warning("start.waiting", process=process, cause=describe(error))
        failures += 1
        await pause(failures, asyncio.Event())


async def _try_to_open(
    stack: AsyncExitStack, definition: ServiceDefinition, settings: ServiceSettings, process: str
) -> Runtime:
    database = await Database.connect(
        settings.database_dsn.get_secret_value(),
        schema=definition.schema,
        min_size=settings.pool_min,
        max_size=settings.pool_max,
        application_name=f"kehu-{definition.name}-{process}",
    )
    stack.push_async_callback(database.close)
    runtime = Runtime(
        name=definition.name,
        settings=settings,
        database=database,
        clock=_clock(settings),
        verifier=TokenVerifier(
            issuer=settings.issuer,
            audience=settings.audience,
            keys=JwksSource(settings.jwks_url),
            algorithms=settings.token_algorithms,
        ),
        process=process,
    )
    runtime.resources = await stack.enter_async_context(definition.resources(runtime))
    return runtime


def create_app(definition: ServiceDefinition, settings: ServiceSettings, *, runtime: Runtime | None = None) -> FastAPI:
    """The service's HTTP application.

    Args:
        definition: what the service is made of.
        settings: its configuration.
        runtime: one that is open already (tests); else the application opens and closes its own with its lifespan.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        if runtime is not None:
            yield
            return
        async with open_runtime(definition, settings, "api") as opened:
            app.state.runtime = opened
            pass_over_what_stays()
            yield

    async def database_answers() -> None:
        await app.state.runtime.database.ping()

    async def migrated() -> None:
        from kehu_chassis import migrations  # noqa: PLC0415 - Alembic is large, and no request needs it.

        await migrations.require_migrated(app.state.runtime.database, definition.migrations)

    app = KehuApp(
        settings,
        definition.middleware,
        title=f"Kehu {definition.name}",
        version="1",
        lifespan=lifespan,
        openapi_url=definition.openapi_url,
        docs_url=None,
        redoc_url=None,
        generate_unique_id_function=_operation_id,
    )
    app.state.runtime = runtime
    app.router.routes.extend(health_routes({"database": database_answers, "migrations": migrated}))
    for routes in (*definition.routers, operations_routes(definition.name)):
        # Not include_router: the routes carry their whole path already, and a router inside a router costs each request.
        app.router.routes.extend(routes.routes)
    errors.install(app)
    return app


def _operation_id(route: APIRoute) -> str:
    return route.name


def _clock(settings: ServiceSettings) -> Clock:
    if settings.clock_file is None or settings.environment == "production":
        return SystemClock()
    return SuiteClock(settings.clock_file)


def run_api(definition: ServiceDefinition, settings: ServiceSettings) -> None:
    """Serve HTTP until SIGTERM or SIGINT; then finish the requests under way."""
    _prepare(definition, settings, "api")
    app = create_app(definition, settings)

    def stop() -> None:
        if app.state.runtime is not None:
            app.state.runtime.stopping.set()

    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        loop="uvloop",
        http=guarded_protocol(settings),
        ws="none",
        access_log=False,
        server_header=False,
        # Whom to believe about a caller's address is the gateway's to know; uvicorn would believe every local process.
        proxy_headers=False,
        log_config=None,
        timeout_graceful_shutdown=int(settings.stop_timeout),
        # Longer than our clients keep theirs: the one that closes must not be the one that is written to.
        timeout_keep_alive=75,
        backlog=2048,
    )
    server = ApiServer(config, stop)
    server.run()
    if not server.started:
        sys.exit(3)


def run_worker(definition: ServiceDefinition, settings: ServiceSettings) -> None:
    """Relay, consume and fire timers until SIGTERM or SIGINT; then finish the batch under way."""
    from kehu_chassis.worker import Worker  # noqa: PLC0415 - the api has no need of the broker's client.

    async def work() -> None:
        async with open_runtime(definition, settings, "worker") as runtime:
            pass_over_what_stays()
            await Worker(definition, runtime).run()
        end = threading.Timer(EXIT_WITHIN, _end)
        end.daemon = True
        end.start()

    _prepare(definition, settings, "worker")
    uvloop.run(work())


def pass_over_what_stays() -> None:
    """Keep the garbage collector off what a process has loaded by its start: code, models and statements stay to its end."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_COLLECT_EVERY)


def _end() -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def run_migrate(definition: ServiceDefinition, settings: MigrationSettings) -> None:
    """Bring the schema to head, as the owner's role."""
    from kehu_chassis import migrations  # noqa: PLC0415 - Alembic is large, and no other process needs it.

    _prepare(definition, settings, "migrate")
    migrations.upgrade(settings.database_dsn.get_secret_value(), schema=definition.schema, folder=definition.migrations)


def main(definition: ServiceDefinition, arguments: Sequence[str] | None = None) -> None:
    """The service's command line: `python -m kehu_complaints api | worker | migrate`."""
    parser = argparse.ArgumentParser(prog=f"kehu-{definition.name}", description=f"Kehu's {definition.name} service")
    parser.add_argument("command", choices=("api", "worker", "migrate"))
    command = parser.parse_args(arguments).command
    try:
        if command == "migrate":
            run = partial(run_migrate, definition, MigrationSettings.of(definition.settings))
        else:
            run = partial(run_api if command == "api" else run_worker, definition, definition.settings())
    except ValidationError as error:
        sys.exit(_told(definition, error))
    run()


def _told(definition: ServiceDefinition, error: ValidationError) -> str:
    # The values stay out of it: one of them may be a secret.
    prefix = definition.settings.model_config.get("env_prefix", "")
    lines = [
        f"  {'.'.join(str(step) for step in found['loc']).upper()}: {found['msg']}"
        for found in error.errors(include_input=False, include_url=False)
    ]
    return (
        f"The settings of {definition.name} are not complete (variables begin with {prefix} or KEHU_):\n"
        + "\n".join(lines)
    )


def _prepare(definition: ServiceDefinition, settings: MigrationSettings, process: str) -> None:
    configure_logging(f"{definition.name}-{process}", level=settings.log_level)
    configure_tracing(f"kehu-{definition.name}-{process}")
