"""Records what a service sends to PostgreSQL for a request, so that the peer sends just the same.

A write is recorded twice: what differs between the two is what the peer has to make anew for each request (ids, digests,
sealed texts, numbers, moments), and what does not differ is said again as it was.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

from kehu_chassis.database import Database

__all__ = ["RecordedDatabase", "Recording", "Statement"]

_SENDING = frozenset({"fetch", "fetchrow", "fetchval", "execute", "executemany"})


@dataclass(frozen=True, slots=True)
class Statement:
    """One round trip: the driver's method, its SQL and arguments; `twin` are those of the second recording."""

    method: str
    sql: str
    arguments: tuple[Any, ...]
    twin: tuple[Any, ...] = ()


@dataclass
class Recording:
    """One kind of request: its route, its statements in order, and what was answered."""

    method: str
    template: str
    answer_model: str
    body_model: str | None = None
    endpoint: str | None = None
    """Whose query parameters the request may have."""
    statements: list[Statement] = field(default_factory=list)
    status: int = 200
    answer: Any = None

    async def take(self, client: httpx.AsyncClient, database: RecordedDatabase, path: str, **options: Any) -> None:
        """Send the request and keep what passes; a second time to learn what differs."""
        database.heard = []
        response = await client.request(self.method, path, **options)
        response.raise_for_status()
        heard = [said for said in database.heard if said.sql != "COMMIT"]
        if not self.statements:
            self.statements, self.status, self.answer = heard, response.status_code, response.json()
            return
        if [said.sql for said in heard] != [said.sql for said in self.statements]:
            raise RuntimeError(f"{self.method} {self.template} sends other statements the second time")
        self.statements = [
            Statement(first.method, first.sql, first.arguments, second.arguments)
            for first, second in zip(self.statements, heard, strict=True)
        ]


class _Recorder:
    """Stands before a driver's connection and notes what passes."""

    def __init__(self, connection: Any, heard: list[Statement]) -> None:
        self.connection = connection
        self._heard = heard

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.connection, name)
        if name not in _SENDING:
            return method

        async def noted(sql: str, *arguments: Any, **options: Mapping[str, Any]) -> Any:
            self._heard.append(Statement(name, sql, arguments))
            return await method(sql, *arguments, **options)

        return noted


class RecordedDatabase(Database):
    """A database whose connections note what passes."""

    heard: list[Statement]

    async def acquire(self, opening: str) -> Any:
        """Take a connection, begin on it, and listen."""
        connection = await super().acquire(opening)
        self.heard.append(Statement("execute", opening, ()))
        return _Recorder(connection, self.heard)

    async def give_back(self, connection: Any, *, broken: bool = False) -> None:
        """Return the connection itself."""
        original = connection.connection if isinstance(connection, _Recorder) else connection
        await super().give_back(original, broken=broken)
