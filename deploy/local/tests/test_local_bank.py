"""What the bank's door says of a statement."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import NAMESPACE_URL, uuid5

from kehu_contracts.bank import BankBalance
from kehu_local.bank import as_message

AT = datetime(2026, 3, 2, 10, tzinfo=UTC)


def test_the_same_statement_is_the_same_event_and_the_next_one_another() -> None:
    balance = BankBalance(
        source="core", source_id="A1", balance=Decimal("12.50"), currency="CNY", business_date=date(2026, 3, 1)
    )
    first, again, second = (as_message(balance, at=AT, sequence=sequence) for sequence in (1, 1, 2))
    named = uuid5(NAMESPACE_URL, f"urn:bank:core/{balance.event_type}/A1/1")
    assert dict(first.headers)["ce_id"].decode() == str(named)
    assert first == again
    assert dict(second.headers)["ce_id"] != dict(first.headers)["ce_id"]
