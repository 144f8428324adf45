"""Fixtures of the complaints service's tests: a small bank with two branches, and people who work in them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import httpx
import pytest

from kehu_chassis.database import Database
from kehu_chassis.definition import ServiceDefinition
from kehu_chassis.scope_facts import ScopeStaff, ScopeSubject, ScopeUnit, put_staff, put_subjects, put_units
from kehu_chassis.testing.http import TestApp
from kehu_complaints.clocks.library import Library, load
from kehu_complaints.main import DEFINITION
from kehu_contracts.access import Role

RULES = Path(__file__).parent / "rules"


@pytest.fixture(scope="session")
def library() -> Library:
    """What we ship, and packs of other regulators that were added by file alone."""
    return load(RULES)


@pytest.fixture(scope="session")
def definition() -> ServiceDefinition:
    """The service under test."""
    return DEFINITION


class Bank:
    """Head office, two branches of it, a sub-branch of the first; staff and a customer in each branch."""

    HEAD: Final = UUID(int=1)
    EAST: Final = UUID(int=2)
    WEST: Final = UUID(int=3)
    EAST_LAKE: Final = UUID(int=4)
    HANDLER: Final = UUID(int=11)
    COLLEAGUE: Final = UUID(int=12)
    WESTERNER: Final = UUID(int=13)
    PRESIDENT: Final = UUID(int=14)
    LEAVER: Final = UUID(int=15)
    PEER: Final = UUID(int=16)
    LI: Final = UUID(int=21)
    WANG: Final = UUID(int=22)
    HOMELESS: Final = UUID(int=23)
    LI_TOO: Final = UUID(int=24)

    async def build(self, worker_database: Database) -> None:
        """Put it where the directory's consumers would."""
        async with worker_database.begin() as tx:
            units = [(self.HEAD, None), (self.EAST, self.HEAD), (self.WEST, self.HEAD), (self.EAST_LAKE, self.EAST)]
            await put_units(tx, [ScopeUnit(unit, parent, active=True) for unit, parent in units])
            places = [
                (self.HANDLER, self.EAST, True),
                (self.PEER, self.EAST, True),
                (self.COLLEAGUE, self.EAST_LAKE, True),
                (self.WESTERNER, self.WEST, True),
                (self.PRESIDENT, self.HEAD, True),
                (self.LEAVER, self.EAST, False),
            ]
            await put_staff(tx, [ScopeStaff(staff, unit, active=active) for staff, unit, active in places])
            owners = [(self.LI, self.EAST), (self.LI_TOO, self.WEST), (self.WANG, self.WEST), (self.HOMELESS, None)]
            await put_subjects(tx, [ScopeSubject(customer, customer, unit) for customer, unit in owners])


@pytest.fixture
async def bank(worker_database: Database) -> Bank:
    """The small bank."""
    made = Bank()
    await made.build(worker_database)
    return made


@pytest.fixture
async def handler(bank: Bank, service_app: TestApp) -> httpx.AsyncClient:
    """A complaint handler of the eastern branch."""
    return await service_app.client(Role.COMPLAINT_HANDLER, staff_id=bank.HANDLER, subject="handler")


@pytest.fixture
async def westerner(bank: Bank, service_app: TestApp) -> httpx.AsyncClient:
    """A complaint handler of the western branch."""
    return await service_app.client(Role.COMPLAINT_HANDLER, staff_id=bank.WESTERNER, subject="westerner")


@pytest.fixture
async def president(bank: Bank, service_app: TestApp) -> httpx.AsyncClient:
    """Compliance at the head office: may approve extensions."""
    return await service_app.client(Role.COMPLIANCE, staff_id=bank.PRESIDENT, subject="president")


File = Callable[..., Awaitable[dict[str, Any]]]


@pytest.fixture
def file_complaint(handler: httpx.AsyncClient, bank: Bank) -> File:
    """Take in a complaint of the eastern branch's customer; keyword arguments change the request."""

    async def file(client: httpx.AsyncClient = handler, **changes: Any) -> dict[str, Any]:
        body = {"channel": "phone", "narrative": "The fee was charged twice.", "customer_id": str(bank.LI), **changes}
        answer = await client.post("/api/v1/complaints", json={k: v for k, v in body.items() if v is not None})
        assert answer.status_code == 201, answer.text
        case: dict[str, Any] = answer.json()
        return case

    return file


Step = Callable[..., Awaitable[dict[str, Any]]]

BODIES: Final[dict[str, dict[str, Any]]] = {
    "pauses": {"basis": "external_appraisal"},
    "decisions": {"outcome": "upheld"},
    "notifications": {"channel": "phone"},
    "review-requests": {"note": "I do not agree."},
    "review-conclusions": {"outcome": "confirmed"},
    "reopenings": {"note": "A second fee has turned up."},
}


@pytest.fixture
def bodies() -> dict[str, dict[str, Any]]:
    """What a step needs in its body, where it needs something."""
    return BODIES


@pytest.fixture
def step(handler: httpx.AsyncClient) -> Step:
    """Do steps with a case, one after the other: `await step(case, "acceptances", "investigations")`."""

    async def do(case: dict[str, Any], *actions: str, **changes: Any) -> dict[str, Any]:
        for action in actions:
            body = {**BODIES.get(action, {}), **changes}
            answer = await handler.post(f"/api/v1/complaints/{case['complaint_id']}/{action}", json=body)
            assert answer.status_code == 201, answer.text
            case = answer.json()
        return case

    return do
