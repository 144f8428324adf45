"""One service as these tests open it: its application three times over one database, its worker, its outbox."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any, Final, cast
from uuid import UUID

import asyncpg
import httpx

from kehu_chassis import outgoing
from kehu_chassis.clock import FixedClock
from kehu_chassis.database import Database, Transaction
from kehu_chassis.definition import Runtime, ServiceDefinition
from kehu_chassis.delivery import Delivery
from kehu_chassis.message import Message
from kehu_chassis.scope import UNSCOPED, Scope
from kehu_chassis.testing.databases import ServiceDatabase, copied_database, ensure_template
from kehu_chassis.testing.http import TestApp, open_test_app, test_settings
from kehu_chassis.timers import Timers
from kehu_contracts.access import Role

SERVICES: Final = ("customer", "segmentation", "complaints", "campaigns")


def definition_of(name: str) -> ServiceDefinition:
    """What a service says of itself."""
    return cast("ServiceDefinition", import_module(f"kehu_{name}.main").DEFINITION)


class _Undone(Exception):
    """Ends a rehearsed transaction."""


class Rehearsal(Database):
    """A database whose transactions do all their work but the commit, so that every request finds the same world."""

    @asynccontextmanager
    async def begin(  # type: ignore[override]  # An async context manager too, though not of the same class.
        self, *, scope: Scope = UNSCOPED, read_only: bool = False, side_effects: bool = True
    ) -> AsyncIterator[Transaction]:
        try:
            async with super().begin(scope=scope, read_only=read_only, side_effects=side_effects) as tx:
                yield tx
                await tx.connection.execute("SET CONSTRAINTS ALL IMMEDIATE")
                if tx.outgoing:
                    await outgoing.write(tx.connection, tx.outgoing)
                raise _Undone  # noqa: TRY301  the transaction has to see it
        except _Undone:
            pass


@dataclass
class Service:
    """A service with its seeded database.

    `app` commits, `rehearsed` undoes what it did, and `second_lock` undoes it too and has row-level security alone.
    """

    definition: ServiceDefinition
    app: TestApp
    rehearsed: TestApp
    second_lock: TestApp
    worker: Runtime
    clock: FixedClock
    observer: asyncpg.Connection
    """Sees every table, the partitions too, which no role of the service reads by themselves."""
    sent: int = 0

    async def client(self, *roles: Role, staff_id: UUID | None = None, subject: str = "tester") -> httpx.AsyncClient:
        """A client whose writes are kept."""
        return await self.app.client(*roles, staff_id=staff_id, subject=subject)

    async def take(self, messages: list[Message]) -> None:
        """Deliver messages to whatever of this service subscribes to their topics."""
        for subscription in self.definition.subscriptions(self.worker):
            wanted = [message for message in messages if message.topic in subscription.topics]
            if wanted:
                await Delivery(self.worker.database, subscription, self.clock).batch(wanted)

    async def news(self) -> list[Message]:
        """What the outbox got since it was last asked."""
        async with self.worker.database.begin(read_only=True) as tx:
            rows = await tx.connection.fetch("SELECT * FROM outbox WHERE position > $1 ORDER BY position", self.sent)
        self.sent = rows[-1]["position"] if rows else self.sent
        columns = ("id", "type", "subject", "time", "sequence", "key", "body", "topic")
        return [
            Message(source=f"urn:kehu:{self.definition.name}", **{name: row[name] for name in columns}) for row in rows
        ]

    async def fire_timers(self) -> None:
        """Run what is due."""
        timers = Timers(self.worker.database, self.clock, self.definition.timers(self.worker))
        while await timers.fire_next():
            pass

    async def contents(self) -> dict[str, tuple[int, str]]:
        """How many rows each table has, and what tells whether any of them was written since."""
        tables = await self.observer.fetch(
            "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = $1::regnamespace",
            self.definition.schema,
        )
        parts = (
            f"SELECT '{name}', count(*), coalesce(max(xmin::text::bigint), 0)::text FROM \"{name}\""  # noqa: S608  from the catalogue
            for (name,) in tables
        )
        rows = await self.observer.fetch(" UNION ALL ".join(parts))
        return {name: (count, newest) for name, count, newest in rows}


@asynccontextmanager
async def open_service(name: str, server: str, clock: FixedClock, key_file: Path) -> AsyncIterator[Service]:
    """Open a service on a database of its own, copied from its migrated template."""
    definition = definition_of(name)
    template = await ensure_template(server, definition.schema, definition.migrations)
    async with AsyncExitStack() as stack:
        place = await stack.enter_async_context(copied_database(server, definition.schema, template))

        async def opened(role: str, kind: type[Database]) -> TestApp:
            return await _open(stack, definition, place, (role, kind), clock, key_file)

        kept, rehearsed, alone = (
            await opened("api", Database),
            await opened("api", Rehearsal),
            await opened("api", Rehearsal),
        )
        alone.runtime.database.without_first_lock()
        worker = (await opened("worker", Database)).runtime
        settings = {"search_path": definition.schema}
        observer = await asyncpg.connect(place.dsn(), server_settings=settings)
        stack.push_async_callback(observer.close)
        yield Service(definition, kept, rehearsed, alone, worker, clock, observer)


async def _open(
    stack: AsyncExitStack,
    definition: ServiceDefinition,
    place: ServiceDatabase,
    how: tuple[str, type[Database]],
    clock: FixedClock,
    key_file: Path,
) -> TestApp:
    role, kind = how
    values: dict[str, Any] = {"key_file": key_file} if "key_file" in definition.settings.model_fields else {}
    settings = test_settings(definition.settings, place.dsn(role), **values)
    database = await kind.connect(place.dsn(role), schema=definition.schema, max_size=3)
    stack.push_async_callback(database.close)
    app = open_test_app(definition, database=database, settings=settings, clock=clock)
    return await stack.enter_async_context(app)


def replace_resource(runtime: Runtime, **changes: Any) -> None:
    """Put something of ours in place of a part of a worker's resources."""
    runtime.resources = replace(runtime.resources, **changes)
