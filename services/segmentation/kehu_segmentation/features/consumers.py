"""Kafka: customers as they stand and what happens to their holdings become facts; then verdicts follow."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import date
from functools import cached_property
from typing import cast
from uuid import UUID

from kehu_chassis.clock import Clock
from kehu_chassis.database import Transaction
from kehu_chassis.message import Message
from kehu_chassis.subscription import Subscription
from kehu_contracts.customer import CustomerState
from kehu_contracts.holding import AccountStated, BalanceStated, ProductOpened, TransactionPosted
from kehu_segmentation.business_days import business_day
from kehu_segmentation.features import service
from kehu_segmentation.features.tables import PROJECTION_OF_CUSTOMERS, PROJECTION_OF_HOLDINGS
from kehu_segmentation.membership.service import Occasion, lock_evaluations, reevaluate
from kehu_segmentation.rules.rules import News, concerns
from kehu_segmentation.rules.schemas import Rule
from kehu_segmentation.tiers.jobs import begin_assessments

__all__ = ["customers", "holdings"]


def customers(clock: Clock) -> Subscription:
    """Customers' attributes, their reach and whom they are merged into."""

    async def project(tx: Transaction, messages: Sequence[Message]) -> None:
        states = [(message.sequence, cast("CustomerState", message.parse())) for message in messages]
        # The row of a customer who is new cannot be locked by others yet: whoever brings one in does so alone, or the
        # first account, told at the same moment, and the customer would each be judged without the other.
        await lock_evaluations(tx, alone=await service.has_new_customers(tx, [state for _, state in states]))
        touched = await service.put_customers(tx, states)
        event_ids = {state.customer_id: message.id for message, (_, state) in zip(messages, states, strict=True)}
        now = clock.now()
        await begin_assessments(tx, touched, at=now)
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
        await lock_evaluations(tx)
        await service.put_holdings(tx, events)
        event_ids = {event.customer_id: message.id for message, (_, event) in zip(messages, events, strict=True)}
        now = clock.now()
        concerned = _Concerned([event for _, event in events], business_day(now))
        await reevaluate(tx, event_ids.keys(), Occasion(now, "event", event_ids), concerned=concerned)

    return Subscription(
        name="holdings",
        topics=(AccountStated.topic,),
        handle=project,
        types=(AccountStated, BalanceStated, TransactionPosted, ProductOpened),
        max_batch=2_000,
        projection_tables=PROJECTION_OF_HOLDINGS,
    )


class _Concerned:
    """Tells for a rule which customers of a batch it may judge differently now: most news touch few rules.

    The news are gathered when the first rule asks: a bank without segments has nobody to ask.
    """

    def __init__(self, events: Sequence[service.HoldingEvent], today: date) -> None:
        self._events = events
        self._today = today

    def __call__(self, rule: Rule) -> set[UUID]:
        found = (customers for news, customers in self._by_news.items() if concerns(rule, news, self._today))
        return self._always.union(*found)

    @cached_property
    def _always(self) -> set[UUID]:
        # What an account is may have changed, and with it all that hangs on it.
        return {event.customer_id for event in self._events if isinstance(event, AccountStated)}

    @cached_property
    def _by_news(self) -> dict[News, set[UUID]]:
        found: defaultdict[News, set[UUID]] = defaultdict(set)
        for event in self._events:
            for news in _news(event):
                found[news].add(event.customer_id)
        return found


def _news(event: service.HoldingEvent) -> Iterator[News]:
    if isinstance(event, TransactionPosted | BalanceStated):
        about = (event.product_class, event.product_code, event.currency)
        if isinstance(event, TransactionPosted):
            yield News("transactions", *about, event.kind, event.business_date)
        if isinstance(event, BalanceStated) or event.balance_after is not None:
            yield News("balances", *about, None, event.business_date)
