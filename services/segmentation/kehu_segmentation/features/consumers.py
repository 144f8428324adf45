"""Kafka: customers as they stand and what happens to their holdings become facts; then verdicts follow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from kehu_chassis.clock import Clock
from kehu_chassis.database import Transaction
from kehu_chassis.message import Message
from kehu_chassis.subscription import Subscription
from kehu_contracts.customer import CustomerState
from kehu_contracts.holding import AccountStated, BalanceStated, ProductOpened, TransactionPosted
from kehu_segmentation.features import service
from kehu_segmentation.features.tables import PROJECTION_OF_CUSTOMERS, PROJECTION_OF_HOLDINGS
from kehu_segmentation.membership.service import Occasion, reevaluate
from kehu_segmentation.tiers.jobs import begin_assessments

__all__ = ["customers", "holdings"]


def customers(clock: Clock) -> Subscription:
    """Customers' attributes, their reach and whom they are merged into."""

    async def project(tx: Transaction, messages: Sequence[Message]) -> None:
        states = [(message.sequence, cast("CustomerState", message.parse())) for message in messages]
        touched = await service.put_customers(tx, states)
        event_ids = {state.customer_id: message.id for message, (_, state) in zip(messages, states, strict=True)}
        now = clock.now()
        await begin_assessments(tx, at=now)
        await reevaluate(tx, touched, Occasion(now, "event", event_ids))

    return Subscription(
        name="customers",
        topics=(CustomerState.topic,),
        handle=project,
        types=(CustomerState,),
        projection_tables=PROJECTION_OF_CUSTOMERS,
    )


def holdings(clock: Clock) -> Subscription:
    """Accounts, balances and transactions of each holder."""

    async def project(tx: Transaction, messages: Sequence[Message]) -> None:
        events = [(message.sequence, cast("service.HoldingEvent", message.parse())) for message in messages]
        await service.put_holdings(tx, events)
        event_ids = {event.customer_id: message.id for message, (_, event) in zip(messages, events, strict=True)}
        await reevaluate(tx, event_ids.keys(), Occasion(clock.now(), "event", event_ids))

    return Subscription(
        name="holdings",
        topics=(AccountStated.topic,),
        handle=project,
        types=(AccountStated, BalanceStated, TransactionPosted, ProductOpened),
        max_batch=2_000,
        projection_tables=PROJECTION_OF_HOLDINGS,
    )
