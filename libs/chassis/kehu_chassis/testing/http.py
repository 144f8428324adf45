"""A service's application in the test's own process: no socket, no lifespan, the test's database and clock."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any
from uuid import UUID

import httpx
from fastapi import FastAPI

from kehu_chassis.app import create_app
from kehu_chassis.clock import Clock
from kehu_chassis.database import Database
from kehu_chassis.definition import Runtime, ServiceDefinition
from kehu_chassis.settings import ServiceSettings
from kehu_chassis.testing.tokens import AUDIENCE, ISSUER, TestIssuer, default_issuer
from kehu_contracts.access import Role

__all__ = ["TestApp", "open_test_app", "test_settings"]


def test_settings(kind: type[ServiceSettings], database_dsn: str, **values: Any) -> ServiceSettings:
    """Settings for a test, read from no environment: what the test does not give is a default or the test issuer's."""
    given: dict[str, Any] = {
        "database_dsn": database_dsn,
        "port": 0,
        "worker_port": 0,
        "environment": "demo",
        "issuer": ISSUER,
        "jwks_url": f"{ISSUER}/jwks",
        "audience": AUDIENCE,
        **values,
    }
    return kind(**given)


test_settings.__test__ = False  # type: ignore[attr-defined]  # pytest takes names that begin with test for tests.


class TestApp:
    """A running application. `client(...)` calls it as someone; `runtime` is what it holds."""

    __test__ = False

    def __init__(self, app: FastAPI, runtime: Runtime, issuer: TestIssuer, stack: AsyncExitStack) -> None:
        self.app = app
        self.runtime = runtime
        self.issuer = issuer
        self._stack = stack

    async def client(
        self, *roles: Role | str, staff_id: UUID | None = None, subject: str = "tester", **headers: str
    ) -> httpx.AsyncClient:
        """A client with a token for roles and staff; without roles it sends no token. Closed with the application."""
        if roles:
            token = self.issuer.token(roles, staff_id, subject=subject)
            headers = {"Authorization": f"Bearer {token}", **headers}
        # Raised errors are answered by the application itself, as they would be in production.
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=True)
        client = httpx.AsyncClient(transport=transport, base_url="http://service.test", headers=headers)
        return await self._stack.enter_async_context(client)


@asynccontextmanager
async def open_test_app(  # noqa: PLR0913 - each is a part that a test may replace.
    definition: ServiceDefinition,
    *,
    database: Database,
    settings: ServiceSettings,
    clock: Clock,
    issuer: TestIssuer | None = None,
    resources: Iterable[Any] = (),
) -> AsyncIterator[TestApp]:
    """Open a service's application on a database that the test gives.

    Args:
        definition: the service.
        database: connected as the api's role, so that row-level security holds.
        settings: as `test_settings` makes them.
        clock: usually a `FixedClock`.
        issuer: signs and verifies tokens; the run's own unless given.
        resources: one object to use instead of what the definition's hook would open.
    """
    signer = issuer or default_issuer()
    async with AsyncExitStack() as stack:
        runtime = Runtime(definition.name, settings, database, clock, signer.verifier())
        given = tuple(resources)
        runtime.resources = given[0] if given else await stack.enter_async_context(definition.resources(runtime))
        yield TestApp(create_app(definition, settings, runtime=runtime), runtime, signer, stack)
