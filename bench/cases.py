"""What is asked of each service: one thing, a list of fifty and a write, by a caller who sees all rows."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid4

from fastapi.routing import APIRoute

from bench.customers import message, state
from bench.house import House
from bench.statements import RecordedDatabase, Recording
from kehu_campaigns.main import DEFINITION as CAMPAIGNS
from kehu_chassis.clock import SystemClock
from kehu_chassis.database import Database
from kehu_chassis.definition import ServiceDefinition
from kehu_chassis.delivery import Delivery
from kehu_chassis.scope import EVERYTHING
from kehu_chassis.scope_facts import ScopeStaff, ScopeUnit, put_staff, put_units
from kehu_chassis.testing.http import open_test_app, test_settings
from kehu_complaints.main import DEFINITION as COMPLAINTS
from kehu_contracts.access import Role
from kehu_customer.main import DEFINITION as CUSTOMER
from kehu_segmentation.main import DEFINITION as SEGMENTATION

__all__ = ["CASES", "PAGE", "SEEDED", "Case", "Prepared", "prepare", "register"]

PAGE: Final = 50
SEEDED: Final = 60
"""Rows that are there before anything is measured: more than a page."""

UNIT, STAFF = uuid4(), uuid4()
RULE: Final = {"type": "attribute", "name": "kind", "operator": "=", "value": "individual"}


@dataclass(frozen=True)
class Case:
    """One service: its collection, who asks, what is written, and the models on either side."""

    definition: ServiceDefinition
    collection: str
    roles: tuple[Role, ...]
    body: Callable[[str], dict[str, Any]]
    key: str
    models: str
    body_model: str
    one_model: str
    summary_model: str
    staff_id: UUID | None = STAFF

    @property
    def name(self) -> str:
        """The service's name."""
        return self.definition.name

    def token(self, house: House) -> str:
        """A token that outlives the benchmark."""
        return house.issuer.token(self.roles, self.staff_id, expires_in=7200)


def _customer(_: str) -> dict[str, Any]:
    return {
        "kind": "individual",
        "name": "测试客户",
        "customer_since": "2020-01-02",
        "contact_points": [{"type": "phone", "value": "13800138000"}],
    }


def _segment(code: str) -> dict[str, Any]:
    return {"code": code, "name": "个人客户", "rule": RULE}


def _complaint(_: str) -> dict[str, Any]:
    return {"channel": "phone", "narrative": "重复收费，要求退还。"}


def _campaign(code: str) -> dict[str, Any]:
    return {
        "code": code,
        "name": "春季存款",
        "objective": "留住到期资金",
        "channel": "sms",
        "product_code": "TD-12M",
        "message": "{{ salutation }}您好，{{ product }} 今日开售。",
        "audience": {"any_of": [str(UNIT)]},
        "ends_at": "2036-04-02T00:00:00Z",
    }


CASES: Final = (
    Case(
        CUSTOMER,
        "/api/v1/customers",
        (Role.SYSTEM,),
        _customer,
        "id",
        "kehu_customer.parties.schemas",
        "CustomerIn",
        "CustomerOut",
        "CustomerSummary",
        # A system, which works in no unit.
        staff_id=None,
    ),
    Case(
        SEGMENTATION,
        "/api/v1/segments",
        (Role.MARKETER, Role.COMPLIANCE),
        _segment,
        "segment_id",
        "kehu_segmentation.segments.schemas",
        "SegmentIn",
        "SegmentOut",
        "SegmentSummaryOut",
    ),
    Case(
        COMPLAINTS,
        "/api/v1/complaints",
        (Role.COMPLAINT_HANDLER, Role.COMPLIANCE),
        _complaint,
        "complaint_id",
        "kehu_complaints.cases.schemas",
        "ComplaintIn",
        "ComplaintOut",
        "ComplaintSummaryOut",
    ),
    Case(
        CAMPAIGNS,
        "/api/v1/campaigns",
        (Role.MARKETER, Role.COMPLIANCE),
        _campaign,
        "id",
        "kehu_campaigns.plans.schemas",
        "CampaignIn",
        "CampaignOut",
        "CampaignOut",
    ),
)


@dataclass(frozen=True)
class Prepared:
    """A service with a page of rows: one of them, and what a request of each kind sends to PostgreSQL."""

    one: UUID
    recordings: Path


async def _place_staff(house: House, case: Case) -> None:
    database = await Database.connect(house.dsn(case.definition.schema, "worker"), schema=case.definition.schema)
    async with database.begin(scope=EVERYTHING) as tx:
        await put_units(tx, [ScopeUnit(UNIT, None, active=True)])
        await put_staff(tx, [ScopeStaff(STAFF, UNIT, active=True)])
    await database.close()


async def register(house: House, case: Case, customer_id: UUID) -> None:
    """Migrate a service and let it hear of one customer, as it would over the broker."""
    schema = case.definition.schema
    await house.migrate(case.definition)
    dsn = house.dsn(schema, "worker")
    database = await Database.connect(dsn, schema=schema)
    settings = test_settings(case.definition.settings, dsn, key_file=house.folder / "keys.json")
    heard = message(state(customer_id))
    async with open_test_app(case.definition, database=database, settings=settings, clock=SystemClock()) as app:
        for subscription in case.definition.subscriptions(app.runtime):
            if heard.topic in subscription.topics:
                await Delivery(database, subscription, SystemClock()).batch([heard])
    await database.close()


def _endpoint_of_list(case: Case) -> str:
    routes = (route for router in case.definition.routers for route in router.routes if isinstance(route, APIRoute))
    (listing,) = (route for route in routes if route.path == case.collection and "GET" in (route.methods or ()))
    return f"{listing.endpoint.__module__}:{listing.endpoint.__qualname__}"


async def prepare(house: House, case: Case) -> Prepared:
    """Migrate a service, write a page of rows through it, and record one request of each kind."""
    schema = case.definition.schema
    await house.migrate(case.definition)
    await _place_staff(house, case)
    key_file = house.folder / "keys.json"
    dsn = house.dsn(schema, "api")
    database = await RecordedDatabase.connect(dsn, schema=schema)
    database.heard = []
    settings = test_settings(case.definition.settings, dsn, key_file=key_file)
    one = f"{case.models}:{case.one_model}"
    write = Recording("POST", case.collection, one, body_model=f"{case.models}:{case.body_model}")
    read = Recording("GET", f"{case.collection}/{{thing_id}}", one)
    listed = Recording(
        "GET", case.collection, f"{case.models}:{case.summary_model}[]", endpoint=_endpoint_of_list(case)
    )
    try:
        async with open_test_app(case.definition, database=database, settings=settings, clock=SystemClock()) as app:
            client = await app.client(*case.roles, staff_id=case.staff_id)
            for number in range(SEEDED):
                body = case.body(f"seed-{number:06}")
                (await client.post(case.collection, json=body)).raise_for_status()
            for number in range(2):
                body, headers = case.body(f"peer-{number:06}"), {"Idempotency-Key": uuid4().hex}
                await write.take(client, database, case.collection, json=body, headers=headers)
            thing = UUID(write.answer[case.key])
            await read.take(client, database, f"{case.collection}/{thing}")
            await listed.take(client, database, f"{case.collection}?limit={PAGE}")
    finally:
        await database.close()
    recordings = house.folder / f"{case.name}.pickle"
    recordings.write_bytes(pickle.dumps([write, read, listed]))
    return Prepared(thing, recordings)
