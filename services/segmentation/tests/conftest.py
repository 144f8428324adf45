"""What the tests of this service share: its definition, and a bank that tells customers and holdings as events."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from itertools import count
from typing import Any
from uuid import UUID

import pytest

from kehu_chassis.clock import FixedClock
from kehu_chassis.columns import new_id
from kehu_chassis.definition import Runtime, ServiceDefinition
from kehu_chassis.testing.events import Deliver
from kehu_contracts.access import Role
from kehu_contracts.base import Contract
from kehu_contracts.codes import CustomerStatus, Gender, HolderRole, PartyKind, ProductClass, TransactionKind, UnitKind
from kehu_contracts.customer import CustomerState
from kehu_contracts.holding import AccountStated, BalanceStated, TransactionPosted
from kehu_contracts.organization import StaffChanged, UnitChanged
from kehu_segmentation.business_days import start_of_day
from kehu_segmentation.main import DEFINITION


@pytest.fixture(scope="session")
def definition() -> ServiceDefinition:
    return DEFINITION


@dataclass
class Bank:
    """Makes events and delivers them, each to the subscription that takes its topic."""

    deliver: Deliver
    runtime: Runtime
    _numbers: Any = field(default_factory=count)

    async def tell(self, *events: Contract) -> None:
        for subscription in DEFINITION.subscriptions(self.runtime):
            wanted = [event for event in events if event.topic in subscription.topics]
            if wanted:
                await self.deliver(subscription, wanted)

    def customer(self, customer_id: UUID | None = None, **changes: Any) -> CustomerState:
        customer_id = customer_id or new_id()
        return CustomerState(
            **{
                "customer_id": customer_id,
                "customer_number": f"C{next(self._numbers):011d}",
                "kind": PartyKind.INDIVIDUAL,
                "status": CustomerStatus.ACTIVE,
                "gender": Gender.FEMALE,
                "birth_year": 1980,
                "unit_id": None,
                "primary_rm_id": None,
                "survivor_id": customer_id,
                "customer_since": date(2020, 1, 1),
                "consents": (),
            }
            | changes
        )

    def account(self, customer_id: UUID, account_id: UUID | None = None, **changes: Any) -> AccountStated:
        return AccountStated(
            **{
                **_holding(customer_id, account_id),
                "parent_account_id": None,
                "currency": "CNY",
                "opened_on": date(2020, 1, 1),
                "closed_on": None,
            }
            | changes
        )

    def balance(
        self, account: AccountStated, on: date, amount: str, sequence: int = 1, **changes: Any
    ) -> BalanceStated:
        return BalanceStated(
            **{
                **_same(account),
                "balance": Decimal(amount),
                "currency": account.currency,
                "business_date": on,
                "source_sequence": sequence,
            }
            | changes
        )

    def movement(self, account: AccountStated, on: date, amount: str, **changes: Any) -> TransactionPosted:
        return TransactionPosted(
            **{
                **_same(account),
                "transaction_id": new_id(),
                "kind": TransactionKind.CREDIT,
                "amount": Decimal(amount),
                "currency": account.currency,
                "balance_after": None,
                "business_date": on,
                "booked_at": start_of_day(on),
                "position": 0,
                "source_sequence": 1,
            }
            | changes
        )

    async def organization(self, *branches: str) -> dict[str, tuple[UUID, UUID]]:
        """A head office with branches; for each branch its unit and a member of its staff."""
        head = new_id()
        events: list[Contract] = [_unit(head, "head", None)]
        found = {}
        for name in branches:
            unit, staff = new_id(), new_id()
            events += [_unit(unit, name, head), _staff(staff, unit)]
            found[name] = (unit, staff)
        await self.tell(*events)
        return found


def _holding(customer_id: UUID, account_id: UUID | None) -> dict[str, Any]:
    return {
        "customer_id": customer_id,
        "account_id": account_id or new_id(),
        "holder_role": HolderRole.OWNER,
        "counts": True,
        "product_class": ProductClass.SAVINGS,
        "product_code": "basic",
    }


def _same(account: AccountStated) -> dict[str, Any]:
    names = ("customer_id", "account_id", "holder_role", "counts", "product_class", "product_code")
    return {name: getattr(account, name) for name in names}


def _unit(unit_id: UUID, code: str, parent_id: UUID | None) -> UnitChanged:
    kind = UnitKind.BRANCH if parent_id else UnitKind.HEAD_OFFICE
    return UnitChanged(unit_id=unit_id, code=code, name=code, kind=kind, parent_id=parent_id, active=True)


def _staff(staff_id: UUID, unit_id: UUID) -> StaffChanged:
    return StaffChanged(staff_id=staff_id, staff_number=str(staff_id)[-8:], unit_id=unit_id, roles=(), active=True)


@pytest.fixture
def bank(deliver: Deliver, worker_runtime: Runtime) -> Bank:
    return Bank(deliver, worker_runtime)


Publish = Callable[..., Awaitable[str]]


@pytest.fixture
def publish(app_client: Any, fire_timers: Callable[[], Awaitable[int]]) -> Publish:
    """Creates and publishes a segment, and tells its id: `await publish(rule, code="rich")`."""
    codes = count(1)

    async def create(rule: dict[str, Any], code: str | None = None) -> str:
        client = await app_client(Role.SYSTEM, Role.MARKETER)
        body = {"code": code or f"segment-{next(codes)}", "name": "Segment", "rule": rule}
        created = await client.post("/api/v1/segments", json=body)
        assert created.status_code == 201, created.text
        segment_id: str = created.json()["segment_id"]
        published = await client.post(f"/api/v1/segments/{segment_id}/publications")
        assert published.status_code == 202, published.text
        await fire_timers()
        return segment_id

    return create


Members = Callable[..., Awaitable[list[UUID]]]


@pytest.fixture
def members(app_client: Any) -> Members:
    """The members of a segment as head office sees them, at a moment or now."""

    async def read(segment_id: str, as_of: datetime | None = None) -> list[UUID]:
        client = await app_client(Role.AUDITOR)
        parameters = {"limit": "200"} | ({} if as_of is None else {"as_of": as_of.isoformat()})
        answer = await client.get(f"/api/v1/segments/{segment_id}/members", params=parameters)
        assert answer.status_code == 200, answer.text
        return [UUID(item["customer_id"]) for item in answer.json()["items"]]

    return read


@pytest.fixture
def today(clock: FixedClock) -> date:
    """The business day at the beginning of a test: 2026-03-02."""
    day = date(2026, 3, 2)
    assert start_of_day(day) <= clock.now() < start_of_day(date(2026, 3, 3))
    return day


RICH: dict[str, Any] = {"type": "balance", "aggregate": "any", "days": 90, "operator": ">=", "value": "100000"}


@pytest.fixture
def rich() -> dict[str, Any]:
    """Any balance of at least 100,000 in the last 90 days."""
    return dict(RICH)
