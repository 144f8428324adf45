"""A small bank for the tests of this service: head office, two branches, one sub-branch, and who works there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

import httpx
import pytest

from kehu_chassis.clock import FixedClock
from kehu_chassis.crypto import KeyRing
from kehu_chassis.database import Database
from kehu_chassis.definition import ServiceDefinition
from kehu_chassis.scope import EVERYTHING
from kehu_chassis.scope_facts import ScopeStaff, ScopeUnit, put_staff, put_units
from kehu_contracts.access import Role
from kehu_customer.main import DEFINITION
from kehu_customer.vault import Vault

SPACE = UUID("0b8f2a6e-6b57-4c0c-9a53-6e0d4f0f4f3c")


def an_id(name: str) -> UUID:
    """The id of a unit or member of staff of the test bank."""
    return uuid5(SPACE, name)


@pytest.fixture(scope="session")
def definition() -> ServiceDefinition:
    return DEFINITION


@pytest.fixture(scope="session")
def key_ring(key_file: Path) -> KeyRing:
    return KeyRing.from_file(key_file)


@pytest.fixture(scope="session")
def vault(key_ring: KeyRing) -> Vault:
    return Vault(key_ring)


UNITS = {"head": None, "east": "head", "west": "head", "east-1": "east"}
STAFF = {"rm": "east-1", "rm2": "west", "manager": "east", "compliance": "head"}
TITLES = {
    "rm": Role.RELATIONSHIP_MANAGER,
    "rm2": Role.RELATIONSHIP_MANAGER,
    "manager": Role.BRANCH_HEAD,
    "compliance": Role.COMPLIANCE,
}


@pytest.fixture
async def bank(worker_database: Database, clock: FixedClock) -> None:
    """Units and staff of the test bank, with the scope that follows from them."""
    async with worker_database.begin(scope=EVERYTHING) as tx:
        for code, parent in UNITS.items():
            await tx.connection.execute(
                "INSERT INTO units (id, code, name, kind, parent_id, active, source, source_sequence, stated_at)"
                " VALUES ($1, $2, $2, 'branch', $3, true, 'core', 1, $4)",
                an_id(code),
                code,
                an_id(parent) if parent else None,
                clock.now(),
            )
        for number, unit in STAFF.items():
            await tx.connection.execute(
                "INSERT INTO staff (id, staff_number, name, unit_id, roles, active, source, source_sequence, stated_at)"
                " VALUES ($1, $2, $2, $3, $4, true, 'core', 1, $5)",
                an_id(number),
                number,
                an_id(unit),
                [TITLES[number]],
                clock.now(),
            )
        await put_units(
            tx, [ScopeUnit(an_id(code), an_id(parent) if parent else None, True) for code, parent in UNITS.items()]
        )
        await put_staff(tx, [ScopeStaff(an_id(number), an_id(unit), True) for number, unit in STAFF.items()])


@dataclass(frozen=True, slots=True)
class People:
    """Clients of those who call the service in these tests."""

    rm: httpx.AsyncClient
    rm2: httpx.AsyncClient
    manager: httpx.AsyncClient
    compliance: httpx.AsyncClient
    auditor: httpx.AsyncClient
    marketer: httpx.AsyncClient
    system: httpx.AsyncClient


@pytest.fixture
async def people(bank: None, app_client: Callable[..., Awaitable[httpx.AsyncClient]]) -> People:  # noqa: ARG001
    named = {name: await app_client(title, staff_id=an_id(name)) for name, title in TITLES.items()}
    return People(
        **named,
        auditor=await app_client(Role.AUDITOR),
        marketer=await app_client(Role.MARKETER, staff_id=an_id("manager")),
        system=await app_client(Role.SYSTEM),
    )


Rows = Callable[[str], Awaitable[list[dict[str, Any]]]]


@pytest.fixture
def rows(worker_database: Database) -> Rows:
    """Runs a query as the worker, who sees every row."""

    async def run(query: str, *values: Any) -> list[dict[str, Any]]:
        async with worker_database.begin(scope=EVERYTHING, read_only=True) as tx:
            return [dict(row) for row in await tx.connection.fetch(query, *values)]

    return run
