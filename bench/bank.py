"""A bank's messages to the customer service, and their delivery through its real subscriptions."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import cast

from bench.house import House
from kehu_chassis.clock import SystemClock, technical_now
from kehu_chassis.columns import new_id
from kehu_chassis.database import Database
from kehu_chassis.delivery import Delivery
from kehu_chassis.message import Message
from kehu_chassis.subscription import Subscription
from kehu_chassis.testing.http import open_test_app, test_settings
from kehu_contracts.bank import (
    BankAccount,
    BankHolder,
    BankParty,
    BankTransaction,
    BankUnit,
    IdentityContact,
    IdentityDocument,
    PartyIdentity,
)
from kehu_contracts.base import Inbound
from kehu_contracts.codes import HolderRole, PartyKind, ProductClass, TransactionKind, UnitKind
from kehu_customer.main import DEFINITION
from kehu_customer.sources.identity import IdentityReader
from kehu_customer.vault import CustomerResources

__all__ = ["BATCH", "BEGINS", "Bank", "open_bank"]

BATCH = 1_000
BEGINS = date(2020, 1, 15)
_KINDS = (TransactionKind.CREDIT, TransactionKind.DEBIT)


# No name weighs more than another, so that less of one is known from others than in a real bank.
_SURNAMES = (
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林高罗郑梁谢宋唐许邓冯韩曹曾彭萧蔡潘田董袁于余"
    "叶蒋杜苏魏程吕丁沈任姚卢傅钟姜崔谭廖范汪陆金石戴贾韦夏邱方侯邹熊孟秦白江阎薛尹段"
)
_GIVEN = (
    "伟芳娜秀英敏静丽强磊军洋勇艳杰娟涛明超霞平刚桂兰华飞红玉萍鹏辉玲燕斌波梅鑫丹浩凯"
    "健俊帆雪宇婷欣怡佳琪子轩梓涵雨晨思诗浩然博文天佑嘉懿煜城若汐语嫣依诺安可馨妍心慧"
    "建国庆春生龙海山林峰云松柏青松志远德福长江永新世昌学义宏达光荣仁和顺利金宝贵"
)


def _name(number: int) -> str:
    """A name of three characters, one in six of two; there are more than a million of them."""
    mixed = number * 2_654_435_761 % 2**32
    mixed, surname = divmod(mixed, len(_SURNAMES))
    mixed, first = divmod(mixed, len(_GIVEN))
    second = _GIVEN[mixed % len(_GIVEN)] if number % 6 else ""
    return f"{_SURNAMES[surname]}{_GIVEN[first]}{second}"


@dataclass
class Bank:
    """What the bank says, as messages that are ready to be taken."""

    database: Database
    subscriptions: dict[str, Subscription]
    reader: IdentityReader

    def messages(self, statements: Iterable[Inbound]) -> Iterator[Message]:
        """Each statement the first about its thing."""
        now = technical_now()
        for said in statements:
            source = f"urn:bank:{said.source}"
            body = said.model_dump_json().encode()
            key = said.source_id
            yield Message(new_id(), said.event_type, source, key, now, 1, key, body, said.topic)

    def unit(self) -> BankUnit:
        """Head office."""
        return BankUnit(source="core", source_id="HO", name="总行", kind=UnitKind.HEAD_OFFICE, parent_code=None)

    def party(self, number: int) -> BankParty:
        """A person with a name, a telephone and a passport."""
        identity = PartyIdentity(
            name=_name(number),
            birth_date=BEGINS - timedelta(days=365 * (20 + number % 50)),
            documents=(IdentityDocument(type="passport", number=f"E{number:08}"),),
            contacts=(IdentityContact(type="phone", value=f"138{number:08}"),),
        )
        return BankParty(
            source="core",
            source_id=f"P{number}",
            kind=PartyKind.INDIVIDUAL,
            customer_since=BEGINS,
            unit_code="HO",
            identity=self.reader.seal(identity),
        )

    def account(self, number: int) -> BankAccount:
        """A current account of the party with the same number."""
        return BankAccount(
            source="core",
            source_id=f"A{number}",
            product_class=ProductClass.CURRENT,
            product_code="CUR-01",
            currency="CNY",
            holders=(BankHolder(party_source_id=f"P{number}", role=HolderRole.OWNER),),
            unit_code="HO",
            opened_on=BEGINS,
        )

    def movement(self, account: int, number: int, day: date) -> BankTransaction:
        """A movement on an account."""
        return BankTransaction(
            source="core",
            source_id=f"T{account}-{number}",
            account_source_id=f"A{account}",
            kind=_KINDS[number % 2],
            amount=Decimal("12.50"),
            currency="CNY",
            balance_after=Decimal("100.00"),
            business_date=day,
            booked_at=datetime.fromisoformat(f"{day}T04:00:00+00:00"),
        )

    async def take(self, messages: Sequence[Message]) -> None:
        """Deliver messages of one topic in batches, as the consumer does."""
        delivery = Delivery(self.database, self.subscriptions[messages[0].topic], SystemClock())
        for at in range(0, len(messages), BATCH):
            await delivery.batch(messages[at : at + BATCH])


@asynccontextmanager
async def open_bank(house: House) -> AsyncIterator[Bank]:
    """The customer service as its worker runs it, without a broker."""
    await house.migrate(DEFINITION)
    dsn = house.dsn("customer", "worker")
    database = await Database.connect(dsn, schema="customer")
    settings = test_settings(DEFINITION.settings, dsn, key_file=house.folder / "keys.json")
    async with open_test_app(DEFINITION, database=database, settings=settings, clock=SystemClock()) as app:
        resources = cast("CustomerResources", app.runtime.resources)
        subscriptions = {
            topic: subscription
            for subscription in DEFINITION.subscriptions(app.runtime)
            for topic in subscription.topics
            if topic.startswith("bank.")
        }
        yield Bank(database, subscriptions, IdentityReader(resources.ring.message_keys))
    await database.close()
