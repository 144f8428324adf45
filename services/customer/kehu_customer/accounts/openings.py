"""Business actions on product openings: what a customer bought, and what campaigns count as a conversion."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from sqlalchemy import DateTime, Numeric, Uuid, select
from sqlalchemy.dialects.postgresql import insert

from kehu_chassis import outbox
from kehu_chassis.columns import Text, new_id
from kehu_chassis.database import Transaction
from kehu_chassis.message import Message
from kehu_contracts.bank import BankProductOpened
from kehu_contracts.codes import HolderRole
from kehu_contracts.holding import ProductOpened
from kehu_customer.accounts.holdings import Holding, find_or_await_holdings, roles_that_count
from kehu_customer.accounts.tables import product_openings
from kehu_customer.rows import arrays, given
from kehu_customer.sources import keys
from kehu_customer.sources.keys import Kind, SourceKey, waiting_for
from kehu_customer.sources.statements import Statement, hold, statements_of

__all__ = ["open_products"]

Opening = Statement[BankProductOpened]

_OPENING_COLUMNS: Final = (
    "id",
    "source",
    "source_id",
    "customer_id",
    "account_id",
    "product_class",
    "product_code",
    "amount",
    "currency",
    "opened_at",
)
_openings = given(
    "given",
    id=Uuid,
    source=Text,
    source_id=Text,
    customer_id=Uuid,
    account_id=Uuid,
    product_class=Text,
    product_code=Text,
    amount=Numeric(20, 4),
    currency=Text,
    opened_at=DateTime(timezone=True),
)
_PUT_OPENINGS: Final = (
    insert(product_openings)
    .from_select(list(_OPENING_COLUMNS), select(*(_openings.c[name] for name in _OPENING_COLUMNS)))
    .on_conflict_do_nothing(index_elements=["source", "source_id"])
    .returning(product_openings.c.id)
)


async def open_products(tx: Transaction, messages: Sequence[Message]) -> None:
    """Take product openings, each once by the key of its source, however often and under whichever id it is sent."""
    stated = statements_of(messages, BankProductOpened)
    if not stated:
        return
    parties = await keys.find_or_await(tx, Kind.PARTY, {_party_key(each) for each in stated})
    holdings = await find_or_await_holdings(tx, {_account_key(each) for each in stated})
    held: list[tuple[Opening, str]] = []
    ready: dict[UUID, Opening] = {}
    for each in stated:
        if _party_key(each) not in parties:
            held.append((each, waiting_for(Kind.PARTY, _party_key(each))))
        elif _account_key(each) not in holdings:
            held.append((each, waiting_for(Kind.ACCOUNT, _account_key(each))))
        else:
            ready[new_id()] = each
    await hold(tx, held)
    if not ready:
        return
    counting = await roles_that_count(tx)
    events = {
        opening_id: _product_opened(each, opening_id, holdings[_account_key(each)], parties[_party_key(each)], counting)
        for opening_id, each in ready.items()
    }
    rows = [_opening_row(each, events[opening_id]) for opening_id, each in ready.items()]
    for row in await tx.all(_PUT_OPENINGS, arrays(_OPENING_COLUMNS, rows)):
        each = ready[row["id"]]
        outbox.add(tx, events[row["id"]], at=each.message.time, cause=each.message)


def _party_key(each: Opening) -> SourceKey:
    return SourceKey(each.body.source, each.body.party_source_id)


def _account_key(each: Opening) -> SourceKey:
    return SourceKey(each.body.source, each.body.account_source_id)


def _product_opened(
    each: Opening, opening_id: UUID, holding: Holding, customer_id: UUID, counting: frozenset[HolderRole]
) -> ProductOpened:
    # Who opens a product and is not named among its holders is taken for its owner.
    role = next((holder.role for holder in holding.holders if holder.customer_id == customer_id), HolderRole.OWNER)
    return ProductOpened(
        customer_id=customer_id,
        account_id=holding.account_id,
        holder_role=role,
        counts=role in counting,
        product_class=each.body.product_class,
        product_code=each.body.product_code,
        opening_id=opening_id,
        amount=each.body.amount,
        currency=each.body.currency,
        opened_at=each.body.opened_at,
    )


def _opening_row(each: Opening, event: ProductOpened) -> tuple[object, ...]:
    return (
        event.opening_id,
        *each.key,
        event.customer_id,
        event.account_id,
        event.product_class,
        event.product_code,
        event.amount,
        event.currency,
        event.opened_at,
    )
