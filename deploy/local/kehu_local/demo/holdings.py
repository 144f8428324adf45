"""What the demo bank's customers hold and what moves: two years of accounts, balances, movements and openings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Final

from kehu_contracts.bank import BankAccount, BankBalance, BankHolder, BankProductOpened, BankTransaction
from kehu_contracts.base import Inbound
from kehu_contracts.codes import CustomerStatus, HolderRole, PartyKind, ProductClass, TransactionKind
from kehu_local.demo.organisation import SOURCE
from kehu_local.demo.people import DAYS, DemoParty

__all__ = ["CAMPAIGN_PRODUCT", "Fact", "Holdings", "holdings", "openings"]

CAMPAIGN_PRODUCT: Final = "TD-12M"
"""The deposit that the demo bank's campaigns are for."""

_PURPOSES: Final = ("shopping", "utilities", "transport", "medical", "dining", "transfer", "education", "cash")
_EXTRAS: Final = (
    # Class, product, share of individuals, part of the means it takes.
    (ProductClass.SAVINGS, "SV-001", 0.30, 0.15),
    (ProductClass.TIME_DEPOSIT, "TD-36M", 0.25, 0.35),
    (ProductClass.WEALTH, "WM-180", 0.18, 0.30),
    (ProductClass.FUND, "FD-MIX", 0.12, 0.12),
    (ProductClass.INSURANCE, "IN-LIFE", 0.06, 0.10),
)


@dataclass(frozen=True, slots=True)
class Fact:
    """A statement of the core on a day of the played past. `key` orders it among others about the same account."""

    day: int
    statement: Inbound
    at: datetime
    sequence: int
    key: str


@dataclass(slots=True)
class Holdings:
    """The facts in the order of their days, by topic, since each topic is read at its own pace."""

    accounts: list[Fact] = field(default_factory=list)
    transactions: list[Fact] = field(default_factory=list)


def holdings(people: Sequence[DemoParty], today: date) -> Holdings:
    """Everything that the core states about accounts in two years, the same every time but for the dates."""
    random = Random("kehu-demo/holdings")  # noqa: S311  Play money.
    made = Holdings()
    start = today - timedelta(days=DAYS)
    for number, party in enumerate(people):
        partner = people[number - 1] if number and random.random() < 0.03 else None
        writer = _Writer(random, party, start, made)
        if party.status is CustomerStatus.ACTIVE:
            writer.current_account(partner)
            writer.extras()
        else:
            writer.closed_account()
    for facts in (made.accounts, made.transactions):
        facts.sort(key=lambda fact: (fact.day, fact.key, fact.sequence))
    return made


class _Writer:
    """Writes one customer's holdings."""

    def __init__(self, random: Random, party: DemoParty, start: date, made: Holdings) -> None:
        self._random = random
        self._party = party
        self._start = start
        self._made = made
        self._number = party.source_id[1:]

    def current_account(self, partner: DemoParty | None) -> None:
        """The account on which most moves, with its card and sometimes a standing order, and its movements."""
        account = f"A{self._number}"
        holders = [BankHolder(party_source_id=self._party.source_id, role=HolderRole.OWNER)]
        if partner is not None and partner.kind is self._party.kind is PartyKind.INDIVIDUAL:
            role = self._random.choice((HolderRole.JOINT_OWNER, HolderRole.DISPONENT))
            holders.append(BankHolder(party_source_id=partner.source_id, role=role))
        self._state(account, ProductClass.CURRENT, "CA-001", holders=tuple(holders))
        if self._random.random() < 0.6:
            self._state(
                f"K{self._number}", ProductClass.CARD, self._random.choice(("DC-STD", "DC-GOLD")), parent=account
            )
        if self._random.random() < 0.08:
            amount = Decimal(self._random.randrange(2, 40) * 50)
            self._state(f"O{self._number}", ProductClass.STANDING_ORDER, "SO-001", parent=account, amount=amount)
        self._move(account, Decimal(self._party.means) / 4)

    def extras(self) -> None:
        """Deposits, funds, loans: what a customer of these means is likely to have."""
        for product_class, product_code, share, part in _EXTRAS:
            likely = share * (1.6 if self._party.means >= 250_000 else 0.85)
            if self._random.random() < likely:
                account = f"{product_class[0].upper()}{product_class[1].upper()}{self._number}"
                self._state(account, product_class, product_code)
                self._balances(account, Decimal(self._party.means) * Decimal(str(part)))
        if self._random.random() < 0.1:
            amount = Decimal(self._random.randrange(5, 120) * 10_000)
            self._state(f"L{self._number}", ProductClass.LOAN, "LN-HOME", amount=amount, term_months=240)

    def closed_account(self) -> None:
        """What is left of a customer who died or went: a closed account."""
        opened = self._start - timedelta(days=900)
        self._state(f"A{self._number}", ProductClass.CURRENT, "CA-001", opened=opened, closed=self._start)

    def _state(  # noqa: PLR0913  The fields of a statement.
        self,
        account: str,
        product_class: ProductClass,
        product_code: str,
        *,
        holders: tuple[BankHolder, ...] | None = None,
        parent: str | None = None,
        amount: Decimal | None = None,
        term_months: int | None = None,
        opened: date | None = None,
        closed: date | None = None,
    ) -> None:
        day = self._party.joined
        statement = BankAccount(
            source=SOURCE,
            source_id=account,
            product_class=product_class,
            product_code=product_code,
            currency="CNY",
            holders=holders or (BankHolder(party_source_id=self._party.source_id, role=HolderRole.OWNER),),
            parent_source_id=parent,
            unit_code=self._party.unit_code,
            opened_on=opened or self._party.customer_since,
            closed_on=closed,
            amount=amount,
            term_months=term_months,
        )
        self._made.accounts.append(Fact(day, statement, self._at(day, 0), 1, account))

    def _balances(self, account: str, amount: Decimal) -> None:
        """The end-of-day balance now and then: it grows a little."""
        first = self._party.joined
        days = [first, *range((first // 180 + 1) * 180, DAYS - 5, 180)]
        for order, day in enumerate(days):
            amount = _cents(amount * Decimal(self._random.randrange(98, 107)) / 100)
            statement = BankBalance(
                source=SOURCE, source_id=account, balance=amount, currency="CNY", business_date=self._date(day)
            )
            self._made.accounts.append(Fact(day, statement, self._at(day, 16), order + 2, account))

    def _move(self, account: str, balance: Decimal) -> None:
        """Movements month by month: pay, spending, rent; the balance never falls below nothing."""
        balance = _cents(balance)
        pay = Decimal(self._random.randrange(45, 320) * 100) if self._party.employed else Decimal(0)
        is_business = self._party.kind is not PartyKind.INDIVIDUAL
        sequence = 0
        for month_day in range(self._party.joined, DAYS, 30):
            for offset, kind, amount in self._month(pay, balance, is_business=is_business):
                day = month_day + offset
                moved = balance + amount if kind is TransactionKind.CREDIT else balance - amount
                if day >= DAYS or moved < 0:
                    continue
                balance, sequence = moved, sequence + 1
                self._post(account, day, kind, amount, balance, sequence)

    def _month(
        self, pay: Decimal, balance: Decimal, *, is_business: bool
    ) -> list[tuple[int, TransactionKind, Decimal]]:
        random = self._random
        moves = []
        if pay:
            moves.append((9, TransactionKind.CREDIT, pay))
        typical = max(Decimal(80), min(balance, Decimal(60_000 if is_business else 9_000)) / 12)
        for _ in range(random.randrange(2, 6) if is_business else random.randrange(3)):
            amount = _cents(typical * Decimal(random.randrange(20, 180)) / 100)
            gains = random.random() < (0.52 if is_business or not pay else 0.2)
            moves.append((random.randrange(30), TransactionKind.CREDIT if gains else TransactionKind.DEBIT, amount))
        return sorted(moves, key=lambda move: move[0])

    def _post(  # noqa: PLR0913, PLR0917  The fields of a movement.
        self, account: str, day: int, kind: TransactionKind, amount: Decimal, balance: Decimal, sequence: int
    ) -> None:
        booked_at = self._at(day, self._random.randrange(8, 20)) + timedelta(seconds=self._random.randrange(3600))
        statement = BankTransaction(
            source=SOURCE,
            source_id=f"T{self._number}-{sequence:04}",
            account_source_id=account,
            kind=kind,
            amount=amount,
            currency="CNY",
            balance_after=balance,
            business_date=self._date(day),
            booked_at=booked_at,
            position=sequence,
            purpose_code="salary"
            if kind is TransactionKind.CREDIT and amount >= 4_500
            else self._random.choice(_PURPOSES),
        )
        self._made.transactions.append(Fact(day, statement, booked_at, 1, account))

    def _date(self, day: int) -> date:
        return self._start + timedelta(days=day)

    def _at(self, day: int, hour: int) -> datetime:
        return _instant(self._date(day), hour)


def openings(people: Sequence[DemoParty], today: date) -> Iterator[Fact]:
    """New deposits of the product that the campaigns are for, with the account of each: some come of a campaign."""
    random = Random("kehu-demo/openings")  # noqa: S311  Play money.
    buyers = [party for party in people if party.status is CustomerStatus.ACTIVE and party.means >= 60_000]
    for number, party in enumerate(random.sample(buyers, 260)):
        day = random.randrange(DAYS - 70, DAYS - 1)
        account, on = f"N{party.source_id[1:]}", today - timedelta(days=DAYS - day)
        amount = Decimal(random.randrange(2, 40) * 10_000)
        at = _instant(on, 10) + timedelta(minutes=number)
        yield Fact(
            day,
            BankAccount(
                source=SOURCE,
                source_id=account,
                product_class=ProductClass.TIME_DEPOSIT,
                product_code=CAMPAIGN_PRODUCT,
                currency="CNY",
                holders=(BankHolder(party_source_id=party.source_id, role=HolderRole.OWNER),),
                unit_code=party.unit_code,
                opened_on=on,
                amount=amount,
                term_months=12,
            ),
            at,
            1,
            account,
        )
        yield Fact(
            day,
            BankBalance(source=SOURCE, source_id=account, balance=amount, currency="CNY", business_date=on),
            at,
            2,
            account,
        )
        yield Fact(
            day,
            BankProductOpened(
                source=SOURCE,
                source_id=f"OP-{account}",
                party_source_id=party.source_id,
                account_source_id=account,
                product_class=ProductClass.TIME_DEPOSIT,
                product_code=CAMPAIGN_PRODUCT,
                amount=amount,
                currency="CNY",
                opened_at=at,
            ),
            at,
            1,
            account,
        )


def _cents(amount: Decimal) -> Decimal:
    return amount.quantize(Decimal("0.01"))


def _instant(on: date, hour: int) -> datetime:
    # Shanghai is eight hours ahead of UTC all year.
    return datetime(on.year, on.month, on.day, tzinfo=UTC) + timedelta(hours=hour - 8)
