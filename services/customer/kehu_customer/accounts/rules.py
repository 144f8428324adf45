"""Decisions about holdings: who counts, which balance is shown, in which order movements stand. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Final, NamedTuple, TypeVar
from uuid import UUID

from kehu_contracts.codes import HolderRole

__all__ = ["Balance", "Movement", "in_minor_units", "shown_balance", "strongest_roles"]

Holder = TypeVar("Holder")

# ISO 4217: how many digits follow the point where it is not two.
_MINOR_DIGITS: Final = {"JPY": 0, "KRW": 0, "VND": 0, "CLP": 0, "ISK": 0, "XAF": 0, "XOF": 0} | {
    "BHD": 3,
    "IQD": 3,
    "JOD": 3,
    "KWD": 3,
    "LYD": 3,
    "OMR": 3,
    "TND": 3,
}

_STRENGTH: Final[dict[HolderRole, int]] = {
    HolderRole.OWNER: 0,
    HolderRole.JOINT_OWNER: 1,
    HolderRole.DISPONENT: 2,
    HolderRole.GUARANTOR: 3,
}


def strongest_roles(holders: Iterable[tuple[UUID, HolderRole]]) -> dict[UUID, HolderRole]:
    """One role for each holder: a party that is named twice holds by the stronger role."""
    roles: dict[UUID, HolderRole] = {}
    for customer_id, role in holders:
        standing = roles.get(customer_id)
        if standing is None or _STRENGTH[role] < _STRENGTH[standing]:
            roles[customer_id] = role
    return roles


class Movement(NamedTuple):
    """The place of a movement in its account: by business date, then position, then booking, then its key.

    The last two only make the order total, so that the last movement does not depend on the order of arrival.
    """

    business_date: date
    position: int
    booked_at: datetime
    source_id: str
    balance_after: Decimal


@dataclass(frozen=True, slots=True)
class Balance:
    """An amount with the business date that it belongs to and the moment at which the core said so."""

    amount: Decimal
    business_date: date
    as_of: datetime


def shown_balance(stated: Balance | None, moved: Balance | None) -> Balance | None:
    """The balance to show: the later by business date; on one date the stated end-of-day balance holds."""
    if stated is None or moved is None:
        return stated or moved
    return moved if moved.business_date > stated.business_date else stated


def in_minor_units(amount: Decimal, currency: str) -> Decimal:
    """The amount with as many digits after the point as its currency has; more of them stay when they are not zero."""
    written = round(amount, _MINOR_DIGITS.get(currency, 2))
    return written if written == amount else amount.normalize()
