"""A customer's attributes, some of them sealed, between drafts and rows."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from sqlalchemy import update

from kehu_chassis.database import Transaction
from kehu_contracts.codes import CustomerStatus, Gender
from kehu_customer.deeds import Deed
from kehu_customer.parties.sealing import BIRTH_DATE, EMPLOYER
from kehu_customer.parties.tables import customers
from kehu_customer.vault import Vault

__all__ = ["standing_attributes", "write_attributes"]


def standing_attributes(vault: Vault, row: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes of a row as a draft has them."""
    key = vault.key_of(row)
    birth_date = vault.open_optional(key, row["birth_date_sealed"], BIRTH_DATE, row["id"])
    return {
        "status": CustomerStatus(row["status"]),
        "gender": Gender(row["gender"]),
        "birth_date": date.fromisoformat(birth_date) if birth_date else None,
        "nationality": row["nationality"],
        "industry": row["industry"],
        "occupation": row["occupation"],
        "language": row["language"],
        "employer": vault.open_optional(key, row["employer_sealed"], EMPLOYER, row["id"]),
    }


async def write_attributes(tx: Transaction, deed: Deed, row: Mapping[str, Any], values: Mapping[str, Any]) -> None:
    """Write attributes of a locked customer; telling it is the caller's."""
    columns = {name: value for name, value in values.items() if name not in {"birth_date", "employer"}}
    key = deed.vault.key_of(row)
    if "birth_date" in values:
        birth_date: date | None = values["birth_date"]
        written = birth_date.isoformat() if birth_date else None
        columns["birth_year"] = birth_date.year if birth_date else None
        columns["birth_date_sealed"] = deed.vault.seal_optional(key, written, BIRTH_DATE, row["id"])
    if "employer" in values:
        columns["employer_sealed"] = deed.vault.seal_optional(key, values["employer"], EMPLOYER, row["id"])
    await tx.execute(update(customers).where(customers.c.id == row["id"]).values(columns))
