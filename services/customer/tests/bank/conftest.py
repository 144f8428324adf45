"""A bank that talks to the customer service: makes its messages and delivers them through the real inbox."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import groupby
from typing import Any, cast
from uuid import UUID

import pytest

from kehu_chassis.database import Database
from kehu_chassis.definition import Runtime, ServiceDefinition
from kehu_chassis.message import Message
from kehu_chassis.subscription import Subscription
from kehu_chassis.testing.events import Deliver
from kehu_contracts.bank import (
    BankAccount,
    BankBalance,
    BankHolder,
    BankParty,
    BankProductOpened,
    BankStaff,
    BankTransaction,
    BankUnit,
    PartyIdentity,
)
from kehu_contracts.base import Inbound
from kehu_contracts.codes import HolderRole, PartyKind, ProductClass, TransactionKind, UnitKind
from kehu_customer.sources.identity import IdentityReader
from kehu_customer.vault import CustomerResources

SOURCE = "core"
NOON = datetime(2026, 3, 2, 4, tzinfo=UTC)
TODAY = date(2026, 3, 2)


@dataclass
class Bank:
    """Messages with sensible values; whatever a test is about is given by name."""

    deliver: Deliver
    database: Database
    subscriptions: Mapping[str, Subscription]
    reader: IdentityReader
    _sequences: dict[tuple[type[Inbound], str], int] = field(default_factory=dict)

    def unit(self, code: str, parent: str | None = None, **values: Any) -> BankUnit:
        kind = UnitKind.HEAD_OFFICE if parent is None else UnitKind.BRANCH
        given = {"name": f"Unit {code}", "kind": kind, "parent_code": parent, **values}
        return BankUnit(source=SOURCE, source_id=code, **given)

    def staff(self, number: str, unit: str, **values: Any) -> BankStaff:
        given = {"name": f"Staff {number}", "roles": ("relationship_manager",), **values}
        return BankStaff(source=SOURCE, source_id=number, unit_code=unit, **given)

    def party(self, source_id: str, unit: str = "B1", *, name: str | None = None, **values: Any) -> BankParty:
        identity = values.pop("identity", None) or PartyIdentity(name=name or f"客户{source_id}")
        given = {
            "kind": PartyKind.INDIVIDUAL,
            "customer_since": date(2020, 1, 2),
            "identity": self.reader.seal(identity),
            **values,
        }
        return BankParty(source=SOURCE, source_id=source_id, unit_code=unit, **given)

    def account(
        self, source_id: str, *holders: str | tuple[str, HolderRole], product: str = "current", **values: Any
    ) -> BankAccount:
        named = [(holder, HolderRole.OWNER) if isinstance(holder, str) else holder for holder in holders]
        given = {
            "product_code": "CUR-01",
            "currency": "CNY",
            "unit_code": "B1",
            "opened_on": date(2024, 5, 6),
            **values,
        }
        return BankAccount(
            source=SOURCE,
            source_id=source_id,
            product_class=ProductClass(product),
            holders=tuple(BankHolder(party_source_id=party, role=role) for party, role in named),
            **given,
        )

    def balance(self, account: str, amount: str, on: date = TODAY, **values: Any) -> BankBalance:
        given = {"currency": "CNY", **values}
        return BankBalance(source=SOURCE, source_id=account, balance=Decimal(amount), business_date=on, **given)

    def opening(self, source_id: str, party: str, account: str, **values: Any) -> BankProductOpened:
        given = {
            "product_class": ProductClass.CARD,
            "product_code": "GOLD",
            "amount": Decimal("500.00"),
            "currency": "CNY",
            "opened_at": NOON,
            **values,
        }
        return BankProductOpened(
            source=SOURCE, source_id=source_id, party_source_id=party, account_source_id=account, **given
        )

    def transaction(self, source_id: str, account: str, amount: str, **values: Any) -> BankTransaction:
        given = {
            "kind": TransactionKind.CREDIT,
            "currency": "CNY",
            "business_date": TODAY,
            "booked_at": NOON,
            **values,
        }
        return BankTransaction(
            source=SOURCE, source_id=source_id, account_source_id=account, amount=Decimal(amount), **given
        )

    def message(self, contract: Inbound, **changes: Any) -> Message:
        return self.deliver.message(contract, **changes)

    async def send(self, *items: Inbound | Message) -> list[Message]:
        """Deliver in order; what is next to each other on one topic is one batch."""
        messages = [item if isinstance(item, Message) else self.message(item) for item in items]
        for topic, batch in groupby(messages, key=lambda message: message.topic):
            await self.deliver(self.subscriptions[topic], list(batch))
        return messages

    async def found(self) -> None:
        """A head office with two branches, a manager in each."""
        await self.send(self.unit("HO"), self.unit("B1", "HO"), self.unit("B2", "HO"))
        await self.send(self.staff("M1", "B1"), self.staff("M2", "B2"))

    async def rows(self, statement: str, *values: Any) -> list[dict[str, Any]]:
        async with self.database.begin(read_only=True) as tx:
            return [dict(row) for row in await tx.connection.fetch(statement, *values)]

    async def value(self, statement: str, *values: Any) -> Any:
        async with self.database.begin(read_only=True) as tx:
            return await tx.connection.fetchval(statement, *values)

    async def customer_id(self, source_id: str) -> UUID:
        found = await self.value(
            "SELECT subject_id FROM source_keys WHERE kind = 'party' AND source_id = $1", source_id
        )
        assert isinstance(found, UUID)
        return found

    async def unit_id(self, code: str) -> UUID:
        found = await self.value("SELECT id FROM units WHERE code = $1", code)
        assert isinstance(found, UUID)
        return found

    async def staff_id(self, number: str) -> UUID:
        found = await self.value("SELECT id FROM staff WHERE staff_number = $1", number)
        assert isinstance(found, UUID)
        return found


@pytest.fixture
def bank_of(
    definition: ServiceDefinition, worker_runtime: Runtime, deliver: Deliver, worker_database: Database
) -> Callable[[], Bank]:
    def bank() -> Bank:
        resources = cast("CustomerResources", worker_runtime.resources)
        subscriptions = {
            topic: subscription
            for subscription in definition.subscriptions(worker_runtime)
            for topic in subscription.topics
            if topic.startswith("bank.")
        }
        return Bank(deliver, worker_database, subscriptions, IdentityReader(resources.ring.message_keys))

    return bank


@pytest.fixture
async def bank(bank_of: Callable[[], Bank]) -> Bank:
    """A bank with its organisation: head office HO, branches B1 and B2 with the managers M1 and M2."""
    made = bank_of()
    await made.found()
    return made
