"""Monthly partitions of `transactions`, made when a month is first written to.

The worker's role may not create tables. It calls a function of the owner's, which makes a partition aside and attaches
it, without blocking readers or writers of the others; for months that stand already it only looks them up.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Final

from sqlalchemy import ARRAY, Date, bindparam, func, select

from kehu_chassis.database import Transaction

__all__ = ["ensure_months"]

_ENSURE: Final = select(func.ensure_transaction_months(bindparam("months", type_=ARRAY(Date))))


async def ensure_months(tx: Transaction, dates: Iterable[date]) -> None:
    """See that a partition stands for the month of each date. Call it before any row is locked."""
    months = sorted({(day.year, day.month) for day in dates})
    await tx.scalar(_ENSURE, {"months": [date(year, month, 1) for year, month in months]})
