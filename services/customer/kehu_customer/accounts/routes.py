"""HTTP: what a customer holds, and what moved on it."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Query

from kehu_chassis.http import Tx, router
from kehu_chassis.paging import CursorQuery, Page, PageRows
from kehu_chassis.problems import problems
from kehu_chassis.schemas import Day
from kehu_contracts.codes import ProductClass, TransactionKind
from kehu_customer.accounts import queries
from kehu_customer.accounts.queries import TransactionFilter
from kehu_customer.accounts.schemas import AccountOut, TransactionOut
from kehu_customer.deps import CustomerReader

__all__ = ["routes"]

routes = router("/customers", tags=["holdings"])


@routes.get("/{customer_id}/accounts", response_model=Page[AccountOut], responses=problems(404))
async def list_accounts(
    customer_id: UUID,
    _reader: CustomerReader,
    tx: Tx,
    page: CursorQuery,
    product_class: ProductClass | None = None,
    is_open: Annotated[bool | None, Query(alias="open", description="Only open, or only closed, ones")] = None,
) -> PageRows:
    """Accounts, cards, loans and standing orders of the customer, newest first, with their freshness."""
    return await queries.accounts_of(tx, customer_id, page, product_class=product_class, is_open=is_open)


@routes.get("/{customer_id}/transactions", response_model=Page[TransactionOut], responses=problems(404))
async def list_transactions(  # noqa: PLR0913, PLR0917  a route names all that it takes
    customer_id: UUID,
    _reader: CustomerReader,
    tx: Tx,
    page: CursorQuery,
    since: Annotated[Day | None, Query(alias="from", description="First business date")] = None,
    until: Annotated[Day | None, Query(alias="to", description="Last business date")] = None,
    account_id: UUID | None = None,
    kind: TransactionKind | None = None,
) -> PageRows:
    """Movements on all accounts that the customer holds, newest first."""
    wanted = TransactionFilter(since=since, until=until, account_id=account_id, kind=kind)
    return await queries.transactions_of(tx, customer_id, page, wanted)
