"""What the tests of the campaigns service share: a small bank, its events, and a customer service that we own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from kehu_campaigns.audience.consumers import MEMBERSHIPS, SEGMENTS
from kehu_campaigns.delivery.resolver import ResolverUnavailable
from kehu_campaigns.directory.consumers import CUSTOMERS, ORGANIZATION
from kehu_campaigns.gate.service import Resolution
from kehu_campaigns.main import DEFINITION
from kehu_campaigns.runtime import CampaignsResources
from kehu_chassis.clock import FixedClock
from kehu_chassis.columns import new_id
from kehu_chassis.definition import Runtime, ServiceDefinition
from kehu_chassis.testing.events import Deliver
from kehu_chassis.testing.http import TestApp
from kehu_contracts.access import Role
from kehu_contracts.codes import (
    Channel,
    ConsentStatus,
    CustomerStatus,
    Gender,
    HolderRole,
    PartyKind,
    ProductClass,
    Purpose,
    UnitKind,
)
from kehu_contracts.customer import CustomerState, StandingConsent
from kehu_contracts.holding import ProductOpened
from kehu_contracts.organization import StaffChanged, UnitChanged
from kehu_contracts.segment import MembershipState, SegmentPublished, StandingMembership

MORNING = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)


@pytest.fixture(scope="session")
def definition() -> ServiceDefinition:
    return DEFINITION


class FakeResolver:
    """The customer service's word on contacts. Everybody can be reached unless a test says otherwise."""

    def __init__(self) -> None:
        self.answers: dict[UUID, Resolution] = {}
        self.is_down = False
        self.asked: list[UUID] = []
        self.meanwhile: Callable[[], Awaitable[None]] | None = None

    async def resolve(
        self, *, purpose: Purpose, channel: Channel, customer_ids: Sequence[UUID]
    ) -> Mapping[UUID, Resolution]:
        assert purpose in Purpose
        assert channel in Channel
        if self.is_down:
            raise ResolverUnavailable("ConnectError")
        self.asked += customer_ids
        if self.meanwhile is not None:
            await self.meanwhile()
        known = Resolution(refusal=None, address="+8613800000000", language="zh")
        return {customer_id: self.answers.get(customer_id, known) for customer_id in customer_ids}


@pytest.fixture
def resolver() -> FakeResolver:
    return FakeResolver()


@pytest.fixture
def worker_runtime(worker_runtime: Runtime, resolver: FakeResolver) -> Runtime:
    worker_runtime.resources = replace_resolver(worker_runtime.resources, resolver)
    return worker_runtime


def replace_resolver(resources: CampaignsResources, resolver: FakeResolver) -> CampaignsResources:
    return replace(resources, resolver=resolver)


@dataclass
class Bank:
    """Head office over branches A and B, with staff, customers and segments, told by events as other services do."""

    deliver: Deliver
    clock: FixedClock
    head: UUID = field(default_factory=uuid4)
    branch_a: UUID = field(default_factory=uuid4)
    branch_b: UUID = field(default_factory=uuid4)
    staff: dict[str, UUID] = field(default_factory=dict)
    states: dict[UUID, CustomerState] = field(default_factory=dict)
    memberships: dict[UUID, set[UUID]] = field(default_factory=dict)
    segments: dict[UUID, str] = field(default_factory=dict)

    async def open(self) -> None:
        units = [
            (self.head, "HO", UnitKind.HEAD_OFFICE, None),
            (self.branch_a, "BA", UnitKind.BRANCH, self.head),
            (self.branch_b, "BB", UnitKind.BRANCH, self.head),
        ]
        await self.deliver(
            ORGANIZATION,
            [
                UnitChanged(unit_id=unit_id, code=code, name=code, kind=kind, parent_id=parent, active=True)
                for unit_id, code, kind, parent in units
            ],
        )
        for name, unit_id in (("head", self.head), ("a", self.branch_a), ("b", self.branch_b)):
            self.staff[name] = uuid4()
            await self.deliver(
                ORGANIZATION,
                [
                    StaffChanged(
                        staff_id=self.staff[name], staff_number=name, unit_id=unit_id, roles=("marketer",), active=True
                    )
                ],
            )

    async def customers(self, count: int, **changes: Any) -> list[UUID]:
        made = [self._state(new_id(), **changes) for _ in range(count)]
        await self.deliver(CUSTOMERS, made)
        return [state.customer_id for state in made]

    async def restate(self, customer_id: UUID, **changes: Any) -> None:
        state = self.states[customer_id].model_copy(update=changes)
        self.states[customer_id] = state
        await self.deliver(CUSTOMERS, [state])

    def _state(self, customer_id: UUID, **changes: Any) -> CustomerState:
        given: dict[str, Any] = {
            "customer_id": customer_id,
            "customer_number": f"C{len(self.states):011d}",
            "kind": PartyKind.INDIVIDUAL,
            "status": CustomerStatus.ACTIVE,
            "gender": Gender.FEMALE,
            "birth_year": 1980,
            "unit_id": self.branch_a,
            "primary_rm_id": None,
            "survivor_id": customer_id,
            "customer_since": date(2020, 1, 1),
            "consents": (
                StandingConsent(purpose=Purpose.MARKETING, channel=Channel.SMS, status=ConsentStatus.GRANTED),
            ),
        }
        self.states[customer_id] = CustomerState(**given | changes)
        return self.states[customer_id]

    async def segment(self, customer_ids: Iterable[UUID] = (), *, code: str = "GOLD", rule_version: int = 1) -> UUID:
        segment_id = uuid4()
        self.segments[segment_id] = code
        await self.publish(segment_id, rule_version)
        await self.join(segment_id, customer_ids)
        return segment_id

    async def publish(self, segment_id: UUID, rule_version: int) -> None:
        event = SegmentPublished(
            segment_id=segment_id,
            code=self.segments[segment_id],
            rule_version=rule_version,
            published_at=self.clock.now(),
        )
        await self.deliver(SEGMENTS, [event])

    async def join(self, segment_id: UUID, customer_ids: Iterable[UUID]) -> None:
        for customer_id in (found := list(customer_ids)):
            self.memberships.setdefault(customer_id, set()).add(segment_id)
        await self._tell(found)

    async def leave(self, segment_id: UUID, customer_ids: Iterable[UUID]) -> None:
        for customer_id in (found := list(customer_ids)):
            self.memberships[customer_id].discard(segment_id)
        await self._tell(found)

    async def _tell(self, customer_ids: list[UUID]) -> None:
        if not customer_ids:
            return
        await self.deliver(
            MEMBERSHIPS,
            [
                MembershipState(
                    customer_id=customer_id,
                    tier=None,
                    memberships=tuple(
                        StandingMembership(
                            segment_id=segment_id, segment_code=self.segments[segment_id], since=self.clock.now()
                        )
                        for segment_id in sorted(self.memberships[customer_id])
                    ),
                )
                for customer_id in customer_ids
            ],
        )

    def opening(self, customer_id: UUID, *, product_code: str = "TD-12M", **changes: Any) -> ProductOpened:
        given: dict[str, Any] = {
            "customer_id": customer_id,
            "account_id": uuid4(),
            "holder_role": HolderRole.OWNER,
            "counts": True,
            "product_class": ProductClass.TIME_DEPOSIT,
            "product_code": product_code,
            "opening_id": uuid4(),
            "amount": Decimal("50000.00"),
            "currency": "CNY",
            "opened_at": self.clock.now(),
        }
        return ProductOpened(**given | changes)


@pytest.fixture
async def bank(deliver: Deliver, clock: FixedClock) -> Bank:
    made = Bank(deliver, clock)
    await made.open()
    return made


@dataclass
class People:
    """Clients of the service, each with a token of its own."""

    service_app: TestApp
    bank: Bank

    async def marketer(self, place: str = "head", subject: str = "marketer") -> httpx.AsyncClient:
        return await self.service_app.client(Role.MARKETER, staff_id=self.bank.staff[place], subject=subject)

    async def compliance(self) -> httpx.AsyncClient:
        return await self.service_app.client(Role.COMPLIANCE, subject="compliance")

    async def manager(self, place: str) -> httpx.AsyncClient:
        return await self.service_app.client(
            Role.RELATIONSHIP_MANAGER, staff_id=self.bank.staff[place], subject=f"rm-{place}"
        )


@pytest.fixture
def people(service_app: TestApp, bank: Bank) -> People:
    return People(service_app, bank)


def plan(segment_id: UUID, **changes: Any) -> dict[str, Any]:
    """A body that plans a campaign, starting now and lasting 30 days."""
    return {
        "code": "SPRING",
        "name": "春季存款",
        "objective": "留住到期资金",
        "channel": "sms",
        "product_code": "TD-12M",
        "message": "{{ salutation }}您好，{{ product }} 今日开售。",
        "audience": {"any_of": [str(segment_id)]},
        "ends_at": (MORNING + timedelta(days=30)).isoformat(),
        **changes,
    }


async def planned(people: People, segment_id: UUID, **changes: Any) -> dict[str, Any]:
    marketer = await people.marketer()
    response = await marketer.post("/api/v1/campaigns", json=plan(segment_id, **changes))
    assert response.status_code == 201, response.text
    campaign: dict[str, Any] = response.json()
    return campaign


async def running(people: People, segment_id: UUID, **changes: Any) -> dict[str, Any]:
    """A campaign that was planned, handed in and approved."""
    campaign = await planned(people, segment_id, **changes)
    marketer, compliance = await people.marketer(), await people.compliance()
    submitted = await marketer.post(f"/api/v1/campaigns/{campaign['id']}/submissions")
    assert submitted.status_code == 201, submitted.text
    approved = await compliance.post(f"/api/v1/campaigns/{campaign['id']}/approvals")
    assert approved.status_code == 201, approved.text
    answer: dict[str, Any] = approved.json()
    return answer


@pytest.fixture
def make_planned(people: People) -> Callable[..., Awaitable[dict[str, Any]]]:
    async def make(segment_id: UUID, **changes: Any) -> dict[str, Any]:
        return await planned(people, segment_id, **changes)

    return make


@pytest.fixture
def make_running(people: People) -> Callable[..., Awaitable[dict[str, Any]]]:
    async def make(segment_id: UUID, **changes: Any) -> dict[str, Any]:
        return await running(people, segment_id, **changes)

    return make


@pytest.fixture
def plan_body() -> Callable[..., dict[str, Any]]:
    return plan
