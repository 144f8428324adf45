"""Kafka: what the bank's own systems tell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from kehu_chassis.database import Transaction
from kehu_chassis.definition import Runtime
from kehu_chassis.message import Message
from kehu_chassis.subscription import Subscription
from kehu_contracts.bank import BankAccount, BankParty, BankTransaction, BankUnit
from kehu_customer.settings import Settings
from kehu_customer.sources.identity import IdentityReader
from kehu_customer.sources.intake import INBOUND, take_in
from kehu_customer.sources.service import Intake
from kehu_customer.vault import CustomerResources

__all__ = ["inbound_subscriptions"]


def inbound_subscriptions(runtime: Runtime) -> tuple[Subscription, ...]:
    """One subscription for each inbound topic, so that a flood of movements does not delay a new customer.

    They are no projections: the ids that they give out would not come back from a replay.
    """
    settings, resources = cast("Settings", runtime.settings), cast("CustomerResources", runtime.resources)
    reader = IdentityReader(resources.ring.message_keys, accept_clear=settings.allow_clear_identity)
    intake = Intake(reader, resources.vault, runtime.clock)

    async def handle(tx: Transaction, messages: Sequence[Message]) -> None:
        await take_in(tx, messages, intake)

    return tuple(
        Subscription(
            name=name,
            topics=(contract.topic,),
            handle=handle,
            types=tuple(each for each in INBOUND if each.topic == contract.topic),
        )
        for name, contract in (
            ("bank-organization", BankUnit),
            ("bank-party", BankParty),
            ("bank-account", BankAccount),
            ("bank-transaction", BankTransaction),
        )
    )
