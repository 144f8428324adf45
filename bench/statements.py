"""Records what the customer service sends to PostgreSQL for one request, so that the peer sends just the same."""

from __future__ import annotations

import pickle
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

from kehu_chassis.clock import SystemClock
from kehu_chassis.database import Database
from kehu_chassis.testing.http import open_test_app, test_settings
from kehu_contracts.access import Role
from kehu_customer.main import DEFINITION

__all__ = ["CUSTOMER", "Recording", "record"]

CUSTOMER = {
    "kind": "individual",
    "name": "测试客户",
    "customer_since": "2020-01-02",
    "contact_points": [{"type": "phone", "value": "13800138000"}],
}


@dataclass
class Recording:
    """Statements in order, each with the driver's method and its arguments, and what was answered."""

    statements: list[tuple[str, str, tuple[Any, ...]]] = field(default_factory=list)
    answer: Any = None


class _Recorder:
    """Stands before a driver's connection and notes what passes."""

    def __init__(self, connection: Any, recording: Recording) -> None:
        self._connection = connection
        self._recording = recording

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._connection, name)
        if name not in {"fetch", "fetchrow", "fetchval", "execute"}:
            return method

        async def noted(sql: str, *arguments: Any) -> Any:
            self._recording.statements.append((name, sql, arguments))
            return await method(sql, *arguments)

        return noted


class _RecordedDatabase(Database):
    """A database whose connections note what passes."""

    recording: Recording

    async def acquire(self, opening: str) -> Any:
        connection = await super().acquire(opening)
        self.recording.statements.append(("execute", opening, ()))
        return _Recorder(connection, self.recording)

    async def give_back(self, connection: Any, *, broken: bool = False) -> None:
        original = connection._connection if isinstance(connection, _Recorder) else connection  # noqa: SLF001
        await super().give_back(original, broken=broken)


async def record(dsn: str, key_file: Path) -> tuple[UUID, bytes]:
    """Register one customer and read it back: the customer's id, and the statements of both, pickled."""
    database = await _RecordedDatabase.connect(dsn, schema="customer")
    database.recording = Recording()
    try:
        settings = test_settings(DEFINITION.settings, dsn, key_file=key_file)
        async with open_test_app(DEFINITION, database=database, settings=settings, clock=SystemClock()) as app:
            client = await app.client(Role.SYSTEM)
            database.recording = write = Recording()
            response = await client.post("/api/v1/customers", json=CUSTOMER, headers={"Idempotency-Key": "recorded"})
            response.raise_for_status()
            write.answer = response.json()
            database.recording = read = Recording()
            response = await client.get(f"/api/v1/customers/{write.answer['id']}")
            response.raise_for_status()
            read.answer = response.json()
    finally:
        await database.close()
    return UUID(write.answer["id"]), pickle.dumps({"read": read, "write": write})
