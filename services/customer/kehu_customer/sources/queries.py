"""What is asked about source records, in the caller's scope."""

from __future__ import annotations

import json
from typing import Any, Final

from sqlalchemy import bindparam, exists, select

from kehu_chassis.columns import Text
from kehu_chassis.database import Transaction
from kehu_chassis.scope import within_scope_subject
from kehu_customer.accounts.tables import account_holders, accounts
from kehu_customer.sources.tables import source_records

__all__ = ["records_of"]

_KEY = (bindparam("source", type_=Text), bindparam("source_id", type_=Text))

_PARTY: Final = select(source_records).where(
    source_records.c.source == _KEY[0],
    source_records.c.source_id == _KEY[1],
    within_scope_subject(source_records.c.customer_id),
)
_ACCOUNT: Final = select(accounts).where(
    accounts.c.source == _KEY[0],
    accounts.c.source_id == _KEY[1],
    exists().where(account_holders.c.account_id == accounts.c.id, within_scope_subject(account_holders.c.customer_id)),
)


async def records_of(tx: Transaction, source: str, source_id: str) -> list[dict[str, Any]]:
    """What a source calls by this key: a party, an account, both (systems number them apart) or nothing."""
    key = {"source": source, "source_id": source_id}
    found: list[dict[str, Any]] = []
    party = await tx.first(_PARTY, key)
    if party is not None:
        found.append(
            {
                **key,
                "kind": "party",
                "customer_id": party["customer_id"],
                "account_id": None,
                "source_sequence": party["source_sequence"],
                "stated_at": party["stated_at"],
                "statement": json.loads(party["body"]),
            }
        )
    account = await tx.first(_ACCOUNT, key)
    if account is not None:
        found.append(
            {
                **key,
                "kind": "account",
                "customer_id": None,
                "account_id": account["id"],
                "source_sequence": account["source_sequence"],
                "stated_at": account["stated_at"],
                "statement": None,
            }
        )
    return found
