"""The little bank that the console is looked at with: a dozen customers of one sub-branch, a case, a campaign."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import httpx

from kehu_chassis.crypto import KeyRing
from kehu_contracts.bank import BankParty
from kehu_contracts.codes import CustomerStatus, PartyKind
from kehu_local.api import token_of_user
from kehu_local.bank import BankDoor, seal_identity
from kehu_local.demo.holdings import holdings
from kehu_local.demo.organisation import SOURCE, STAFF, UNITS
from kehu_local.demo.people import DAYS, DemoParty, parties
from kehu_local.plan import Plan

__all__ = ["CUSTOMERS", "Bank", "Desk", "campaign", "eventually", "open_bank", "segment", "tell"]

PATIENCE: Final = 120.0
CUSTOMERS: Final = 12
NARRATIVE: Final = "账户管理费收取未事先告知，要求退还。"


async def eventually(look: Callable[[], Awaitable[Any]], what: str) -> Any:
    """What a look at the suite gives as soon as it gives anything. Raises `TimeoutError` when it never does."""
    deadline = time.monotonic() + PATIENCE
    while not (found := await look()):
        if time.monotonic() > deadline:
            raise TimeoutError(what)
        await asyncio.sleep(0.2)
    return found


@dataclass(frozen=True, slots=True)
class Bank:
    """What the tests look for."""

    name: str
    """A customer's name, which nobody else in reach has."""
    customer_id: str
    complaint_id: str
    segment_id: str
    campaign_id: str
    """A campaign that waits for its review."""


class Desk:
    """The demo users at work through the gateway."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._http = httpx.AsyncClient(base_url=plan.gateway_url, timeout=30)
        self._tokens: dict[str, str] = {}

    async def close(self) -> None:
        await self._http.aclose()

    async def ask(self, user: str, method: str, path: str, body: object = None) -> Any:
        """The answer's body; None when it was refused."""
        if user not in self._tokens:
            self._tokens[user] = await asyncio.to_thread(token_of_user, self._plan, user)
        headers = {"Authorization": f"Bearer {self._tokens[user]}"}
        answer = await self._http.request(method, f"/api/v1{path}", json=body, headers=headers)
        return answer.json() if answer.is_success else None

    async def insist(self, user: str, path: str, body: object = None) -> Any:
        """Write as soon as the services have heard of what it is about."""
        return await eventually(lambda: self.ask(user, "POST", path, body), f"{user} POST {path}")


async def open_bank(plan: Plan) -> Bank:
    """Bring the bank's messages and the work of its people into an empty suite."""
    today = datetime.now(UTC).date()
    people = [
        party
        for party in parties(today)
        if party.unit_code == "BJ-01"
        and party.joined == 0
        and party.status is CustomerStatus.ACTIVE
        and party.kind is PartyKind.INDIVIDUAL
    ][:CUSTOMERS]
    await tell(plan, people)
    desk = Desk(plan)
    try:
        return await _work(desk, people)
    finally:
        await desk.close()


async def tell(plan: Plan, people: list[DemoParty]) -> None:
    kid, key = KeyRing.from_file(plan.key_file).message_keys.active
    now = datetime.now(UTC)
    async with BankDoor(plan.kafka_bootstrap) as bank:
        for statement in (*UNITS, *STAFF):
            await bank.send(statement, at=now - timedelta(days=DAYS), sequence=1)
        for party in people:
            told = BankParty(
                source=SOURCE,
                source_id=party.source_id,
                kind=party.kind,
                gender=party.gender,
                nationality="CN",
                occupation=party.occupation,
                customer_since=party.customer_since,
                unit_code=party.unit_code,
                rm_staff_number="E1001",
                identity=seal_identity(party.identity, key, kid),
            )
            await bank.send(told, at=now - timedelta(days=DAYS), sequence=1)
        facts = holdings(people, now.date())
        for fact in sorted([*facts.accounts, *facts.transactions], key=lambda fact: fact.day):
            await bank.send(fact.statement, at=fact.at, sequence=fact.sequence, key=fact.key)


async def _work(desk: Desk, people: list[DemoParty]) -> Bank:
    async def everybody() -> list[Any] | None:
        found = await desk.ask("rm", "GET", "/customers?limit=100")
        return found["items"] if found is not None and len(found["items"]) == len(people) else None

    customers = await eventually(everybody, "all customers in the manager's list")
    names = [customer["name"] for customer in customers]
    customer = next(one for one in customers if names.count(one["name"]) == 1)
    case = {
        "kind": "complaint",
        "channel": "phone",
        "category": "fees",
        "customer_id": customer["id"],
        "narrative": NARRATIVE,
    }
    complaint = await desk.insist("handler", "/complaints", case)
    segment_id = await segment(desk, CUSTOMERS)
    campaign_id = await campaign(desk, segment_id)
    return Bank(customer["name"], customer["id"], complaint["complaint_id"], segment_id, campaign_id)


async def segment(desk: Desk, members: int) -> str:
    """A segment of all people, in force."""
    rule = {"type": "attribute", "name": "kind", "operator": "=", "value": "individual"}
    made = await desk.insist("marketer", "/segments", {"code": "PEOPLE", "name": "个人客户", "rule": rule})
    segment_id: str = made["segment_id"]
    await desk.insist("marketer", f"/segments/{segment_id}/publications")

    async def in_force() -> bool:
        found = await desk.ask("marketer", "GET", f"/segments/{segment_id}")
        return found is not None and found["rule_version"] is not None and found["member_count"] == members

    await eventually(in_force, "everybody in the segment")
    return segment_id


async def campaign(desk: Desk, segment_id: str) -> str:
    """A campaign to a segment, which waits for its review."""
    now = datetime.now(UTC)
    plan = {
        "code": "SPRING",
        "name": "定期存款焕新季",
        "objective": "提高定期存款占比",
        "channel": "sms",
        "product_code": "TD-12M",
        "message": "{{ salutation }}，定期存款 {{ product }} 现已开放办理。退订回复T。",
        "audience": {"any_of": [segment_id]},
        "holdout_basis_points": 1000,
        "starts_at": now.isoformat(),
        "ends_at": (now + timedelta(days=30)).isoformat(),
        "conversion_window_days": 30,
        "target_conversions": 4,
    }
    made = await desk.insist("marketer", "/campaigns", plan)
    await desk.insist("marketer", f"/campaigns/{made['id']}/submissions")
    campaign_id: str = made["id"]
    return campaign_id
