"""Business actions on transactions: each movement once, a batch of any length in the same few statements."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final
from uuid import UUID

from sqlalchemy import BigInteger, Date, DateTime, Integer, Numeric, Uuid, or_, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert

from kehu_chassis import outbox
from kehu_chassis.columns import Text, new_id
from kehu_chassis.database import Transaction
from kehu_chassis.message import Message, Refused
from kehu_contracts.bank import BankTransaction
from kehu_contracts.holding import TransactionPosted
from kehu_customer.accounts.holdings import Holder, Holding, find_or_await_holdings
from kehu_customer.accounts.partitions import ensure_months
from kehu_customer.accounts.rules import Movement
from kehu_customer.accounts.tables import accounts, transaction_keys, transactions
from kehu_customer.rows import arrays, given
from kehu_customer.sources.keys import Kind, SourceKey, waiting_for
from kehu_customer.sources.statements import Statement, hold, statements_of

__all__ = ["post_transactions"]

Posting = Statement[BankTransaction]

# Every month that is written to gets a partition: a wrong century must not leave one behind.
_FIRST_YEAR: Final = 1900
_LAST_YEAR: Final = 2199

_TRANSACTION_COLUMNS: Final = (
    "id",
    "source",
    "source_id",
    "account_id",
    "kind",
    "amount",
    "currency",
    "balance_after",
    "business_date",
    "booked_at",
    "position",
    "purpose_code",
    "counterparty_bank",
    "source_sequence",
    "stated_at",
)
_transactions = given(
    "given",
    id=Uuid,
    source=Text,
    source_id=Text,
    account_id=Uuid,
    kind=Text,
    amount=Numeric(20, 4),
    currency=Text,
    balance_after=Numeric(20, 4),
    business_date=Date,
    booked_at=DateTime(timezone=True),
    position=Integer,
    purpose_code=Text,
    counterparty_bank=Text,
    source_sequence=BigInteger,
    stated_at=DateTime(timezone=True),
)
# The keys decide which movements are new; the rows are written from the same arrays in the same statement.
_fresh = (
    insert(transaction_keys)
    .from_select(
        ["source", "source_id", "transaction_id"],
        select(_transactions.c.source, _transactions.c.source_id, _transactions.c.id).order_by(
            _transactions.c.source, _transactions.c.source_id
        ),
    )
    .on_conflict_do_nothing()
    .returning(transaction_keys.c.transaction_id)
    .cte("fresh")
)
_PUT_TRANSACTIONS: Final = (
    insert(transactions)
    .from_select(
        list(_TRANSACTION_COLUMNS),
        select(*(_transactions.c[name] for name in _TRANSACTION_COLUMNS)).join(
            _fresh, _fresh.c.transaction_id == _transactions.c.id
        ),
    )
    .returning(transactions.c.id)
)

_MOVED_COLUMNS: Final = ("id", "balance", "business_date", "position", "booked_at", "source_id")
_moved = given(
    "given",
    id=Uuid,
    balance=Numeric(20, 4),
    business_date=Date,
    position=Integer,
    booked_at=DateTime(timezone=True),
    source_id=Text,
)
_PUT_MOVED: Final = (
    update(accounts)
    .values(
        moved_balance=_moved.c.balance,
        moved_on=_moved.c.business_date,
        moved_position=_moved.c.position,
        moved_at=_moved.c.booked_at,
        moved_source_id=_moved.c.source_id,
    )
    .where(
        accounts.c.id == _moved.c.id,
        or_(
            accounts.c.moved_on.is_(None),
            tuple_(
                accounts.c.moved_on,
                accounts.c.moved_position,
                accounts.c.moved_at,
                accounts.c.moved_source_id.collate("C"),
            )
            < tuple_(
                _moved.c.business_date,
                _moved.c.position,
                _moved.c.booked_at,
                _moved.c.source_id.collate("C"),
            ),
        ),
    )
)


async def post_transactions(tx: Transaction, messages: Sequence[Message]) -> None:
    """Take posted movements, each once by the key of its source."""
    stated = statements_of(messages, BankTransaction)
    if not stated:
        return
    for each in stated:
        if not _FIRST_YEAR <= each.body.business_date.year <= _LAST_YEAR:
            raise Refused(f"no business date: {each.body.business_date}")
    await ensure_months(tx, (each.body.business_date for each in stated))
    keyed = [(each, _account_key(each)) for each in stated]
    holdings = await find_or_await_holdings(tx, {key for _, key in keyed})
    await hold(tx, [(each, waiting_for(Kind.ACCOUNT, key)) for each, key in keyed if key not in holdings])
    placed = {new_id(): (each, holdings[key]) for each, key in keyed if key in holdings}
    rows = [_transaction_row(posting_id, *posting) for posting_id, posting in placed.items()]
    fresh = {row["id"] for row in await tx.all(_PUT_TRANSACTIONS, arrays(_TRANSACTION_COLUMNS, rows))}
    posted = {posting_id: posting for posting_id, posting in placed.items() if posting_id in fresh}
    await _put_moved(tx, posted.values())
    for posting_id, (each, holding) in posted.items():
        for holder in holding.holders:
            event = _transaction_posted(each, posting_id, holding, holder)
            outbox.add(tx, event, at=each.message.time, cause=each.message)


def _account_key(each: Posting) -> SourceKey:
    return SourceKey(each.body.source, each.body.account_source_id)


def _transaction_row(posting_id: UUID, each: Posting, holding: Holding) -> tuple[object, ...]:
    body = each.body
    return (
        posting_id,
        body.source,
        body.source_id,
        holding.account_id,
        body.kind,
        body.amount,
        body.currency,
        body.balance_after,
        body.business_date,
        body.booked_at,
        body.position,
        body.purpose_code,
        body.counterparty_bank,
        each.sequence,
        each.message.time,
    )


async def _put_moved(tx: Transaction, posted: Iterable[tuple[Posting, Holding]]) -> None:
    last: dict[UUID, Movement] = {}
    for each, holding in posted:
        body = each.body
        if body.balance_after is None:
            continue
        account_id = holding.account_id
        movement = Movement(body.business_date, body.position, body.booked_at, body.source_id, body.balance_after)
        before = last.get(account_id)
        if before is None or movement > before:
            last[account_id] = movement
    if last:
        # Accounts are locked in one order, so that two batches cannot wait for one another.
        rows = [
            (account_id, each.balance_after, each.business_date, each.position, each.booked_at, each.source_id)
            for account_id, each in sorted(last.items())
        ]
        await tx.execute(_PUT_MOVED, arrays(_MOVED_COLUMNS, rows))


def _transaction_posted(each: Posting, posting_id: UUID, holding: Holding, holder: Holder) -> TransactionPosted:
    body = each.body
    return TransactionPosted(
        customer_id=holder.customer_id,
        account_id=holding.account_id,
        holder_role=holder.role,
        counts=holder.counts,
        product_class=holding.product_class,
        product_code=holding.product_code,
        transaction_id=posting_id,
        kind=body.kind,
        amount=body.amount,
        currency=body.currency,
        balance_after=body.balance_after,
        business_date=body.business_date,
        booked_at=body.booked_at,
        position=body.position,
        source_sequence=each.sequence,
    )
