"""The bank's own systems: they state parties, accounts, balances and movements, and do not always do so in good order."""

from __future__ import annotations

import asyncio
import contextlib
import json
import uuid
from collections import deque
from dataclasses import dataclass, field
from datetime import date, timedelta
from random import Random
from typing import Any, Final, Self

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from kehu_chassis.crypto import KeyRing
from kehu_contracts.bank import PartyIdentity
from kehu_local.bank import seal_identity

from .suite import FaultySuite

__all__ = ["ORGANISATION", "Bank", "Facts", "Letter", "staff_id"]

SOURCE: Final = "core"
FIRST_DAY: Final = date(2026, 9, 1)
ORGANISATION: Final = (("HO", "head_office", None), ("BJ", "branch", "HO"), ("BJ-01", "sub_branch", "BJ"))
STAFF: Final = (("marketer", "HO"), ("compliance", "HO"), ("operator", "HO"), ("handler", "BJ"), ("rm", "BJ-01"))
POISONED: Final = ("bank.account.v1", "bank.transaction.v1", "bank.party.v1")


def staff_id(user: str) -> uuid.UUID:
    """The staff id that the built-in issuer puts into a demo user's token."""
    return uuid.uuid5(uuid.NAMESPACE_URL, f"kehu-demo-staff/{user}")


@dataclass(frozen=True)
class Letter:
    """One message of the bank. The same letter sent again is the same event."""

    topic: str
    key: str
    type: str
    subject: str
    sequence: int
    body: bytes
    id: uuid.UUID = field(default_factory=uuid.uuid4)

    def headers(self) -> list[tuple[str, bytes]]:
        """The headers of a CloudEvent in Kafka's binary mode."""
        given = {
            "ce_specversion": "1.0",
            "ce_id": str(self.id),
            "ce_type": self.type,
            "ce_source": f"urn:bank:{SOURCE}",
            "ce_time": "2026-10-31T08:00:00Z",
            "ce_subject": self.subject,
            "ce_dataschema": f"urn:kehu:schema:{self.type}:1",
            "ce_sequence": str(self.sequence),
            "content-type": "application/json",
        }
        return [(name, value.encode()) for name, value in given.items()]


@dataclass
class Facts:
    """What the broker has acknowledged, so that it must be found in the end."""

    parties: set[str] = field(default_factory=set)
    accounts: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Party and product class by account."""
    balances: dict[str, tuple[int, str]] = field(default_factory=dict)
    """The highest sequence of each account and its balance."""
    movements: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Account and amount by movement."""
    openings: dict[str, str] = field(default_factory=dict)
    """Account by opening."""
    poison: set[uuid.UUID] = field(default_factory=set)


class Bank:
    """Sends rounds of statements until told to stop. What `disturb` names happens to the next round."""

    def __init__(self, suite: FaultySuite, random: Random) -> None:
        self.facts = Facts()
        self.disturb: list[str] = []
        self._random = random
        self._bootstrap = suite.plan.kafka_bootstrap
        ring = KeyRing.from_file(suite.plan.key_file)
        self._kid, self._key = ring.message_keys.active
        self._sent: deque[Letter] = deque(maxlen=40)
        self._made = 0

    async def __aenter__(self) -> Self:
        self._producer = self._new_producer()
        await self._producer.start()
        return self

    def _new_producer(self) -> AIOKafkaProducer:
        return AIOKafkaProducer(bootstrap_servers=self._bootstrap, enable_idempotence=True, request_timeout_ms=10_000)

    async def __aexit__(self, *_: object) -> None:
        await self._producer.stop()

    async def organise(self) -> None:
        """State the units, and the demo users as their staff."""
        for code, kind, parent in ORGANISATION:
            told = {"name": code, "kind": kind, "parent_code": parent, "active": True}
            await self.send([self._letter("bank.organization.v1", "organization.unit_stated", code, 1, told)])
        for user, unit in STAFF:
            member = {
                "staff_id": str(staff_id(user)),
                "name": user,
                "unit_code": unit,
                "roles": [],
                "active": True,
            }
            await self.send([self._letter("bank.organization.v1", "organization.staff_stated", user, 1, member)])

    async def run(self, stop: asyncio.Event) -> None:
        """State something every now and then, until told to stop and nothing is left to be disturbed."""
        while not stop.is_set() or self.disturb:
            if self.disturb:
                await self._disturbed_round(self.disturb.pop(0))
            else:
                await self.send(self.round())
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._random.uniform(0.05, 0.3)):
                    await stop.wait()

    def round(self) -> list[Letter]:
        """Statements about a customer who is new now and then, and about accounts that are known."""
        letters: list[Letter] = []
        if self._random.random() < 0.4 or not self.facts.accounts:
            letters += self.newcomer()
        known = list(self.facts.accounts)
        for account in self._random.sample(known, min(3, len(known))):
            letters += [self.balance(account), self.movement(account)]
        return letters

    def newcomer(self, *, savings: bool | None = None) -> list[Letter]:
        """A party with an account and a product opening, parents before children; a saver now and then, unless told."""
        party, account = self._name("P"), self._name("A")
        savings = self._random.random() < 0.5 if savings is None else savings
        return [self.party(party), self.account(account, party, savings=savings), self.opening(account, party)]

    def party(self, party: str, sequence: int = 1, **changes: Any) -> Letter:
        """A person, under the key that bank and Kehu share."""
        identity = seal_identity(PartyIdentity(name=f"王{party}"), self._key, self._kid)
        told = {"kind": "individual", "customer_since": "2024-05-06", "unit_code": "BJ-01", "identity": identity}
        return self._letter("bank.party.v1", "party.stated", party, sequence, told | changes)

    def account(self, account: str, party: str, *, savings: bool) -> Letter:
        """An account of one owner."""
        told = {
            "product_class": "savings" if savings else "current",
            "product_code": "SAV-01" if savings else "CUR-01",
            "currency": "CNY",
            "holders": [{"party_source_id": party, "role": "owner"}],
            "unit_code": "BJ-01",
            "opened_on": "2024-05-06",
        }
        return self._letter("bank.account.v1", "account.stated", account, 1, told)

    def opening(self, account: str, party: str) -> Letter:
        """The opening of the account's product."""
        told = {
            "party_source_id": party,
            "account_source_id": account,
            "product_class": "savings",
            "product_code": "SAV-01",
            "amount": "100.00",
            "currency": "CNY",
            "opened_at": "2026-10-30T02:00:00Z",
        }
        return self._letter("bank.account.v1", "product.opened", self._name("O"), 1, told, key=account)

    def balance(self, account: str) -> Letter:
        """The balance at the end of the account's next day."""
        self._made += 1
        day = FIRST_DAY + timedelta(days=self._made % 60)
        told = {
            "balance": f"{self._random.randrange(1, 200_000)}.00",
            "currency": "CNY",
            "business_date": day.isoformat(),
        }
        return self._letter("bank.account.v1", "balance.stated", account, self._made, told)

    def movement(self, account: str) -> Letter:
        """A movement on an account."""
        told = {
            "account_source_id": account,
            "kind": "credit",
            "amount": f"{self._random.randrange(1, 900)}.50",
            "currency": "CNY",
            "business_date": "2026-10-30",
            "booked_at": "2026-10-30T03:00:00Z",
        }
        return self._letter("bank.transaction.v1", "transaction.posted", self._name("M"), 1, told, key=account)

    def poison(self, topic: str | None = None, *, key: str | None = None) -> Letter:
        """A message that nobody can handle: a broken one, an impossible one, or a person named in clear."""
        name = self._name("X")
        match topic or self._random.choice(POISONED):
            case "bank.account.v1":
                letter = Letter("bank.account.v1", key or name, "bank.account.stated", name, 1, b'{"half": ')
            case "bank.transaction.v1":
                told = {"account_source_id": name, "kind": "credit", "amount": "-1.00"}
                letter = self._letter("bank.transaction.v1", "transaction.posted", name, 1, told, key=key)
            case _:
                letter = self.party(name, name="王小明")
        self.facts.poison.add(letter.id)
        return letter

    async def send(self, letters: list[Letter]) -> None:
        """Send until the broker has them all, however often that takes: a letter that comes twice is the same event."""
        for letter in letters:
            while True:
                try:
                    await self._producer.send_and_wait(
                        letter.topic, letter.body, key=letter.key.encode(), headers=letter.headers()
                    )
                except KafkaError:
                    await asyncio.sleep(0.2)
                    await self._begin_anew()
                else:
                    break
            self._sent.append(letter)
            self._note(letter)

    async def _begin_anew(self) -> None:
        """Replace the producer: once a batch has expired, the numbers of this one are out of order for ever."""
        while True:
            await self._producer.stop()
            self._producer = self._new_producer()
            try:
                await self._producer.start()
            except KafkaError:
                await asyncio.sleep(0.2)
            else:
                return

    async def _disturbed_round(self, how: str) -> None:
        letters = self.round() + self.newcomer() + self.round()
        if how == "messages repeated":
            await self.send([*letters, *letters, *self._sent])
        elif how == "messages reordered":
            self._random.shuffle(letters)
            await self.send(letters)
        elif how == "child before parent":
            party, account = self._name("P"), self._name("A")
            await self.send([self.movement(account), self.balance(account), self.opening(account, party)])
            await self.send(letters)
            await self.send([self.account(account, party, savings=True), self.party(party)])
        else:
            await self.send([*letters[:2], self.poison(), *letters[2:]])

    def _note(self, letter: Letter) -> None:
        if letter.id in self.facts.poison:
            return
        told = json.loads(letter.body)
        match letter.type:
            case "bank.party.stated":
                self.facts.parties.add(letter.subject)
            case "bank.account.stated":
                self.facts.accounts[letter.subject] = told["holders"][0]["party_source_id"], told["product_class"]
            case "bank.balance.stated":
                if letter.sequence > self.facts.balances.get(letter.subject, (0, ""))[0]:
                    self.facts.balances[letter.subject] = letter.sequence, told["balance"]
            case "bank.transaction.posted":
                self.facts.movements[letter.subject] = told["account_source_id"], told["amount"]
            case "bank.product.opened":
                self.facts.openings[letter.subject] = told["account_source_id"]

    def _name(self, kind: str) -> str:
        self._made += 1
        return f"{kind}{self._made:07d}"

    def _letter(
        self, topic: str, kind: str, subject: str, sequence: int, told: dict[str, Any], *, key: str | None = None
    ) -> Letter:
        body = {"source": SOURCE, "source_id": subject} | {
            name: value for name, value in told.items() if value is not None
        }
        return Letter(topic, key or subject, f"bank.{kind}", subject, sequence, json.dumps(body).encode())
