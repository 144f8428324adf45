"""Accounts by the keys of their sources, with their holders: what every statement about an account begins with."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from sqlalchemy import and_, select

from kehu_chassis.columns import Text
from kehu_chassis.database import Transaction
from kehu_contracts.codes import HolderRole, ProductClass
from kehu_customer.accounts.tables import account_holders, accounts, holder_roles
from kehu_customer.rows import arrays, given
from kehu_customer.sources import keys
from kehu_customer.sources.keys import Kind, SourceKey

__all__ = ["Holder", "Holding", "find_holdings", "find_or_await_holdings", "roles_that_count"]


@dataclass(frozen=True, slots=True)
class Holder:
    """A customer's part in an account, and whether it counts towards balances and sums."""

    customer_id: UUID
    role: HolderRole
    counts: bool


@dataclass(frozen=True, slots=True)
class Holding:
    """An account with those who hold it."""

    account_id: UUID
    product_class: ProductClass
    product_code: str
    stated_balance_sequence: int | None
    holders: list[Holder] = field(default_factory=list)


_keys = given("given", source=Text, source_id=Text)
_FIND: Final = (
    select(
        accounts.c.source,
        accounts.c.source_id,
        accounts.c.id,
        accounts.c.product_class,
        accounts.c.product_code,
        accounts.c.stated_balance_sequence,
        account_holders.c.customer_id,
        account_holders.c.role,
        holder_roles.c.counts,
    )
    .select_from(
        accounts.join(_keys, and_(accounts.c.source == _keys.c.source, accounts.c.source_id == _keys.c.source_id))
        .outerjoin(account_holders, account_holders.c.account_id == accounts.c.id)
        .outerjoin(holder_roles, holder_roles.c.role == account_holders.c.role)
    )
    .order_by(accounts.c.id, account_holders.c.customer_id)
)

_ROLES: Final = select(holder_roles.c.role).where(holder_roles.c.counts)


async def find_holdings(tx: Transaction, account_keys: Collection[SourceKey]) -> dict[SourceKey, Holding]:
    """The accounts that have arrived."""
    found: dict[SourceKey, Holding] = {}
    if not account_keys:
        return found
    for row in await tx.all(_FIND, arrays(("source", "source_id"), set(account_keys))):
        key = SourceKey(row["source"], row["source_id"])
        holding = found.get(key)
        if holding is None:
            holding = found[key] = Holding(
                row["id"], ProductClass(row["product_class"]), row["product_code"], row["stated_balance_sequence"]
            )
        if row["customer_id"] is not None:
            holding.holders.append(Holder(row["customer_id"], HolderRole(row["role"]), row["counts"]))
    return found


async def find_or_await_holdings(tx: Transaction, account_keys: Collection[SourceKey]) -> dict[SourceKey, Holding]:
    """The accounts that have arrived; the keys of the others are locked, so that what waits for them may be parked."""
    found = await find_holdings(tx, account_keys)
    missing = set(account_keys) - found.keys()
    if missing:
        arrived = await keys.find_or_await(tx, Kind.ACCOUNT, missing)
        found.update(await find_holdings(tx, arrived.keys()))
    return found


async def roles_that_count(tx: Transaction) -> frozenset[HolderRole]:
    """The roles that count towards balances and sums, as the bank has decided."""
    return frozenset(HolderRole(row["role"]) for row in await tx.all(_ROLES))
