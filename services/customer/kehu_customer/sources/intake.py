"""The door for the bank's messages: each goes to the feature that it concerns, parents before children.

What arrives sets free what waited for it, and that is applied in the same transaction, until nothing more follows.
"""

from __future__ import annotations

from collections.abc import Sequence

from kehu_chassis.database import Transaction
from kehu_chassis.message import Message
from kehu_chassis.parking import release
from kehu_contracts.bank import (
    BankAccount,
    BankBalance,
    BankParty,
    BankProductOpened,
    BankStaff,
    BankTransaction,
    BankUnit,
)
from kehu_customer.accounts.balances import state_balances
from kehu_customer.accounts.openings import open_products
from kehu_customer.accounts.postings import post_transactions
from kehu_customer.accounts.service import state_accounts
from kehu_customer.organization.service import state_staff, state_units
from kehu_customer.sources.service import Intake, state_parties

__all__ = ["INBOUND", "take_in"]

INBOUND = (BankUnit, BankStaff, BankParty, BankAccount, BankBalance, BankProductOpened, BankTransaction)
"""What the bank tells, parents before children."""


async def take_in(tx: Transaction, messages: Sequence[Message], intake: Intake) -> None:
    """Apply messages of the bank's systems and whatever had been waiting for them."""
    while messages:
        arrived = await _apply(tx, messages, intake)
        messages = await release(tx, waiting_for=arrived)


async def _apply(tx: Transaction, messages: Sequence[Message], intake: Intake) -> list[str]:
    by_type: dict[str, list[Message]] = {contract.event_type: [] for contract in INBOUND}
    for message in messages:
        by_type[message.type].append(message)
    arrived: list[str] = []
    if units := by_type[BankUnit.event_type]:
        arrived += await state_units(tx, units)
    if staff := by_type[BankStaff.event_type]:
        arrived += await state_staff(tx, staff)
    if parties := by_type[BankParty.event_type]:
        arrived += await state_parties(tx, parties, intake)
    if accounts := by_type[BankAccount.event_type]:
        arrived += await state_accounts(tx, accounts)
    if balances := by_type[BankBalance.event_type]:
        await state_balances(tx, balances)
    if openings := by_type[BankProductOpened.event_type]:
        await open_products(tx, openings)
    if postings := by_type[BankTransaction.event_type]:
        await post_transactions(tx, postings)
    return arrived
