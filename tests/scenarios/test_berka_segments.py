"""The Berka bank through the whole suite: features and members agree with DuckDB, and members leave as time passes."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest

# One suite serves all scenarios: they run in one test process, in their order.
pytestmark = pytest.mark.xdist_group("berka")

SHANGHAI = ZoneInfo("Asia/Shanghai")
NEW_YEAR = date(1999, 1, 1)
GOLD_OR_RICH = {
    "type": "or",
    "rules": [
        {"type": "product", "where": {"product_class": ["card"], "product_code": ["gold"]}},
        {"type": "balance", "aggregate": "any", "days": 90, "operator": ">=", "value": "100000"},
    ],
}


def _features(suite: Any, number: int) -> tuple[Any, ...]:
    found = suite.get("auditor", f"/api/v1/customers/{suite.customer(f'client-{number}')}/features")
    assert found["business_date"] == NEW_YEAR.isoformat()
    windows = []
    for window in found["windows"]:
        (moved,) = window["amounts"] or ({"credit_amount": "0", "debit_amount": "0"},)
        amounts = (Decimal(moved["credit_amount"]), Decimal(moved["debit_amount"]))
        windows.append((window["days"], window["transaction_count"], *amounts))
    balances = [(held["product_class"], Decimal(held["balance"])) for held in found["balances"]]
    products = {held["product_class"]: held["open_count"] for held in found["products"]}
    products.pop("standing_order", None)
    return (windows, found["last_transaction_on"], balances, products, found["tenure_days"])


def _expected(features: Any) -> tuple[Any, ...]:
    windows = [(days, it.count, it.credit, it.debit) for days, it in features.windows.items()]
    products = {"current": 1, "card": features.cards, "loan": features.loans_granted}
    return (
        windows,
        features.last_movement.isoformat(),
        [("current", features.balance)],
        {product: count for product, count in products.items() if count},
        features.tenure_days,
    )


def test_features_and_members_agree_with_duckdb_and_members_leave_as_the_window_passes(suite: Any, berka: Any) -> None:
    """One test, since its parts follow each other in the suite's time."""
    _compare_features(suite, berka)
    segment_id = _publish(suite)
    _compare_members(suite, berka, segment_id, NEW_YEAR)
    for number in berka.gold_or_rich(NEW_YEAR):
        _compare_explanation(suite, berka, segment_id, number)
    suite.kehu("clock", "advance", "91d")
    later = NEW_YEAR + timedelta(days=91)
    assert berka.gold_or_rich(NEW_YEAR) > berka.gold_or_rich(later)
    _compare_members(suite, berka, segment_id, later)
    # Everybody left on the midnight on which the window had passed, whenever the timers came to it.
    for ahead in range(1, 91):
        day = NEW_YEAR + timedelta(days=ahead)
        midnight = datetime(day.year, day.month, day.day, tzinfo=SHANGHAI)
        members = suite.every("auditor", f"/api/v1/segments/{segment_id}/members", as_of=midnight.isoformat())
        assert {row["customer_id"] for row in members} == _ids(suite, berka.gold_or_rich(day)), day


def _ids(suite: Any, numbers: set[int]) -> set[str]:
    return {suite.customer(f"client-{number}") for number in numbers}


def _compare_features(suite: Any, berka: Any) -> None:
    expected = berka.features(NEW_YEAR)
    assert len(expected) == 354
    for number, features in expected.items():
        wanted = _expected(features)
        # The import waits for the customer service; what follows from it arrives a moment later.
        suite.eventually(lambda: _features(suite, number) == wanted, f"features of client {number}: {wanted}")  # noqa: B023  called at once
    (disponent,) = berka.rows(
        "SELECT min(client_id) FROM disp WHERE type = 'DISPONENT' AND account_id IN (SELECT account_id FROM movement)"
    )[0]
    found = suite.get("auditor", f"/api/v1/customers/{suite.customer(f'client-{disponent}')}/features")
    assert (found["balances"], found["last_transaction_on"]) == ([], None)


def _publish(suite: Any) -> str:
    author = suite.user("marketer")
    body = {"code": f"gold-or-rich-{uuid4().hex[:8]}", "name": "Gold or rich", "rule": GOLD_OR_RICH}
    created = author.post("/api/v1/segments", json=body)
    assert created.status_code == 201, created.text
    segment_id: str = created.json()["segment_id"]
    published = author.post(f"/api/v1/segments/{segment_id}/publications")
    assert published.status_code == 202, published.text
    version = f"/api/v1/segments/{segment_id}/publications/{published.json()['rule_version']}"
    suite.eventually(lambda: bool(suite.get("auditor", version)["state"] == "in_force"), "the rule in force")
    return segment_id


def _compare_members(suite: Any, berka: Any, segment_id: str, day: date) -> None:
    expected = _ids(suite, berka.gold_or_rich(day))

    def agree() -> bool:
        members = suite.every("auditor", f"/api/v1/segments/{segment_id}/members")
        return {row["customer_id"] for row in members} == expected

    suite.eventually(agree, f"the members of {day}", within=60)


def _compare_explanation(suite: Any, berka: Any, segment_id: str, number: int) -> None:
    """It names the value that DuckDB finds, and the threshold."""
    path = f"/api/v1/segments/{segment_id}/explanations/{suite.customer(f'client-{number}')}"
    card, balance = suite.get("auditor", path)["leaves"]
    assert (card["threshold"], balance["threshold"]) == ([1], ["100000"])
    highest = berka.highest_balance(number, NEW_YEAR)
    assert balance["value"] == (None if highest is None else f"{highest:.4f}".rstrip("0").rstrip("."))
    assert (card["verdict"], balance["verdict"]) == (card["value"] >= 1, highest is not None and highest >= 100_000)
    assert card["verdict"] or balance["verdict"]
