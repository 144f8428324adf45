"""What a core banking system would state of the Berka bank, fact by fact, parents before children.

Keys of the source `berka` name the kind of thing: `client-1`, `account-576`, `card-1005`, `loan-5314`, `order-29401`,
`transaction-6145`; units are `BERKA` (the head office) and `BERKA-1` to `BERKA-77` (the districts).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from itertools import groupby
from typing import Final
from zoneinfo import ZoneInfo

from kehu_contracts.bank import (
    BankAccount,
    BankHolder,
    BankParty,
    BankStaff,
    BankTransaction,
    BankUnit,
    PartyIdentity,
)
from kehu_contracts.base import Inbound
from kehu_contracts.codes import Gender, HolderRole, PartyKind, ProductClass, TransactionKind, UnitKind
from kehu_local.demo.organisation import STAFF, staff_id
from kehu_local.importers.berka.files import BerkaFiles
from kehu_local.importers.berka.rows import AccountRow, DispositionRow, TransactionRow
from kehu_local.importers.berka.rules import within_days

__all__ = ["HEAD_OFFICE", "SOURCE", "Fact", "Order", "order_transactions", "state_bank"]

SOURCE: Final = "berka"
HEAD_OFFICE: Final = "BERKA"
CURRENCY: Final = "CZK"
ZONE: Final = ZoneInfo("Asia/Shanghai")
FOUNDED: Final = date(1993, 1, 1)

_FREQUENCIES: Final = {
    "POPLATEK MESICNE": "statement-monthly",
    "POPLATEK TYDNE": "statement-weekly",
    "POPLATEK PO OBRATU": "statement-per-transaction",
}
_ORDERS: Final = {"SIPO": "household", "UVER": "loan-payment", "POJISTNE": "insurance", "LEASING": "leasing"}

# Where the demo log-ins work in this bank: the managers in two branches, all others at its head office. Staff that the
# demo bank has placed already stay where they are.
_LOGINS: Final = ("rm", "rm2", "handler", "marketer", "marketer2", "compliance", "head", "operator", "auditor")
_DESKS: Final = {staff_id("rm"): 1, staff_id("rm2"): 2}

Seal = Callable[[PartyIdentity], str]


@dataclass(frozen=True, slots=True)
class Fact:
    """A statement, when it was made, and under which key it is ordered among others."""

    statement: Inbound
    at: datetime
    key: str | None = None


def noon(day: date) -> datetime:
    """The files know days only: their facts happen at noon of the bank."""
    return datetime.combine(day, time(12), ZONE)


def state_bank(files: BerkaFiles, order: Order, seal: Seal) -> Iterator[Fact]:
    """Everything that the bank states; `seal` encrypts who a client is."""
    yield from _organisation(files)
    accounts = {row.account_id: row for row in files.accounts}
    owners = {row.account_id: row for row in files.dispositions if row.type == "OWNER"}
    yield from _parties(files, accounts, seal)
    yield from _accounts(files)
    yield from _cards(files, accounts)
    yield from _loans(files, accounts, owners)
    yield from _orders(files, accounts, owners)
    yield from _transactions(order)


def _unit_code(district_id: int) -> str:
    return f"{HEAD_OFFICE}-{district_id}"


def _organisation(files: BerkaFiles) -> Iterator[Fact]:
    at = noon(FOUNDED)
    head = BankUnit(source=SOURCE, source_id=HEAD_OFFICE, name="Berka, head office", kind=UnitKind.HEAD_OFFICE)
    yield Fact(head, at)
    for row in files.districts:
        unit = BankUnit(
            source=SOURCE,
            source_id=_unit_code(row.district_id),
            name=f"{row.name} ({row.region})",
            kind=UnitKind.BRANCH,
            parent_code=HEAD_OFFICE,
        )
        yield Fact(unit, at)
    districts = {_unit_code(row.district_id) for row in files.districts}
    logins = {staff_id(user) for user in _LOGINS}
    for member in STAFF:
        if member.staff_id in logins:
            desk = _unit_code(_DESKS.get(member.staff_id, 0))
            values = {"source": SOURCE, "unit_code": desk if desk in districts else HEAD_OFFICE}
            yield Fact(BankStaff.model_validate(member.model_dump() | values), at)


def _parties(files: BerkaFiles, accounts: dict[int, AccountRow], seal: Seal) -> Iterator[Fact]:
    since: dict[int, date] = {}
    for disposition in files.dispositions:
        opened = accounts[disposition.account_id].date
        since[disposition.client_id] = min(opened, since.get(disposition.client_id, opened))
    for row in files.clients:
        born, sex = row.birth_number
        begin = since.get(row.client_id, FOUNDED)
        party = BankParty(
            source=SOURCE,
            source_id=f"client-{row.client_id}",
            kind=PartyKind.INDIVIDUAL,
            gender=Gender(sex),
            nationality="CZ",
            customer_since=begin,
            unit_code=_unit_code(row.district_id),
            # The files name nobody: the number stands for the name.
            identity=seal(PartyIdentity(name=f"Client {row.client_id}", birth_date=born)),
        )
        yield Fact(party, noon(begin))


def _holder(row: DispositionRow) -> BankHolder:
    role = HolderRole.OWNER if row.type == "OWNER" else HolderRole.DISPONENT
    return BankHolder(party_source_id=f"client-{row.client_id}", role=role)


def _accounts(files: BerkaFiles) -> Iterator[Fact]:
    holders: defaultdict[int, list[BankHolder]] = defaultdict(list)
    for disposition in files.dispositions:
        holders[disposition.account_id].append(_holder(disposition))
    for row in files.accounts:
        account = BankAccount(
            source=SOURCE,
            source_id=f"account-{row.account_id}",
            product_class=ProductClass.CURRENT,
            product_code=_FREQUENCIES[row.frequency],
            currency=CURRENCY,
            holders=tuple(holders[row.account_id]),
            unit_code=_unit_code(row.district_id),
            opened_on=row.date,
        )
        yield Fact(account, noon(row.date))


def _cards(files: BerkaFiles, accounts: dict[int, AccountRow]) -> Iterator[Fact]:
    dispositions = {row.disp_id: row for row in files.dispositions}
    for row in files.cards:
        disposition = dispositions[row.disp_id]
        card = BankAccount(
            source=SOURCE,
            source_id=f"card-{row.card_id}",
            product_class=ProductClass.CARD,
            product_code=row.type,
            currency=CURRENCY,
            holders=(_holder(disposition),),
            parent_source_id=f"account-{disposition.account_id}",
            unit_code=_unit_code(accounts[disposition.account_id].district_id),
            opened_on=row.issued,
        )
        yield Fact(card, noon(row.issued))


def _loans(files: BerkaFiles, accounts: dict[int, AccountRow], owners: dict[int, DispositionRow]) -> Iterator[Fact]:
    for row in files.loans:
        loan = BankAccount(
            source=SOURCE,
            source_id=f"loan-{row.loan_id}",
            product_class=ProductClass.LOAN,
            product_code="loan",
            currency=CURRENCY,
            holders=(_holder(owners[row.account_id]),),
            parent_source_id=f"account-{row.account_id}",
            unit_code=_unit_code(accounts[row.account_id].district_id),
            opened_on=row.date,
            amount=row.amount,
            term_months=row.duration,
            status_code=row.status,
        )
        yield Fact(loan, noon(row.date))


def _orders(files: BerkaFiles, accounts: dict[int, AccountRow], owners: dict[int, DispositionRow]) -> Iterator[Fact]:
    for row in files.orders:
        account = accounts[row.account_id]
        order = BankAccount(
            source=SOURCE,
            source_id=f"order-{row.order_id}",
            product_class=ProductClass.STANDING_ORDER,
            product_code=_ORDERS.get(row.k_symbol or "", "other"),
            currency=CURRENCY,
            holders=(_holder(owners[row.account_id]),),
            parent_source_id=f"account-{row.account_id}",
            unit_code=_unit_code(account.district_id),
            # An order has no date of its own; it cannot be older than its account.
            opened_on=account.date,
            amount=row.amount,
        )
        yield Fact(order, noon(account.date))


def _transactions(order: Order) -> Iterator[Fact]:
    for row, position in order.placed:
        movement = BankTransaction(
            source=SOURCE,
            source_id=f"transaction-{row.trans_id}",
            account_source_id=f"account-{row.account_id}",
            kind=TransactionKind.CREDIT if row.type == "credit" else TransactionKind.DEBIT,
            amount=row.amount,
            currency=CURRENCY,
            balance_after=row.balance,
            business_date=row.date,
            booked_at=noon(row.date) + timedelta(seconds=position),
            position=position,
            purpose_code=row.k_symbol or row.operation,
            counterparty_bank=row.bank,
        )
        yield Fact(movement, movement.booked_at, key=movement.account_source_id)


@dataclass(frozen=True, slots=True)
class Order:
    """All movements by date, each with its place in its account's day; and the days that no order could mend."""

    placed: list[tuple[TransactionRow, int]]
    broken_days: int


def order_transactions(files: BerkaFiles) -> Order:
    """Put the movements of each account's day into an order in which their balances chain."""
    placed: list[tuple[TransactionRow, int]] = []
    broken_days = 0
    ordered = sorted(files.transactions, key=lambda row: (row.account_id, row.date, row.line))
    for _, of_account in groupby(ordered, key=lambda row: row.account_id):
        days = [list(of_day) for _, of_day in groupby(of_account, key=lambda row: row.date)]
        movements, broken = within_days(days, change=_change, balance=lambda row: row.balance)
        broken_days += broken
        for _, of_day in groupby(movements, key=lambda row: row.date):
            placed += [(row, position) for position, row in enumerate(of_day)]
    placed.sort(key=lambda each: (each[0].date, each[0].account_id, each[1]))
    return Order(placed, broken_days)


def _change(row: TransactionRow) -> Decimal:
    return row.amount if row.type == "credit" else -row.amount
