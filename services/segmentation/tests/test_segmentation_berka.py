"""A real bank's data: features and members agree with an independent computation by DuckDB, day by day."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

import httpx
import pytest

from kehu_chassis.clock import FixedClock
from kehu_contracts.access import Role
from kehu_contracts.base import Contract
from kehu_contracts.codes import HolderRole, ProductClass, TransactionKind
from kehu_contracts.holding import AccountStated
from kehu_segmentation.business_days import SHANGHAI, start_of_day

ROOT = Path(__file__).parents[3]
FILES = ROOT.parent / "shared" / "data" / "berka"

pytestmark = pytest.mark.skipif(not FILES.exists(), reason="needs ../shared/data/berka, which is not here")

NEW_YEAR = date(1999, 1, 1)
GOLD_OR_RICH = {
    "type": "or",
    "rules": [
        {"type": "product", "where": {"product_class": ["card"], "product_code": ["gold"]}},
        {"type": "balance", "aggregate": "any", "days": 90, "operator": ">=", "value": "100000"},
    ],
}


def _reference() -> ModuleType:
    spec = importlib.util.spec_from_file_location("berka_reference", ROOT / "tests/scenarios/berka_reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["berka_reference"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def berka() -> Iterator[Any]:
    opened = _reference().Berka(FILES)
    yield opened
    opened.close()


def _id(kind: str, number: int) -> UUID:
    return uuid5(NAMESPACE_URL, f"berka/{kind}/{number}")


class _Player:
    """Tells the files as the customer service would: one fact per holder, disponents without counting."""

    def __init__(self, bank: Any, berka: Any) -> None:
        self._bank = bank
        self._berka = berka
        self._accounts: dict[int, list[AccountStated]] = {}

    def customers(self) -> Iterator[Contract]:
        for client, opened in self._berka.rows("SELECT client_id, opened FROM disp JOIN account USING (account_id)"):
            yield self._bank.customer(_id("client", client), customer_since=opened)

    def holdings(self) -> Iterator[Contract]:
        for account, client, role, opened in self._berka.rows(
            "SELECT account_id, client_id, disp.type, opened FROM disp JOIN account USING (account_id)"
        ):
            owns = role == "OWNER"
            held = self._bank.account(
                _id("client", client),
                _id("account", account),
                holder_role=HolderRole.OWNER if owns else HolderRole.DISPONENT,
                counts=owns,
                product_class=ProductClass.CURRENT,
                currency="CZK",
                opened_on=opened,
            )
            self._accounts.setdefault(account, []).append(held)
            yield held
        for card, client, kind, issued in self._berka.rows(
            "SELECT card_id, client_id, card.type, issued FROM card JOIN disp USING (disp_id)"
        ):
            yield self._bank.account(
                _id("client", client),
                _id("card", card),
                product_class=ProductClass.CARD,
                product_code=kind,
                currency="CZK",
                opened_on=issued,
            )

    def movements(self, since: date) -> Iterator[Contract]:
        rows = self._berka.rows(
            "SELECT m.trans_id, m.account_id, m.day, m.kind, m.amount, m.balance, m.balance = c.closing"
            " FROM movement AS m JOIN closing AS c USING (account_id, day) WHERE m.day >= $1 ORDER BY m.day, m.trans_id",
            since,
        )
        for number, account, day, kind, amount, balance, last in rows:
            for held in self._accounts[account]:
                yield self._bank.movement(
                    held,
                    day,
                    amount,
                    transaction_id=_id("trans", number),
                    kind=TransactionKind(kind),
                    balance_after=balance,
                    position=int(last),
                )


async def _play(bank: Any, berka: Any, clock: FixedClock, at: datetime, *, since: date = date.min) -> None:
    clock.set(at)
    player = _Player(bank, berka)
    for part in (player.customers(), player.holdings(), player.movements(since)):
        batch: list[Contract] = []
        for event in part:
            batch.append(event)
            if len(batch) == 2000:
                await bank.tell(*batch)
                batch.clear()
        if batch:
            await bank.tell(*batch)


def _morning(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 9, tzinfo=SHANGHAI)


async def test_features_members_and_explanations_agree_with_duckdb(
    bank: Any, berka: Any, clock: FixedClock, publish: Any, members: Any, app_client: Any
) -> None:
    await _play(bank, berka, clock, _morning(NEW_YEAR))
    client = await app_client(Role.AUDITOR)
    await _compare_features(client, berka)
    await _compare_disponents(client, berka)
    segment_id = await publish(GOLD_OR_RICH)
    expected = berka.gold_or_rich(NEW_YEAR)
    assert set(await members(segment_id)) == {_id("client", number) for number in expected}
    for number in expected:
        await _compare_explanation(client, berka, segment_id, number)


async def _compare_features(client: httpx.AsyncClient, berka: Any) -> None:
    expected = berka.features(NEW_YEAR)
    assert len(expected) == 354
    for number, features in expected.items():
        found = (await client.get(f"/api/v1/customers/{_id('client', number)}/features")).json()
        windows = {}
        for window in found["windows"]:
            (moved,) = window["amounts"] or ({"credit_amount": "0", "debit_amount": "0"},)
            amounts = (Decimal(moved["credit_amount"]), Decimal(moved["debit_amount"]))
            windows[window["days"]] = (window["transaction_count"], *amounts)
        assert windows == {days: (it.count, it.credit, it.debit) for days, it in features.windows.items()}, number
        assert found["last_transaction_on"] == features.last_movement.isoformat(), number
        balances = {held["product_class"]: Decimal(held["balance"]) for held in found["balances"]}
        assert balances == {"current": features.balance}, number
        products = {held["product_class"]: held["open_count"] for held in found["products"]}
        assert products == {"current": 1} | ({"card": features.cards} if features.cards else {}), number
        assert found["tenure_days"] == features.tenure_days, number


async def _compare_disponents(client: httpx.AsyncClient, berka: Any) -> None:
    """Who may only dispose of an account has none of it."""
    disponents = berka.rows(
        "SELECT client_id FROM disp WHERE type = 'DISPONENT' AND account_id IN (SELECT account_id FROM movement)"
    )
    assert len(disponents) > 0
    for (number,) in disponents:
        found = (await client.get(f"/api/v1/customers/{_id('client', number)}/features")).json()
        assert (found["product_count"], found["balances"], found["last_transaction_on"]) == (0, [], None)


async def _compare_explanation(client: httpx.AsyncClient, berka: Any, segment_id: str, number: int) -> None:
    """It names the value that DuckDB finds, and the threshold."""
    path = f"/api/v1/segments/{segment_id}/explanations/{_id('client', number)}"
    card, balance = (await client.get(path)).json()["leaves"]
    assert (balance["threshold"], card["threshold"]) == (["100000"], [1])
    highest = berka.highest_balance(number, NEW_YEAR)
    assert balance["value"] == (None if highest is None else f"{highest:.4f}".rstrip("0").rstrip("."))
    assert balance["verdict"] is (highest is not None and highest >= 100_000)
    assert card["verdict"] is (card["value"] >= 1)
    assert True in {card["verdict"], balance["verdict"]}


async def test_gold_or_rich_has_duckdbs_members_on_every_day_that_the_clock_passes(
    bank: Any, berka: Any, clock: FixedClock, publish: Any, members: Any, fire_timers: Any
) -> None:
    """All is told on the first day: what the files date later comes into force when its day begins."""
    first, last = date(1998, 11, 1), date(1999, 3, 31)
    await _play(bank, berka, clock, _morning(first), since=first - timedelta(days=90))
    segment_id = await publish(GOLD_OR_RICH)
    clock.set(_morning(last))
    await fire_timers()
    seen = set()
    for ahead in range(1, (last - first).days + 1):
        day = first + timedelta(days=ahead)
        expected = {_id("client", number) for number in berka.gold_or_rich(day)}
        assert set(await members(segment_id, start_of_day(day))) == expected, day
        seen.add(frozenset(expected))
    assert len(seen) > 10
    # The window has emptied: only the cards are left.
    gold = berka.rows("SELECT count(*) FROM card WHERE type = 'gold'")[0][0]
    assert len(await members(segment_id)) == gold == 88
