"""What a service is made of, and what a running process of it holds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from fastapi import APIRouter
from starlette.types import ASGIApp

from kehu_chassis.auth import TokenVerifier
from kehu_chassis.clock import Clock
from kehu_chassis.database import Database
from kehu_chassis.settings import ServiceSettings
from kehu_chassis.subscription import Subscription
from kehu_chassis.timers import PreparedTimer, TimerHandler

__all__ = ["Runtime", "ServiceDefinition", "WorkerPart", "migrations_of"]


def migrations_of(main: str) -> Path:
    """The Alembic folder of the service whose main.py this is (`__file__`).

    A wheel carries it within the package; in the repository it stands beside the package.
    """
    package = Path(main).parent
    inside = package / "migrations"
    return inside if inside.is_dir() else package.parent / "migrations"


@dataclass(slots=True)
class Runtime:
    """What an api or worker process holds while it runs. `resources` is what the definition's hook gave."""

    name: str
    settings: ServiceSettings
    database: Database
    clock: Clock
    verifier: TokenVerifier
    process: str = "api"
    """`api`, `worker`, or the command that opened it beside them."""
    resources: Any = None
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the api process is asked to stop: an answer without an end has to end then."""


class WorkerPart(Protocol):
    """Work of a service's own beside relay, consumers and timers, such as calls to others that must not wait in line."""

    async def run(self) -> None:
        """Work until stopped."""
        ...

    def stop(self) -> None:
        """Take no more work, and finish what is under way."""
        ...


@asynccontextmanager
async def _nothing(_: Runtime) -> AsyncIterator[None]:
    yield None


def _no_subscriptions(_: Runtime) -> Sequence[Subscription]:
    return ()


def _no_parts(_: Runtime) -> Sequence[WorkerPart]:
    return ()


def _no_timers(_: Runtime) -> Mapping[str, TimerHandler | PreparedTimer]:
    return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceDefinition:
    """A service, told once in its main.py; `kehu_chassis.app.main` makes processes of it.

    Args:
        name: of the service, e.g. `complaints`; stands in logs, consumer groups, the operations paths and `ce_source`.
        schema: its schema in PostgreSQL.
        settings: its settings class.
        migrations: its Alembic folder.
        routers: its HTTP surface, each made by `kehu_chassis.http.router`.
        subscriptions: what its worker consumes; called once with the runtime, so handlers can hold resources.
        timers: what its worker does when a timer is due, by the timer's kind.
        parts: what else its worker does, all the time.
        resources: opened by api and worker after the database and before any work, closed at the end; what it yields
            is `Runtime.resources` and the `resources` dependency of routes.
        middleware: ASGI layers around the routes, the first outermost; what they raise becomes a problem as in a route.
        openapi_url: where the service shows its own API document; None shows none.
    """

    name: str
    schema: str
    settings: type[ServiceSettings]
    migrations: Path
    routers: Sequence[APIRouter]
    subscriptions: Callable[[Runtime], Sequence[Subscription]] = _no_subscriptions
    timers: Callable[[Runtime], Mapping[str, TimerHandler | PreparedTimer]] = _no_timers
    parts: Callable[[Runtime], Sequence[WorkerPart]] = _no_parts
    resources: Callable[[Runtime], AbstractAsyncContextManager[Any]] = _nothing
    middleware: Sequence[Callable[[ASGIApp], ASGIApp]] = ()
    openapi_url: str | None = "/openapi.json"
