"""The bank of these tests: head office, an eastern branch with a sub-branch by the lake, a western branch.

Every place has a customer with all that the services know of one, and what its staff work on: cases in each state,
campaigns in each state. It comes about as in a real suite: the bank's messages, requests over HTTP, and the events of
each service carried to the others. What stands where is kept in `things`, by place and name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any, Final, Self
from uuid import UUID, uuid4, uuid5

import httpx

from kehu_campaigns.gate.service import Resolution
from kehu_chassis.clock import FixedClock, technical_now
from kehu_chassis.columns import new_id
from kehu_chassis.message import Message
from kehu_chassis.testing.events import Deliver
from kehu_contracts.access import REACH, Reach, Role
from kehu_contracts.bank import (
    BankAccount,
    BankBalance,
    BankHolder,
    BankParty,
    BankStaff,
    BankTransaction,
    BankUnit,
    IdentityDocument,
    PartyIdentity,
)
from kehu_contracts.base import Inbound
from kehu_contracts.codes import Channel, HolderRole, PartyKind, ProductClass, Purpose, TransactionKind, UnitKind
from kehu_customer.sources.identity import IdentityReader

from .service import Service, replace_resource

SPACE: Final = UUID("6d6f1c1e-7a8f-4c66-9d0e-0c35b6a0d5fe")
UNITS: Final = {"head": None, "east": "head", "lake": "east", "west": "head"}
BELOW: Final = {"head": {"head", "east", "lake", "west"}, "east": {"east", "lake"}, "lake": {"lake"}, "west": {"west"}}
BRANCHES: Final = ("east", "lake", "west")
RESIDENT_IDS: Final = {"east": "11010519491231002X", "lake": "440524188001010014", "west": "110101199003074514"}
PHONES: Final = {"east": "+8613800138001", "lake": "+8613800138002", "west": "+8613800138003"}
NOWHERE: Final = "nowhere"
"""Where a customer stands whom no unit owns."""


def staff_of(place: str) -> UUID:
    """The member of staff who works in a unit."""
    return uuid5(SPACE, place)


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody in one role, working in a unit or in none."""

    role: Role
    place: str | None = "east"

    @property
    def reach(self) -> frozenset[str]:
        """The places whose rows the caller reaches."""
        match REACH[self.role]:
            case Reach.ALL:
                return frozenset({*UNITS, NOWHERE})
            case Reach.SUBTREE if self.place is not None:
                return frozenset(BELOW[self.place])
        return frozenset()

    def __str__(self) -> str:
        return f"{self.role} in {self.place}"


CALLERS: Final = (
    *(Caller(role) for role in Role),
    Caller(Role.RELATIONSHIP_MANAGER, "lake"),
    Caller(Role.RELATIONSHIP_MANAGER, None),
)


class KnownContacts:
    """A customer service that has an address for everybody."""

    async def resolve(
        self, *, purpose: Purpose, channel: Channel, customer_ids: Sequence[UUID]
    ) -> Mapping[UUID, Resolution]:
        assert (purpose, channel) == (Purpose.MARKETING, Channel.SMS)
        return {customer_id: Resolution(None, "+8613800000000", language="zh") for customer_id in customer_ids}


@dataclass
class World:
    """The services, and what stands where: `things["east"]["customer"]` is an id or a number, as text."""

    services: dict[str, Service]
    clock: FixedClock
    things: dict[str, dict[str, str]] = field(default_factory=dict)

    @classmethod
    async def build(cls, services: dict[str, Service], clock: FixedClock) -> Self:
        """Let the bank come about."""
        world = cls(services, clock, {place: {} for place in (*UNITS, NOWHERE)})
        replace_resource(services["campaigns"].worker, resolver=KnownContacts())
        for place in UNITS:
            world.things[place]["staff"] = str(staff_of(place))
        await world._organise()
        await world._register()
        await world.carry()
        from .work import campaign, complain, segment  # noqa: PLC0415  they describe what they do to a world

        await segment(world)
        await campaign(world)
        await complain(world)
        await world.carry()
        await world._operate()
        return world

    @property
    def absent(self) -> dict[str, str]:
        """Names for what stands nowhere."""
        everything = {name for things in self.things.values() for name in things}
        fixed = {"phone": "+8613900139000", "source_id": "nobody", "segment_version": "7"}
        versions = {name: '"1"' for name in everything if name.endswith("version")}
        return {name: str(uuid4()) for name in everything} | versions | fixed

    def owners(self) -> dict[str, tuple[str, str]]:
        """Of every id and number that belongs to one place, that place and its name there."""
        found: dict[str, set[tuple[str, str]]] = {}
        for place, things in self.things.items():
            for name, value in things.items():
                if name not in {"unit", "staff"} and not name.endswith("version"):
                    found.setdefault(value, set()).add((place, name))
        return {value: next(iter(where)) for value, where in found.items() if len(where) == 1}

    async def person(self, service: str, role: Role, place: str | None = None) -> httpx.AsyncClient:
        """A client for somebody; his subject tells who he is."""
        staff_id = None if place is None else staff_of(place)
        return await self.services[service].client(role, staff_id=staff_id, subject=f"{role}-{place}")

    async def carry(self) -> None:
        """Bring every event to everybody who subscribes to it, until there are none."""
        while messages := [message for service in self.services.values() for message in await service.news()]:
            for service in self.services.values():
                await service.take(messages)

    async def _tell(self, *contracts: Inbound) -> None:
        customer = self.services["customer"]
        maker = Deliver(customer.worker.database, self.clock)
        for contract in contracts:
            await customer.take([maker.message(contract)])

    async def _organise(self) -> None:
        kinds = {"head": UnitKind.HEAD_OFFICE, "lake": UnitKind.SUB_BRANCH}
        for place, parent in UNITS.items():
            kind = kinds.get(place, UnitKind.BRANCH)
            await self._tell(BankUnit(source="core", source_id=place, name=place, kind=kind, parent_code=parent))
            staff = BankStaff(
                source="core",
                source_id=f"staff-{place}",
                staff_id=staff_of(place),
                name=place,
                unit_code=place,
                roles=(),
            )
            await self._tell(staff)
        reader = await self.person("customer", Role.AUDITOR)
        for unit in (await reader.get("/api/v1/units")).json()["items"]:
            self.things[unit["code"]]["unit"] = unit["id"]

    async def _register(self) -> None:
        customer = self.services["customer"]
        seal = IdentityReader(customer.worker.resources.ring.message_keys).seal
        system = await self.person("customer", Role.SYSTEM)
        for place in BRANCHES:
            party, account = f"party-{place}", f"account-{place}"
            paper = IdentityDocument(type="resident_id", number=RESIDENT_IDS[place])
            await self._tell(
                *_statements(place, party, account, seal(PartyIdentity(name="王小明", documents=(paper,))))
            )
            found = (await system.get("/api/v1/source-records", params={"source": "core", "source_id": party})).json()
            self.things[place] |= {"customer": found["items"][0]["customer_id"], "source_id": party}
            for name in ("twin", "spare"):
                body = {"kind": "individual", "name": "王小明", "unit_id": self.things[place]["unit"]}
                self.things[place][name] = (await posted(system, "/api/v1/customers", body))["id"]
            await self._describe(system, place)
        unowned = await posted(system, "/api/v1/customers", {"kind": "individual", "name": "无主"})
        self.things[NOWHERE]["customer"] = unowned["id"]
        compliance = await self.person("customer", Role.COMPLIANCE)
        for place in (*BRANCHES, NOWHERE):
            things = self.things[place]
            if place != NOWHERE:
                pair = {"customer_id": things["twin"], "survivor_id": things["customer"], "reason": "same person"}
                things["merge"] = (await posted(compliance, "/api/v1/merges", pair))["id"]
            read = (await system.get(f"/api/v1/customers/{things['customer']}")).json()
            things |= {"customer_number": read["customer_number"], "version": f'"{read["version"]}"'}

    async def _describe(self, system: httpx.AsyncClient, place: str) -> None:
        base = f"/api/v1/customers/{self.things[place]['customer']}"
        phone = {"type": "phone", "value": PHONES[place]}
        point = await posted(system, f"{base}/contact-points", phone)
        self.things[place] |= {
            "phone": PHONES[place],
            "contact_point": point["id"],
            "point_version": f'"{point["version"]}"',
        }
        await posted(system, f"{base}/consents", CONSENT)
        await posted(system, f"{base}/interactions", {"kind": "call", "channel": "phone", "direction": "inbound"})

    async def _operate(self) -> None:
        # A message that nobody can read, and a consumer that has stopped because of such: what operators step in for.
        for name, service in self.services.items():
            subscription = service.definition.subscriptions(service.worker)[0]
            poison = Message(
                id=new_id(),
                type=subscription.types[0].event_type,
                source="urn:bank:core",
                subject=f"poison-{name}",
                time=self.clock.now(),
                sequence=1,
                key=f"poison-{name}",
                body=b"{}",
                topic=subscription.topics[0],
            )
            await service.take([poison])
            async with service.worker.database.begin() as tx:
                letter = await tx.connection.fetchval("SELECT dead_letter_id FROM dead_letters")
                await tx.connection.execute(
                    "INSERT INTO consumer_states (subscription, state, lag, reported_at) VALUES ($1, 'stopped', 1, $2)",
                    subscription.name,
                    technical_now(),
                )
            for things in self.things.values():
                things |= {f"{name}_dead_letter": str(letter), f"{name}_consumer": subscription.name}


CONSENT: Final = {
    "purpose": "marketing",
    "channel": "sms",
    "status": "granted",
    "notice_version": "2026-01",
    "proof": "form 1",
}


async def posted(client: httpx.AsyncClient, path: str, body: Any = None) -> dict[str, Any]:
    """The answer to a request that must succeed."""
    answer = await client.post(path, json=body)
    assert answer.is_success, (path, answer.text)
    told: dict[str, Any] = answer.json()
    return told


def _statements(place: str, party: str, account: str, identity: str) -> list[Inbound]:
    opened, today = date(2024, 5, 6), date(2026, 3, 2)
    given = {"source": "core", "source_id": account, "currency": "CNY"}
    return [
        BankParty(
            source="core",
            source_id=party,
            kind=PartyKind.INDIVIDUAL,
            customer_since=opened,
            unit_code=place,
            rm_staff_number=f"staff-{place}",
            identity=identity,
        ),
        BankAccount(
            **given,
            product_class=ProductClass.SAVINGS,
            product_code="SAV-01",
            unit_code=place,
            opened_on=opened,
            holders=(BankHolder(party_source_id=party, role=HolderRole.OWNER),),
        ),
        BankBalance(**given, balance=Decimal("120000.00"), business_date=today),
        BankTransaction(
            source="core",
            source_id=f"movement-{place}",
            account_source_id=account,
            kind=TransactionKind.CREDIT,
            amount=Decimal("10.00"),
            currency="CNY",
            business_date=today,
            booked_at=f"{today}T01:00:00Z",
        ),
    ]
