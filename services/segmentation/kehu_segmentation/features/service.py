"""Events become facts: each batch is written in a few statements, whatever its size, and in any order gives the same rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Final
from uuid import UUID

from kehu_chassis.database import Transaction
from kehu_chassis.scope_facts import ScopeSubject, put_subjects
from kehu_contracts.customer import CustomerState
from kehu_contracts.holding import AccountStated, BalanceStated, ProductOpened, TransactionPosted

__all__ = ["HoldingEvent", "has_new_customers", "put_customers", "put_holdings"]

HoldingEvent = AccountStated | BalanceStated | TransactionPosted | ProductOpened
Key = tuple[UUID, UUID]

_KNOWN: Final = "SELECT count(*) FROM customers WHERE customer_id = ANY ($1::uuid[])"

_PUT_CUSTOMERS: Final = """
INSERT INTO customers AS kept (customer_id, customer_number, kind, status, gender, birth_year, unit_id, survivor_id,
                               customer_since, sequence)
SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::int[], $7::uuid[], $8::uuid[],
                     $9::date[], $10::bigint[]) AS given (customer_id)
ORDER BY customer_id
ON CONFLICT (customer_id) DO UPDATE
SET kind = EXCLUDED.kind, status = EXCLUDED.status, gender = EXCLUDED.gender, birth_year = EXCLUDED.birth_year,
    unit_id = EXCLUDED.unit_id, survivor_id = EXCLUDED.survivor_id, customer_since = EXCLUDED.customer_since,
    sequence = EXCLUDED.sequence
WHERE kept.sequence < EXCLUDED.sequence
RETURNING kept.customer_id, OLD.survivor_id AS survivor_before
"""

_PUT_HOLDINGS: Final = """
INSERT INTO holdings AS kept (customer_id, account_id, holder_role, counts, product_class, product_code, currency,
                              opened_on, closed_on, sequence)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::bool[], $5::text[], $6::text[], $7::text[], $8::date[],
                     $9::date[], $10::bigint[]) AS given (customer_id, account_id)
ORDER BY customer_id, account_id
ON CONFLICT (customer_id, account_id) DO UPDATE
SET holder_role = EXCLUDED.holder_role, counts = EXCLUDED.counts, product_class = EXCLUDED.product_class,
    product_code = EXCLUDED.product_code, currency = EXCLUDED.currency, opened_on = EXCLUDED.opened_on,
    closed_on = EXCLUDED.closed_on, sequence = EXCLUDED.sequence
WHERE kept.sequence < EXCLUDED.sequence
"""

_PUT_DAYS: Final = """
INSERT INTO account_days AS kept (customer_id, account_id, business_date, currency, stated, stated_sequence, moved,
                                  moved_position, moved_at, moved_sequence, moved_highest, moved_lowest)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::date[], $4::text[], $5::numeric[], $6::bigint[], $7::numeric[],
                     $8::int[], $9::timestamptz[], $10::bigint[], $11::numeric[], $12::numeric[])
              AS given (customer_id, account_id, business_date)
ORDER BY customer_id, account_id, business_date
ON CONFLICT (customer_id, account_id, business_date) DO UPDATE
SET (stated, stated_sequence) = (
        SELECT * FROM (VALUES (kept.stated, kept.stated_sequence), (EXCLUDED.stated, EXCLUDED.stated_sequence))
                      AS found (balance, sequence)
        ORDER BY sequence DESC NULLS LAST LIMIT 1),
    (moved, moved_position, moved_at, moved_sequence) = (
        SELECT * FROM (VALUES (kept.moved, kept.moved_position, kept.moved_at, kept.moved_sequence),
                              (EXCLUDED.moved, EXCLUDED.moved_position, EXCLUDED.moved_at, EXCLUDED.moved_sequence))
                      AS found (balance, place, at, sequence)
        ORDER BY place DESC NULLS LAST, at DESC NULLS LAST, sequence DESC NULLS LAST LIMIT 1),
    moved_highest = greatest(kept.moved_highest, EXCLUDED.moved_highest),
    moved_lowest = least(kept.moved_lowest, EXCLUDED.moved_lowest)
"""

_PUT_TRANSACTIONS: Final = """
INSERT INTO posted (customer_id, business_date, transaction_id, account_id, kind, amount, currency, booked_at)
SELECT * FROM unnest($1::uuid[], $2::date[], $3::uuid[], $4::uuid[], $5::text[], $6::numeric[], $7::text[],
                     $8::timestamptz[])
ON CONFLICT DO NOTHING
"""


async def has_new_customers(tx: Transaction, states: Sequence[CustomerState]) -> bool:
    """Whether there is a customer among these whom nobody here has heard of yet."""
    customer_ids = {state.customer_id for state in states}
    known: int = await tx.connection.fetchval(_KNOWN, list(customer_ids))
    return known < len(customer_ids)


async def put_customers(tx: Transaction, states: Sequence[tuple[int, CustomerState]]) -> set[UUID]:
    """Keep the latest state of each customer, given with its sequence.

    Returns the customers whose verdicts may have changed: those that are new or changed, and whomever they were or now
    are merged into.
    """
    latest: dict[UUID, tuple[int, CustomerState]] = {}
    for sequence, state in states:
        if state.customer_id not in latest or latest[state.customer_id][0] < sequence:
            latest[state.customer_id] = (sequence, state)
    rows = [
        (
            state.customer_id,
            state.customer_number,
            state.kind.value,
            state.status.value,
            state.gender.value,
            state.birth_year,
            state.unit_id,
            state.survivor_id,
            state.customer_since,
            sequence,
        )
        for sequence, state in latest.values()
    ]
    written = await tx.connection.fetch(_PUT_CUSTOMERS, *_columns(rows))
    before = {row["customer_id"]: row["survivor_before"] for row in written}
    changed = [state for _, state in latest.values() if state.customer_id in before]
    await put_subjects(
        tx, (ScopeSubject(it.customer_id, it.survivor_id, it.unit_id, it.primary_rm_id) for it in changed)
    )
    touched = before.keys() | {state.survivor_id for state in changed}
    return touched | {survivor for survivor in before.values() if survivor is not None}


async def put_holdings(tx: Transaction, events: Sequence[tuple[int, HoldingEvent]]) -> None:
    """Add what a batch of `kehu.holding.v1` says, each event with its sequence."""
    holdings: dict[Key, tuple[int, HoldingEvent]] = {}
    days: dict[tuple[UUID, UUID, date], _Day] = {}
    movements: list[TransactionPosted] = []
    for sequence, event in events:
        key = (event.customer_id, event.account_id)
        if isinstance(event, AccountStated):
            if key not in holdings or holdings[key][0] < sequence:
                holdings[key] = (sequence, event)
            continue
        # A fact may be read before its account is stated; what it says of the account then holds until that comes.
        holdings.setdefault(key, (0, event))
        if isinstance(event, BalanceStated):
            days.setdefault((*key, event.business_date), _Day(event.currency)).state(event)
        elif isinstance(event, TransactionPosted):
            movements.append(event)
            if event.balance_after is not None:
                days.setdefault((*key, event.business_date), _Day(event.currency)).move(event, event.balance_after)
    await _put_accounts(tx, holdings)
    if days:
        await tx.connection.execute(_PUT_DAYS, *_columns([(*key, *found.row()) for key, found in days.items()]))
    if movements:
        await _put_movements(tx, movements)


@dataclass(slots=True)
class _Day:
    """What a batch says about one account on one business date."""

    currency: str
    stated: tuple[int, Decimal] | None = None
    moved: tuple[int, datetime, int, Decimal] | None = None
    after_movements: list[Decimal] = field(default_factory=list)

    def state(self, event: BalanceStated) -> None:
        if self.stated is None or self.stated[0] < event.source_sequence:
            self.stated = (event.source_sequence, event.balance)

    def move(self, event: TransactionPosted, balance: Decimal) -> None:
        place = (event.position, event.booked_at, event.source_sequence, balance)
        self.after_movements.append(balance)
        if self.moved is None or self.moved[:3] < place[:3]:
            self.moved = place

    def row(self) -> tuple[object, ...]:
        sequence, stated = self.stated or (None, None)
        position, at, moved_sequence, moved = self.moved or (None, None, None, None)
        highest, lowest = max(self.after_movements, default=None), min(self.after_movements, default=None)
        return (self.currency, stated, sequence, moved, position, at, moved_sequence, highest, lowest)


async def _put_accounts(tx: Transaction, holdings: Mapping[Key, tuple[int, HoldingEvent]]) -> None:
    rows = [
        (
            *key,
            event.holder_role.value,
            event.counts,
            event.product_class.value,
            event.product_code,
            event.currency if isinstance(event, AccountStated) else None,
            event.opened_on if isinstance(event, AccountStated) else None,
            event.closed_on if isinstance(event, AccountStated) else None,
            sequence,
        )
        for key, (sequence, event) in holdings.items()
    ]
    await tx.connection.execute(_PUT_HOLDINGS, *_columns(rows))


async def _put_movements(tx: Transaction, movements: Sequence[TransactionPosted]) -> None:
    rows = [
        (
            event.customer_id,
            event.business_date,
            event.transaction_id,
            event.account_id,
            event.kind.value,
            event.amount,
            event.currency,
            event.booked_at,
        )
        for event in movements
    ]
    await tx.connection.execute(_PUT_TRANSACTIONS, *_columns(rows))


def _columns(rows: Iterable[tuple[object, ...]]) -> list[list[object]]:
    return [list(column) for column in zip(*rows, strict=True)]
