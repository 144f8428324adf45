"""Business actions on balances: the end of an account's business date, as the core states it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sqlalchemy import BigInteger, Date, DateTime, Numeric, Uuid, or_, update

from kehu_chassis import outbox
from kehu_chassis.database import Transaction
from kehu_chassis.message import Message
from kehu_contracts.bank import BankBalance
from kehu_contracts.holding import BalanceStated
from kehu_customer.accounts.holdings import Holder, Holding, find_or_await_holdings
from kehu_customer.accounts.tables import accounts
from kehu_customer.rows import arrays, given
from kehu_customer.sources.keys import Kind, waiting_for
from kehu_customer.sources.rules import last_of_each, rising
from kehu_customer.sources.statements import Statement, hold, statements_of

__all__ = ["state_balances"]

Balance = Statement[BankBalance]

_BALANCE_COLUMNS: Final = ("id", "balance", "business_date", "sequence", "stated_at")
_balances = given(
    "given",
    id=Uuid,
    balance=Numeric(20, 4),
    business_date=Date,
    sequence=BigInteger,
    stated_at=DateTime(timezone=True),
)
_PUT_BALANCES: Final = (
    update(accounts)
    .values(
        stated_balance=_balances.c.balance,
        stated_balance_on=_balances.c.business_date,
        stated_balance_sequence=_balances.c.sequence,
        stated_balance_at=_balances.c.stated_at,
    )
    .where(
        accounts.c.id == _balances.c.id,
        or_(accounts.c.stated_balance_sequence.is_(None), accounts.c.stated_balance_sequence < _balances.c.sequence),
    )
)


async def state_balances(tx: Transaction, messages: Sequence[Message]) -> None:
    """Take end-of-day balances; one with an older sequence than the account's is ignored."""
    stated = statements_of(messages, BankBalance)
    if not stated:
        return
    holdings = await find_or_await_holdings(tx, {each.key for each in stated})
    await hold(tx, [(each, waiting_for(Kind.ACCOUNT, each.key)) for each in stated if each.key not in holdings])
    news: list[Balance] = rising(
        (each for each in stated if each.key in holdings),
        key=lambda each: each.key,
        sequence=lambda each: each.sequence,
        standing={
            key: holding.stated_balance_sequence
            for key, holding in holdings.items()
            if holding.stated_balance_sequence is not None
        },
    )
    if not news:
        return
    latest = last_of_each(news, key=lambda each: each.key)
    rows = [
        (holdings[key].account_id, each.body.balance, each.body.business_date, each.sequence, each.message.time)
        for key, each in latest.items()
    ]
    await tx.execute(_PUT_BALANCES, arrays(_BALANCE_COLUMNS, sorted(rows)))
    for each in news:
        holding = holdings[each.key]
        for holder in holding.holders:
            outbox.add(tx, _balance_stated(each, holding, holder), at=each.message.time, cause=each.message)


def _balance_stated(each: Balance, holding: Holding, holder: Holder) -> BalanceStated:
    return BalanceStated(
        customer_id=holder.customer_id,
        account_id=holding.account_id,
        holder_role=holder.role,
        counts=holder.counts,
        product_class=holding.product_class,
        product_code=holding.product_code,
        balance=each.body.balance,
        currency=each.body.currency,
        business_date=each.body.business_date,
        source_sequence=each.sequence,
    )
