"""The core banking system of these tests. Its messages reach the broker from inside the suite: no port leads there."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Final
from uuid import NAMESPACE_URL, uuid5

from kehu_chassis.crypto import KeyRing
from kehu_contracts.bank import (
    BankAccount,
    BankBalance,
    BankHolder,
    BankParty,
    BankProductOpened,
    BankStaff,
    BankUnit,
    PartyIdentity,
)
from kehu_contracts.codes import HolderRole, PartyKind, ProductClass, UnitKind
from kehu_local.bank import BankMessage, as_message, seal_identity

from ..scenarios import plain_topics  # noqa: TID252  no installed package holds the scenarios
from .containers import Containers

__all__ = ["SOURCE", "Bank"]

SOURCE: Final = "core"
HEAD: Final = "HO"
STAFF: Final = ("rm", "handler", "marketer", "compliance", "operator", "auditor")
BEGAN: Final = datetime(2024, 5, 6, 1, tzinfo=UTC)
FIRST_DAY: Final = date(2024, 6, 1)
BROKER: Final = "kafka:9092"
PRODUCE: Final = Path(__file__).with_name("produce.py").read_text(encoding="utf-8")
READ: Final = Path(plain_topics.__file__).read_text(encoding="utf-8")


class Bank:
    """States units, staff, parties, accounts and balances."""

    def __init__(self, containers: Containers, key_file: Path) -> None:
        self._containers = containers
        self._kid, self._key = KeyRing.from_file(key_file).message_keys.active

    def organise(self) -> None:
        """One unit, and the demo users as its staff."""
        unit = BankUnit(source=SOURCE, source_id=HEAD, name="总行", kind=UnitKind.HEAD_OFFICE)
        staff = [
            BankStaff(
                source=SOURCE,
                source_id=user,
                staff_id=uuid5(NAMESPACE_URL, f"kehu-demo-staff/{user}"),
                name=user,
                unit_code=HEAD,
                roles=(),
            )
            for user in STAFF
        ]
        self._send(as_message(statement, at=BEGAN, sequence=1) for statement in (unit, *staff))

    def register(self, parties: Sequence[str]) -> None:
        """People, each with a current account named for them."""
        messages = []
        for party in parties:
            identity = seal_identity(PartyIdentity(name=f"王{party}"), self._key, self._kid)
            person = BankParty(
                source=SOURCE,
                source_id=party,
                kind=PartyKind.INDIVIDUAL,
                customer_since=BEGAN.date(),
                unit_code=HEAD,
                identity=identity,
            )
            account = BankAccount(
                source=SOURCE,
                source_id=f"account-{party}",
                product_class=ProductClass.CURRENT,
                product_code="CUR-01",
                currency="CNY",
                holders=(BankHolder(party_source_id=party, role=HolderRole.OWNER),),
                unit_code=HEAD,
                opened_on=BEGAN.date(),
            )
            messages += [as_message(statement, at=BEGAN, sequence=1) for statement in (person, account)]
        self._send(messages)

    def state_balances(self, amounts: Iterable[tuple[str, int]], *, first: int = 1) -> None:
        """The balances of parties' accounts, one after the other; what is stated of a party later is of a later day."""
        days: dict[str, int] = {}
        messages = []
        for party, amount in amounts:
            day = days[party] = days.get(party, first - 1) + 1
            statement = BankBalance(
                source=SOURCE,
                source_id=f"account-{party}",
                balance=Decimal(f"{amount}.00"),
                currency="CNY",
                business_date=FIRST_DAY + timedelta(days=day),
            )
            messages.append(as_message(statement, at=BEGAN + timedelta(days=day), sequence=day + 1))
        self._send(messages)

    def open_product(self, party: str, product: str, at: datetime) -> None:
        """A party opened a product; the bank says so twice."""
        opening = BankProductOpened(
            source=SOURCE,
            source_id=f"opening-{party}",
            party_source_id=party,
            account_source_id=f"account-{party}",
            product_class=ProductClass.SAVINGS,
            product_code=product,
            amount=Decimal("5000.00"),
            currency="CNY",
            opened_at=at,
        )
        message = as_message(opening, at=at, sequence=1, key=f"account-{party}")
        self._send([message, message])

    def read(self, topics: Sequence[str]) -> list[plain_topics.Record]:
        """Everything that stands on topics, as any other system of the bank would read it."""
        lines = self._containers.execute("customer-worker", "python", "-c", READ, BROKER, *topics)
        return [plain_topics.from_line(line) for line in lines.splitlines()]

    def _send(self, messages: Iterable[BankMessage]) -> None:
        lines = "".join(_line(message) + "\n" for message in messages)
        self._containers.execute("customer-worker", "python", "-c", PRODUCE, BROKER, told=lines)


def _line(message: BankMessage) -> str:
    return json.dumps(
        {
            "topic": message.topic,
            "key": _text(message.key),
            "headers": [(name, _text(value)) for name, value in message.headers],
            "body": _text(message.body),
        }
    )


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode()
