"""Business actions on accounts: take what the core states of an account, and tell it to each holder's services."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, Date, DateTime, Integer, Numeric, Uuid, bindparam, delete, exists, select
from sqlalchemy.dialects.postgresql import insert

from kehu_chassis import outbox
from kehu_chassis.columns import Text, new_id
from kehu_chassis.database import Transaction
from kehu_chassis.message import Message
from kehu_contracts.bank import BankAccount
from kehu_contracts.codes import HolderRole
from kehu_contracts.holding import AccountStated
from kehu_customer.accounts.holdings import Holder, roles_that_count
from kehu_customer.accounts.rules import strongest_roles
from kehu_customer.accounts.tables import account_holders, accounts
from kehu_customer.rows import arrays, given
from kehu_customer.sources import keys
from kehu_customer.sources.keys import Kind, SourceKey, waiting_for
from kehu_customer.sources.rules import last_of_each, rising, with_parents
from kehu_customer.sources.statements import Statement, hold, statements_of

__all__ = ["state_accounts"]

Account = Statement[BankAccount]

_STANDING: Final = select(accounts.c.source, accounts.c.source_id, accounts.c.source_sequence).where(
    accounts.c.id == bindparam("account_ids", type_=ARRAY(Uuid)).any_()
)

_COLUMNS: Final = (
    "id",
    "source",
    "source_id",
    "product_class",
    "product_code",
    "currency",
    "parent_account_id",
    "unit_code",
    "opened_on",
    "closed_on",
    "amount",
    "term_months",
    "status_code",
    "source_sequence",
    "stated_at",
)
_accounts = given(
    "given",
    id=Uuid,
    source=Text,
    source_id=Text,
    product_class=Text,
    product_code=Text,
    currency=Text,
    parent_account_id=Uuid,
    unit_code=Text,
    opened_on=Date,
    closed_on=Date,
    amount=Numeric(20, 4),
    term_months=Integer,
    status_code=Text,
    source_sequence=BigInteger,
    stated_at=DateTime(timezone=True),
)
_insert_accounts = insert(accounts).from_select(list(_COLUMNS), select(*(_accounts.c[name] for name in _COLUMNS)))
_PUT_ACCOUNTS: Final = _insert_accounts.on_conflict_do_update(
    index_elements=["id"],
    set_={name: _insert_accounts.excluded[name] for name in _COLUMNS if name not in {"id", "source", "source_id"}},
)

_HOLDER_COLUMNS: Final = ("account_id", "customer_id", "role")
_holders = given("given", account_id=Uuid, customer_id=Uuid, role=Text)
_insert_holders = insert(account_holders).from_select(
    list(_HOLDER_COLUMNS), select(*(_holders.c[name] for name in _HOLDER_COLUMNS))
)
_PUT_HOLDERS: Final = _insert_holders.on_conflict_do_update(
    index_elements=["account_id", "customer_id"],
    set_={"role": _insert_holders.excluded.role},
    where=account_holders.c.role != _insert_holders.excluded.role,
)
_DROP_HOLDERS: Final = (
    delete(account_holders)
    .where(
        account_holders.c.account_id == bindparam("account_ids", type_=ARRAY(Uuid)).any_(),
        ~exists().where(
            _holders.c.account_id == account_holders.c.account_id,
            _holders.c.customer_id == account_holders.c.customer_id,
        ),
    )
    .returning(account_holders.c.account_id, account_holders.c.customer_id, account_holders.c.role)
)


async def state_accounts(tx: Transaction, messages: Sequence[Message]) -> list[str]:
    """Take accounts, cards, loans and standing orders; gives the names under which messages wait for the new ones."""
    stated = statements_of(messages, BankAccount)
    if not stated:
        return []
    parties = await keys.find_or_await(tx, Kind.PARTY, {key for each in stated for key in _party_keys(each)})
    held, complete = [], []
    for each in stated:
        missing = next((key for key in _party_keys(each) if key not in parties), None)
        if missing is None:
            complete.append(each)
        else:
            held.append((each, waiting_for(Kind.PARTY, missing)))

    touched = {key for each in complete for key in (each.key, _parent_key(each)) if key is not None}
    locked = await keys.lock(tx, Kind.ACCOUNT, touched)
    ids = {key: account_id for key, account_id in locked.items() if account_id is not None}
    rows = await tx.all(_STANDING, {"account_ids": list(ids.values())}) if ids else []
    standing = {SourceKey(row["source"], row["source_id"]): row["source_sequence"] for row in rows}
    news = rising(complete, key=lambda each: each.key, sequence=lambda each: each.sequence, standing=standing)
    latest = last_of_each(news, key=lambda each: each.key)
    ready, orphans = with_parents(latest, parent=_parent_key, known=ids)
    held += [(each, waiting_for(Kind.ACCOUNT, _parent_key(each) or each.key)) for each in orphans]
    await hold(tx, held)
    if not ready:
        return []
    new = {each.key: new_id() for each in ready if each.key not in ids}
    ids.update(new)
    await tx.execute(_PUT_ACCOUNTS, arrays(_COLUMNS, [_account_row(each, ids) for each in ready]))
    await _put_holders(tx, ready, ids, parties)
    return await keys.arrive(tx, Kind.ACCOUNT, new)


def _party_keys(each: Account) -> list[SourceKey]:
    return [SourceKey(each.body.source, holder.party_source_id) for holder in each.body.holders]


def _parent_key(each: Account) -> SourceKey | None:
    parent = each.body.parent_source_id
    return None if parent is None else SourceKey(each.body.source, parent)


def _account_row(each: Account, ids: Mapping[SourceKey, UUID]) -> tuple[object, ...]:
    body, parent = each.body, _parent_key(each)
    return (
        ids[each.key],
        body.source,
        body.source_id,
        body.product_class,
        body.product_code,
        body.currency,
        None if parent is None else ids[parent],
        body.unit_code,
        body.opened_on,
        body.closed_on,
        body.amount,
        body.term_months,
        body.status_code,
        each.sequence,
        each.message.time,
    )


async def _put_holders(
    tx: Transaction, ready: Sequence[Account], ids: Mapping[SourceKey, UUID], parties: Mapping[SourceKey, UUID]
) -> None:
    counting = await roles_that_count(tx)
    holders: dict[UUID, dict[UUID, HolderRole]] = {}
    for each in ready:
        named = [(parties[SourceKey(each.body.source, one.party_source_id)], one.role) for one in each.body.holders]
        holders[ids[each.key]] = strongest_roles(named)
    rows = [(account_id, *holder) for account_id, roles in holders.items() for holder in roles.items()]
    parameters = arrays(_HOLDER_COLUMNS, rows)
    gone = await tx.all(_DROP_HOLDERS, {"account_ids": list(holders), **parameters})
    await tx.execute(_PUT_HOLDERS, parameters)
    left: dict[UUID, list[Holder]] = {}
    for row in gone:
        # Who holds an account no longer is told so: nothing of it counts for that customer from now on.
        left.setdefault(row["account_id"], []).append(Holder(row["customer_id"], HolderRole(row["role"]), counts=False))
    for each in ready:
        account_id = ids[each.key]
        standing = [Holder(customer, role, role in counting) for customer, role in holders[account_id].items()]
        parent = _parent_key(each)
        for holder in [*standing, *left.get(account_id, ())]:
            event = _account_stated(each.body, holder, account_id, None if parent is None else ids[parent])
            outbox.add(tx, event, at=each.message.time, cause=each.message)


def _account_stated(body: BankAccount, holder: Holder, account_id: UUID, parent_id: UUID | None) -> AccountStated:
    return AccountStated(
        customer_id=holder.customer_id,
        account_id=account_id,
        holder_role=holder.role,
        counts=holder.counts,
        product_class=body.product_class,
        product_code=body.product_code,
        parent_account_id=parent_id,
        currency=body.currency,
        opened_on=body.opened_on,
        closed_on=body.closed_on,
    )
